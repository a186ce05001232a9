package measure

import (
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"time"
)

// inboxSize is how many datagrams are on their way to an endpoint at most.
const inboxSize = 1 << 14

// An endpoint is one end of a simulated link: a net.PacketConn that delays what it receives and loses what it sends.
// What happens to its n-th datagram follows from the seed.
type endpoint struct {
	addr  net.UDPAddr
	peer  *endpoint
	delay time.Duration
	inbox chan flight
	done  chan struct{}
	close sync.Once

	mu       sync.Mutex // guards what follows
	loss     float64
	random   *rand.Rand
	deadline chan struct{} // closed when reads have to end
}

type flight struct {
	due  time.Time
	data []byte
}

// newLink returns two endpoints that are delay apart.
func newLink(seed uint64, loss float64, delay time.Duration) (client, server *endpoint) {
	client, server = newEndpoint(1, seed, loss, delay), newEndpoint(2, seed, loss, delay)
	client.peer, server.peer = server, client
	return client, server
}

func newEndpoint(host byte, seed uint64, loss float64, delay time.Duration) *endpoint {
	return &endpoint{
		addr:     net.UDPAddr{IP: net.IPv4(10, 0, 0, host), Port: 4433},
		delay:    delay,
		inbox:    make(chan flight, inboxSize),
		done:     make(chan struct{}),
		loss:     loss,
		random:   rand.New(rand.NewPCG(seed, uint64(host))),
		deadline: make(chan struct{}),
	}
}

// WriteTo sends a copy of b to the other endpoint.
func (e *endpoint) WriteTo(b []byte, _ net.Addr) (int, error) {
	select {
	case <-e.done:
		return 0, net.ErrClosed
	default:
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.random.Float64() < e.loss {
		return len(b), nil
	}
	select {
	case e.peer.inbox <- flight{time.Now().Add(e.delay), append([]byte(nil), b...)}:
	default: // a full queue loses it
	}
	return len(b), nil
}

// ReadFrom waits for the next datagram until it is due. One that an expired deadline interrupts is lost.
func (e *endpoint) ReadFrom(b []byte) (int, net.Addr, error) {
	e.mu.Lock()
	deadline := e.deadline
	e.mu.Unlock()
	select {
	case <-e.done:
		return 0, nil, net.ErrClosed
	case <-deadline:
		return 0, nil, os.ErrDeadlineExceeded
	case f := <-e.inbox:
		time.Sleep(time.Until(f.due))
		return copy(b, f.data), &e.peer.addr, nil
	}
}

// Close ends reads and writes.
func (e *endpoint) Close() error {
	e.close.Do(func() { close(e.done) })
	return nil
}

// LocalAddr returns the address of the endpoint.
func (e *endpoint) LocalAddr() net.Addr { return &e.addr }

// SetReadDeadline takes deadlines in the past, and none: that is all that QUIC needs.
func (e *endpoint) SetReadDeadline(t time.Time) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	select {
	case <-e.deadline:
		e.deadline = make(chan struct{})
	default:
	}
	if t.IsZero() {
		return nil
	}
	if t.After(time.Now()) {
		return errors.New("deadlines in the future are not simulated")
	}
	close(e.deadline)
	return nil
}

// SetDeadline is SetReadDeadline: writes do not wait.
func (e *endpoint) SetDeadline(t time.Time) error { return e.SetReadDeadline(t) }

// SetWriteDeadline does nothing.
func (e *endpoint) SetWriteDeadline(time.Time) error { return nil }
