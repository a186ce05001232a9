package simnet

import (
	"errors"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var (
	addr1 = &net.UDPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 9001}
	addr2 = &net.UDPAddr{IP: net.IPv4(10, 0, 0, 2), Port: 9002}
)

// other is the address of node 2 in another form than addr2.
var other = &net.UDPAddr{IP: net.IP{10, 0, 0, 2}, Port: 9002}

func send(t *testing.T, c net.PacketConn, size int, to net.Addr) {
	t.Helper()
	if n, err := c.WriteTo(make([]byte, size), to); n != size || err != nil {
		t.Fatalf("WriteTo = %d, %v, want %d, nil", n, err, size)
	}
}

// receive returns the size of the next packet, or -1 if none comes within a day.
func receive(t *testing.T, c *SimConn) int {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(24 * time.Hour))
	n, _, err := c.ReadFrom(make([]byte, 5000))
	_ = c.SetReadDeadline(time.Time{})
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return -1
	}
	if err != nil {
		t.Fatalf("ReadFrom: %v", err)
	}
	return n
}

// network returns two started endpoints that are closed at the end of the test.
func network(t *testing.T, s1, s2 NodeBiDiLinkSettings) (c1, c2 *SimConn) {
	t.Helper()
	n := &Simnet{Router: &PerfectRouter{}}
	c1, c2 = n.NewEndpoint(addr1, s1), n.NewEndpoint(addr2, s2)
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return c1, c2
}

func TestLatencyIsTheReceivers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s1 := NodeBiDiLinkSettings{Latency: 10 * time.Millisecond}
		s2 := NodeBiDiLinkSettings{Latency: time.Hour, LatencyFunc: func(p Packet) time.Duration {
			return time.Duration(len(p.Data)) * time.Millisecond
		}}
		c1, c2 := network(t, s1, s2)
		start := time.Now()
		for _, size := range []int{90, 50, 70} {
			send(t, c1, size, other)
		}
		for _, want := range []int{50, 70, 90} {
			if got := receive(t, c2); got != want || time.Since(start) != time.Duration(want)*time.Millisecond {
				t.Errorf("%d bytes arrived after %v, want %d", got, time.Since(start), want)
			}
		}
		start = time.Now()
		send(t, c2, 1, addr1)
		if got := receive(t, c1); got != 1 || time.Since(start) != 10*time.Millisecond {
			t.Errorf("%d bytes arrived after %v, want 1 after 10ms", got, time.Since(start))
		}
	})
}

func TestOrderIsKeptWithoutLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c1, c2 := network(t, NodeBiDiLinkSettings{}, NodeBiDiLinkSettings{})
		go func() {
			for i := range 1000 {
				send(t, c1, i, addr2)
			}
		}()
		for i := range 1000 {
			if got := receive(t, c2); got != i {
				t.Fatalf("packet %d arrived, want %d", got, i)
			}
		}
		want := ConnStats{PacketsSent: 1000, BytesSent: 999 * 500}
		if got := c1.Stats(); got != want {
			t.Errorf("Stats = %+v, want %+v", got, want)
		}
		want = ConnStats{PacketsRcvd: 1000, BytesRcvd: 999 * 500}
		if got := c2.Stats(); got != want {
			t.Errorf("Stats = %+v, want %+v", got, want)
		}
	})
}

func TestMTU(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tc := range []struct {
			name     string
			up, down int
			want     int
		}{
			{"default", 0, 0, 1400},
			{"uplink", 1300, 2000, 1300},
			{"downlink", 2000, 1200, 1200},
			{"default of the downlink", 2000, 0, 1400},
		} {
			c1, c2 := network(t,
				NodeBiDiLinkSettings{Uplink: LinkSettings{MTU: tc.up}},
				NodeBiDiLinkSettings{Downlink: LinkSettings{MTU: tc.down}})
			send(t, c1, tc.want+1, addr2)
			send(t, c1, tc.want, addr2)
			if got := receive(t, c2); got != tc.want {
				t.Errorf("%s: %d bytes arrived, want %d", tc.name, got, tc.want)
			}
		}
	})
}

func TestNothingArrivesBeforeStartAndAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &Simnet{}
		c1, c2 := n.NewEndpoint(addr1, NodeBiDiLinkSettings{}), n.NewEndpoint(addr2, NodeBiDiLinkSettings{})
		send(t, c1, 1, addr2)
		if got := receive(t, c2); got != -1 {
			t.Errorf("%d bytes arrived before Start", got)
		}
		for range 2 {
			if err := n.Start(); err != nil {
				t.Errorf("Start = %v", err)
			}
		}
		if got := receive(t, c2); got != 1 {
			t.Errorf("%d bytes arrived after Start, want 1", got)
		}
		c3 := n.NewEndpoint(&net.UDPAddr{IP: net.IPv4(10, 0, 0, 3), Port: 1}, NodeBiDiLinkSettings{})
		send(t, c1, 2, c3.LocalAddr())
		if got := receive(t, c3); got != 2 {
			t.Errorf("%d bytes arrived at a late endpoint, want 2", got)
		}
		send(t, c1, 3, &net.UDPAddr{IP: net.IPv4(10, 0, 0, 4), Port: 1}) // nobody there: no error
		for range 2 {
			if err := n.Close(); err != nil {
				t.Errorf("Close = %v", err)
			}
		}
		send(t, c1, 4, addr2)
		if got := receive(t, c2); got != -1 {
			t.Errorf("%d bytes arrived after Close", got)
		}
		if n.Start() == nil {
			t.Error("Start after Close gives no error")
		}
	})
}

// Close must not wait for a reader that never comes, and must leave nothing in the bubble.
func TestCloseWhileDeliveryWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c1, c2 := network(t, NodeBiDiLinkSettings{}, NodeBiDiLinkSettings{Latency: time.Second})
		for range 5000 {
			send(t, c1, 1, addr2)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := receive(t, c2); got != 1 {
			t.Errorf("%d bytes arrived, want 1", got)
		}
	})
}

func TestLinksLoseNothingInABurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c1, c2 := network(t, NodeBiDiLinkSettings{}, NodeBiDiLinkSettings{Latency: time.Second})
		for range 5000 {
			send(t, c1, 1, addr2)
		}
		time.Sleep(time.Minute)
		n := 0
		for receive(t, c2) >= 0 {
			n++
		}
		if n != 5000 {
			t.Errorf("%d packets arrived, want 5000", n)
		}
	})
}

func TestConnQueues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &PerfectRouter{}
		c1, c2 := NewSimConn(addr1, r), NewBlockingSimConn(addr2, r)
		for range connQueue + 10 {
			send(t, c2, 1, addr1)
		}
		n := 0
		for receive(t, c1) >= 0 {
			n++
		}
		if n != connQueue {
			t.Errorf("%d packets arrived at a connection that drops, want %d", n, connQueue)
		}
		start := time.Now()
		go func() {
			time.Sleep(time.Minute)
			receive(t, c2)
			time.Sleep(time.Minute)
			c2.Close()
		}()
		for range blockingConnQueue + 2 {
			send(t, c1, 1, addr2)
		}
		if got := time.Since(start); got != 2*time.Minute {
			t.Errorf("senders waited for %v, want 2m", got)
		}
	})
}

func TestRouters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, r := range map[string]interface {
			Router
			RemoveNode(net.Addr)
		}{"perfect": &PerfectRouter{}, "fixed latency": &FixedLatencyRouter{latency: time.Second}} {
			c1, c2 := NewSimConn(addr1, r), NewSimConn(addr2, r)
			start := time.Now()
			for i := range 100 {
				send(t, c1, i, other)
			}
			for i := range 100 {
				if got := receive(t, c2); got != i {
					t.Fatalf("%s: packet %d arrived, want %d", name, got, i)
				}
			}
			if got, want := time.Since(start), map[string]time.Duration{"fixed latency": time.Second}[name]; got != want {
				t.Errorf("%s: latency %v, want %v", name, got, want)
			}
			r.RemoveNode(other)
			if n, err := c1.WriteTo([]byte("x"), addr2); n != 0 || err == nil || err.Error() != "unknown destination" {
				t.Errorf("%s: WriteTo a removed node = %d, %v", name, n, err)
			}
		}
		(&DelayedPacketReceiver{}).RecvPacket(Packet{})
	})
}

// text is an address that is not UDP.
type text string

func (a text) Network() string { return "text" }
func (a text) String() string  { return string(a) }

func TestAddressesOfAnyKind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &PerfectRouter{}
		c := NewSimConn(addr1, r)
		r.AddNode(text("x"), c)
		if err := r.SendPacket(Packet{To: text("x"), From: text("y"), Data: []byte("abc")}); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 2)
		if n, from, err := c.ReadFrom(b); n != 2 || from != text("y") || err != nil {
			t.Errorf("ReadFrom = %d, %v, %v, want 2, y, nil", n, from, err)
		}
		if r.SendPacket(Packet{}) == nil {
			t.Error("a packet to nowhere gives no error")
		}
	})
}

func TestDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewSimConn(addr1, &PerfectRouter{})
		defer c.Close()
		start := time.Now()
		read := func(want time.Duration) {
			t.Helper()
			_, _, err := c.ReadFrom(nil)
			var ne net.Error
			if err != ErrDeadlineExceeded || !errors.As(err, &ne) || !ne.Timeout() || !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("ReadFrom = %v, want %v", err, ErrDeadlineExceeded)
			}
			if got := time.Since(start); got != want {
				t.Errorf("ReadFrom ends after %v, want %v", got, want)
			}
		}
		_ = c.SetReadDeadline(time.Now().Add(time.Second))
		read(time.Second)
		read(time.Second)
		// A reader that waits already notices that the deadline is set, and that it is moved.
		_ = c.SetReadDeadline(time.Time{})
		go func() {
			time.Sleep(time.Second)
			_ = c.SetReadDeadline(time.Now().Add(time.Hour))
			time.Sleep(time.Second)
			_ = c.SetDeadline(time.Now().Add(time.Second))
		}()
		read(4 * time.Second)
		if n, err := c.WriteTo([]byte("x"), addr1); n != 0 || err != ErrDeadlineExceeded {
			t.Errorf("WriteTo = %d, %v, want 0, %v", n, err, ErrDeadlineExceeded)
		}
		_ = c.SetWriteDeadline(time.Time{})
		send(t, c, 1, addr1)
		read(4 * time.Second) // although a packet is there
	})
}

func TestClosedConn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &PerfectRouter{}
		c := NewBlockingSimConn(addr1, r)
		_ = c.SetDeadline(time.Now().Add(time.Hour))
		go func() {
			time.Sleep(time.Second)
			for range 2 {
				if err := c.Close(); err != nil {
					t.Errorf("Close = %v", err)
				}
			}
		}()
		if _, _, err := c.ReadFrom(nil); err != net.ErrClosed {
			t.Errorf("ReadFrom = %v, want %v", err, net.ErrClosed)
		}
		if _, err := c.WriteTo(nil, addr1); err != net.ErrClosed {
			t.Errorf("WriteTo = %v, want %v", err, net.ErrClosed)
		}
		for range 2 * blockingConnQueue {
			c.RecvPacket(Packet{}) // dropped
		}
		if c.LocalAddr() != addr1 || c.UnicastAddr() != addr1 || c.SetReadBuffer(1) != nil || c.SetWriteBuffer(1) != nil {
			t.Error("getters of a closed connection")
		}
	})
}

func TestDelayLineIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &delayLine{}
		for range maxQueuedPackets + 10 {
			l.push(Packet{}, time.Hour)
		}
		if got := len(l.queue); got != maxQueuedPackets {
			t.Errorf("%d packets wait, want %d", got, maxQueuedPackets)
		}
		l.close()
	})
}

// Writers, readers and Close at the same time are for the race detector.
func TestConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &Simnet{}
		s := NodeBiDiLinkSettings{Latency: time.Millisecond}
		c1, c2 := n.NewEndpoint(addr1, s), n.NewEndpoint(addr2, s)
		if err := n.Start(); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for _, c := range []*SimConn{c1, c2} {
			wg.Go(func() {
				for i := 0; ; i++ {
					if _, err := c.WriteTo([]byte("x"), []net.Addr{addr1, addr2}[i%2]); err != nil {
						return
					}
					time.Sleep(100 * time.Microsecond)
				}
			})
			wg.Go(func() {
				for {
					_ = c.SetReadDeadline(time.Now().Add(time.Minute))
					if _, _, err := c.ReadFrom(make([]byte, 10)); err != nil {
						return
					}
				}
			})
		}
		time.Sleep(200 * time.Millisecond)
		_ = n.Close()
		c1.Close()
		c2.Close()
		wg.Wait()
		if s := c1.Stats(); s.PacketsRcvd < 1000 {
			t.Errorf("%d packets arrived, want at least 1000", s.PacketsRcvd)
		}
	})
}
