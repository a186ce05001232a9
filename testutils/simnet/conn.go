package simnet

import (
	"net"
	"os"
	"sync"
	"time"
)

// Packets that wait to be read.
const (
	// connQueue is the receive buffer. A connection of NewSimConn drops packets when it is full.
	connQueue = 512
	// blockingConnQueue is the receive buffer of a connection of NewBlockingSimConn.
	blockingConnQueue = 32
)

// ErrDeadlineExceeded is the error of reads and writes after their deadline. It is a net.Error, and
// errors.Is says that it is os.ErrDeadlineExceeded.
var ErrDeadlineExceeded error = deadlineError{}

type deadlineError struct{}

func (deadlineError) Error() string        { return "deadline exceeded" }
func (deadlineError) Timeout() bool        { return true }
func (deadlineError) Temporary() bool      { return true }
func (deadlineError) Is(target error) bool { return target == os.ErrDeadlineExceeded }

// ConnStats counts what a SimConn has sent and what was read from it.
type ConnStats struct {
	BytesSent   int
	BytesRcvd   int
	PacketsSent int
	PacketsRcvd int
}

// A SimConn is a net.PacketConn at the edge of a simulated network.
type SimConn struct {
	addr     *net.UDPAddr
	router   Router
	blocking bool
	queue    chan Packet
	closed   chan struct{}

	readDeadline  deadline
	writeDeadline deadline

	mu      sync.Mutex
	stats   ConnStats
	isEnded bool
}

var _ net.PacketConn = (*SimConn)(nil)

// NewSimConn returns a connection that drops packets while its receive buffer is full.
func NewSimConn(addr *net.UDPAddr, rtr Router) *SimConn { return newConn(addr, rtr, connQueue, false) }

// NewBlockingSimConn returns a connection that makes whoever delivers a packet wait while its receive buffer
// is full.
func NewBlockingSimConn(addr *net.UDPAddr, rtr Router) *SimConn {
	return newConn(addr, rtr, blockingConnQueue, true)
}

func newConn(addr *net.UDPAddr, rtr Router, queue int, blocking bool) *SimConn {
	c := &SimConn{
		addr:     addr,
		router:   rtr,
		blocking: blocking,
		queue:    make(chan Packet, queue),
		closed:   make(chan struct{}),
	}
	c.readDeadline.init()
	c.writeDeadline.init()
	rtr.AddNode(addr, c)
	return c
}

// ReadFrom reads the next packet. What does not fit in b is lost.
func (c *SimConn) ReadFrom(b []byte) (int, net.Addr, error) {
	passed := c.readDeadline.wait()
	if err := c.check(passed); err != nil {
		return 0, nil, err
	}
	select {
	case p := <-c.queue:
		c.mu.Lock()
		c.stats.PacketsRcvd++
		c.stats.BytesRcvd += len(p.Data)
		c.mu.Unlock()
		return copy(b, p.Data), p.From, nil
	case <-passed:
		return 0, nil, ErrDeadlineExceeded
	case <-c.closed:
		return 0, nil, net.ErrClosed
	}
}

// WriteTo sends a copy of b.
func (c *SimConn) WriteTo(b []byte, addr net.Addr) (int, error) {
	if err := c.check(c.writeDeadline.wait()); err != nil {
		return 0, err
	}
	c.mu.Lock()
	c.stats.PacketsSent++
	c.stats.BytesSent += len(b)
	c.mu.Unlock()
	if err := c.router.SendPacket(Packet{To: addr, From: c.addr, Data: append([]byte(nil), b...)}); err != nil {
		return 0, err
	}
	return len(b), nil
}

// check reports why nothing can be read or written: Close comes first.
func (c *SimConn) check(passed <-chan struct{}) error {
	select {
	case <-c.closed:
		return net.ErrClosed
	default:
	}
	select {
	case <-passed:
		return ErrDeadlineExceeded
	default:
		return nil
	}
}

// RecvPacket puts p in the receive buffer. It is called by the router.
func (c *SimConn) RecvPacket(p Packet) { c.receive(p, nil) }

// receive stops waiting for room when done is closed.
func (c *SimConn) receive(p Packet, done <-chan struct{}) {
	select {
	case <-c.closed:
		return
	case c.queue <- p:
		return
	default:
	}
	if !c.blocking {
		return
	}
	select {
	case c.queue <- p:
	case <-c.closed:
	case <-done:
	}
}

// Close ends all reads and writes with net.ErrClosed. Packets to the connection are dropped from then on.
func (c *SimConn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isEnded {
		return nil
	}
	c.isEnded = true
	close(c.closed)
	c.readDeadline.set(time.Time{})
	c.writeDeadline.set(time.Time{})
	return nil
}

// LocalAddr returns the address of the connection.
func (c *SimConn) LocalAddr() net.Addr { return c.addr }

// UnicastAddr returns the address of the connection.
func (c *SimConn) UnicastAddr() net.Addr { return c.addr }

// Stats returns the counters.
func (c *SimConn) Stats() ConnStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stats
}

// SetDeadline sets both deadlines. The zero time means none.
func (c *SimConn) SetDeadline(t time.Time) error {
	c.readDeadline.set(t)
	c.writeDeadline.set(t)
	return nil
}

// SetReadDeadline sets the deadline of current and later calls of ReadFrom.
func (c *SimConn) SetReadDeadline(t time.Time) error {
	c.readDeadline.set(t)
	return nil
}

// SetWriteDeadline sets the deadline of later calls of WriteTo.
func (c *SimConn) SetWriteDeadline(t time.Time) error {
	c.writeDeadline.set(t)
	return nil
}

// SetReadBuffer does nothing: the size of the receive buffer is fixed.
func (c *SimConn) SetReadBuffer(int) error { return nil }

// SetWriteBuffer does nothing: there is no send buffer.
func (c *SimConn) SetWriteBuffer(int) error { return nil }
