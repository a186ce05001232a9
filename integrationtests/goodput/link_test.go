package goodput

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	quic "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/internal/netsim"
	"github.com/quic-go/quic-go/internal/testcert"
)

// A link is a bottleneck from the server to the clients. Acknowledgements are neither limited nor lost.
type link struct {
	rate  int // bytes per second
	rtt   time.Duration
	queue float64 // in bandwidth-delay products
	loss  float64
}

func (l link) options() netsim.Options {
	bdp := float64(l.rate) * l.rtt.Seconds()
	return netsim.Options{
		Up:   netsim.Direction{Delay: l.rtt / 2},
		Down: netsim.Direction{Delay: l.rtt / 2, Rate: l.rate, QueueBytes: int(l.queue * bdp), Loss: l.loss},
	}
}

// A scenario is some transfers over a link.
type scenario struct {
	name     string
	link     link
	flows    int
	stagger  time.Duration // between the begins of two flows
	warmUp   time.Duration // after the begin of the first one, not measured
	duration time.Duration // after that
	trickle  time.Duration // for how long the application has little to send at first
}

// A result is what the flows of a scenario have got.
type result struct {
	bytes    []int64 // of each flow
	duration time.Duration
	rate     int
	stats    netsim.Stats // of the whole scenario
}

// share returns the goodput of all flows as a part of the rate of the link.
func (r *result) share() float64 {
	var sum int64
	for _, n := range r.bytes {
		sum += n
	}
	return float64(sum) / r.duration.Seconds() / float64(r.rate)
}

// jain returns the fairness index of Jain: 1 if all flows have got the same, 1/n if one has got all.
func (r *result) jain() float64 {
	var sum, squares float64
	for _, n := range r.bytes {
		sum += float64(n)
		squares += float64(n) * float64(n)
	}
	return sum * sum / (float64(len(r.bytes)) * squares)
}

func (r *result) lossRate() float64 {
	return float64(r.stats.Lost+r.stats.QueueFull) / float64(r.stats.Sent)
}

// run measures a scenario in a bubble of its own.
func (s scenario) run(t *testing.T, cc quic.CongestionControl) (r result) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { r = s.measure(t, cc) })
	return r
}

const seed = 1

var serverAddr = &net.UDPAddr{IP: net.IPv4(198, 51, 100, 1), Port: 443}

func (s scenario) measure(t *testing.T, cc quic.CongestionControl) result {
	network := netsim.New(seed, serverAddr, s.link.options())
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	server := &quic.Transport{Conn: network.Listen(serverAddr), CongestionControl: cc}
	listener, err := server.Listen(testcert.ServerConfig("goodput"), nil)
	if err != nil {
		t.Fatal(err)
	}
	wg.Go(func() { s.serve(ctx, t, listener, &wg) })

	clients := make([]*quic.Transport, s.flows)
	counts := make([]atomic.Int64, s.flows)
	for i := range clients {
		addr := &net.UDPAddr{IP: net.IPv4(192, 0, 2, byte(i+1)), Port: 1000}
		clients[i] = &quic.Transport{Conn: network.Listen(addr)}
		wg.Go(func() {
			time.Sleep(time.Duration(i) * s.stagger)
			if err := download(ctx, clients[i], &counts[i]); err != nil && ctx.Err() == nil {
				t.Errorf("flow %d: %v", i, err)
			}
		})
	}
	time.Sleep(s.warmUp)
	r := result{bytes: make([]int64, s.flows), duration: s.duration, rate: s.link.rate}
	for i := range counts {
		r.bytes[i] = -counts[i].Load()
	}
	time.Sleep(s.duration)
	for i := range counts {
		r.bytes[i] += counts[i].Load()
	}
	r.stats = network.DownStats()
	cancel()
	for _, c := range clients {
		c.Close()
	}
	server.Close()
	network.Close()
	wg.Wait()
	return r
}

// serve sends to every client that connects, without an end.
func (s scenario) serve(ctx context.Context, t *testing.T, l *quic.Listener, wg *sync.WaitGroup) {
	data := make([]byte, 64<<10)
	for {
		conn, err := l.Accept(ctx)
		if err != nil {
			return
		}
		wg.Go(func() {
			str, err := conn.OpenUniStream()
			for end := time.Now().Add(s.trickle); err == nil && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
				_, err = str.Write(data[:2000])
			}
			for err == nil {
				_, err = str.Write(data)
			}
			if ctx.Err() == nil {
				t.Errorf("server: %v", err)
			}
		})
	}
}

// download counts what the server sends.
func download(ctx context.Context, tr *quic.Transport, count *atomic.Int64) error {
	conn, err := tr.Dial(ctx, serverAddr, testcert.ClientConfig("goodput"), nil)
	if err != nil {
		return fmt.Errorf("dial: %w", err)
	}
	s, err := conn.AcceptUniStream(ctx)
	if err != nil {
		return fmt.Errorf("accept: %w", err)
	}
	buf := make([]byte, 64<<10)
	for {
		n, err := s.Read(buf)
		count.Add(int64(n))
		if errors.Is(err, io.EOF) {
			return err
		}
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
	}
}
