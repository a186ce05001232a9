package quic_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	quic "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/internal/netsim"
	"github.com/quic-go/quic-go/testutils/simnet"
)

// slow is a path of 20 ms and 2 MB/s.
func slow() netsim.Options {
	d := netsim.Direction{Delay: 10 * time.Millisecond, Rate: 2 << 20, QueueBytes: 128 << 10}
	return netsim.Options{Up: d, Down: d}
}

// testBothWays transfers n bytes in both directions at the same time, neither stalling for longer than limit.
func testBothWays(t *testing.T, p *pair, n int, limit time.Duration) {
	t.Helper()
	var wg sync.WaitGroup
	wg.Go(func() { testStallingTransfer(t, p.client, p.server, n, limit) })
	wg.Go(func() { testStallingTransfer(t, p.server, p.client, n, limit) })
	wg.Wait()
}

// TestRebinding: a NAT gives the client other addresses in the middle of transfers, and the client does not notice.
func TestRebinding(t *testing.T) {
	for seed := range uint64(3) {
		synctest.Test(t, func(t *testing.T) {
			o := pairOptions{seed: seed, net: slow()}
			for i := range 6 {
				o.net.Rebind = append(o.net.Rebind, time.Duration(i+1)*300*time.Millisecond+time.Duration(seed)*13*time.Millisecond)
			}
			p := newPair(t, o)
			testBothWays(t, p, 4<<20, 500*time.Millisecond)
			if got, want := p.server.RemoteAddr().String(), p.net.ClientAddr(p.client.LocalAddr()).String(); got != want {
				t.Errorf("RemoteAddr = %s, want %s", got, want)
			}
		})
	}
}

// TestRebindingWithoutTraffic: the server learns of the new address by the first packet from there.
func TestRebindingWithoutTraffic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairOptions{net: slow()})
		for range 10 {
			time.Sleep(20 * time.Second)
			p.net.Rebind()
			testTransfer(t, p.client, p.server, []byte("still here"))
			testTransfer(t, p.server, p.client, []byte("so am I"))
		}
	})
}

// TestFrequentRebinding changes the client's address after every few of its packets.
func TestFrequentRebinding(t *testing.T) {
	for _, every := range []int64{50, 5} {
		t.Run(fmt.Sprintf("%d packets", every), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var p *pair
				var sent atomic.Int64
				var on atomic.Bool
				// A client that waits for the server and says nothing cannot be found after a rebinding.
				o := pairOptions{net: slow(), client: &quic.Config{KeepAlivePeriod: time.Second}}
				o.net.OnSent = func(_ time.Time, from, _ net.Addr, _ []byte) {
					if on.Load() && from.String() == p.client.LocalAddr().String() && sent.Add(1)%every == 0 {
						p.net.Rebind()
					}
				}
				p = newPair(t, o)
				on.Store(true)
				testTransfer(t, p.client, p.server, randomBytes(1, 1<<20))
				testTransfer(t, p.server, p.client, randomBytes(2, 1<<20))
				on.Store(false)
			})
		})
	}
}

// addPath adds a path from another socket of the client.
func (p *pair) addPath(t *testing.T, port int, wrap func(net.PacketConn) net.PacketConn) (*quic.Path, *quic.Transport) {
	t.Helper()
	pc := p.net.Listen(&net.UDPAddr{IP: net.IPv4(192, 0, 2, 77), Port: port})
	if wrap != nil {
		pc = wrap(pc)
	}
	tr := &quic.Transport{Conn: pc}
	t.Cleanup(func() { tr.Close() })
	path, err := p.client.AddPath(tr)
	if err != nil {
		t.Fatalf("AddPath: %v", err)
	}
	return path, tr
}

func mustMigrate(t *testing.T, path *quic.Path) {
	t.Helper()
	if err := path.Probe(t.Context()); err != nil {
		t.Fatalf("Probe: %v", err)
	}
	if err := path.Switch(); err != nil {
		t.Fatalf("Switch: %v", err)
	}
}

func TestMigration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairOptions{net: slow()})
		first := p.client.LocalAddr().String()
		path, tr := p.addPath(t, 1, nil)
		time.AfterFunc(700*time.Millisecond, func() {
			mustMigrate(t, path)
			if got, want := p.client.LocalAddr().String(), tr.Conn.LocalAddr().String(); got != want {
				t.Errorf("LocalAddr = %s, want %s", got, want)
			}
		})
		testBothWays(t, p, 4<<20, 500*time.Millisecond)
		if got, want := p.server.RemoteAddr().String(), tr.Conn.LocalAddr().String(); got != want {
			t.Errorf("RemoteAddr = %s, want %s", got, want)
		}
		back, err := p.client.AddPath(p.clientTr)
		if err != nil {
			t.Fatal(err)
		}
		mustMigrate(t, back)
		if err := path.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		testBothWays(t, p, 1<<20, 500*time.Millisecond)
		if got := p.server.RemoteAddr().String(); got != first {
			t.Errorf("RemoteAddr = %s, want %s", got, first)
		}
	})
}

// TestMigrationsInALoop needs a new connection ID for each of many migrations.
func TestMigrationsInALoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairOptions{net: lossy()})
		a, _ := p.addPath(t, 1, nil)
		b, _ := p.addPath(t, 2, nil)
		for i := range 30 {
			mustMigrate(t, a)
			testTransfer(t, p.client, p.server, randomBytes(uint64(i), 50_000))
			mustMigrate(t, b)
			testTransfer(t, p.server, p.client, randomBytes(uint64(i), 50_000))
		}
	})
}

func TestPathErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairOptions{net: slow()})
		if _, err := p.server.AddPath(p.serverTr); err == nil || err.Error() != "server cannot initiate connection migration" {
			t.Errorf("AddPath of the server: %v", err)
		}
		path, tr := p.addPath(t, 1, nil)
		if err := path.Switch(); !errors.Is(err, quic.ErrPathNotValidated) {
			t.Errorf("Switch before Probe: %v", err)
		}
		mustMigrate(t, path)
		if err := path.Switch(); err != nil {
			t.Errorf("Switch again: %v", err)
		}
		if err := path.Close(); err == nil || err.Error() != "cannot close active path" {
			t.Errorf("Close of the active path: %v", err)
		}
		other, otherTr := p.addPath(t, 2, nil)
		if err := other.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if err := other.Close(); err != nil {
			t.Errorf("second Close: %v", err)
		}
		if err := other.Probe(t.Context()); !errors.Is(err, quic.ErrPathClosed) {
			t.Errorf("Probe after Close: %v", err)
		}
		if err := other.Switch(); !errors.Is(err, quic.ErrPathClosed) {
			t.Errorf("Switch after Close: %v", err)
		}
		otherTr.Close()
		if _, err := p.client.AddPath(otherTr); !errors.Is(err, quic.ErrTransportClosed) {
			t.Errorf("AddPath with a closed Transport: %v", err)
		}
		wrong := &quic.Transport{Conn: p.net.Listen(&net.UDPAddr{IP: net.IPv4(192, 0, 2, 77), Port: 3}), ConnectionIDLength: 7}
		defer wrong.Close()
		if _, err := p.client.AddPath(wrong); err == nil {
			t.Error("AddPath with connection IDs of another length succeeds")
		}
		_ = tr
		p.client.CloseWithError(1, "")
		for name, err := range map[string]error{"Probe": path.Probe(t.Context()), "Switch": path.Switch(), "Close": path.Close()} {
			if !errors.Is(err, &quic.ApplicationError{ErrorCode: 1}) {
				t.Errorf("%s on a closed connection: %v", name, err)
			}
		}
	})
}

// A deadConn loses everything while it is dead.
type deadConn struct {
	net.PacketConn
	dead atomic.Bool
}

func (c *deadConn) WriteTo(b []byte, a net.Addr) (int, error) {
	if c.dead.Load() {
		return len(b), nil
	}
	return c.PacketConn.WriteTo(b, a)
}

func (c *deadConn) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, a, err := c.PacketConn.ReadFrom(b)
		if err != nil || !c.dead.Load() {
			return n, a, err
		}
	}
}

func TestProbeOfDeadPath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairOptions{net: slow(), client: &quic.Config{KeepAlivePeriod: 5 * time.Second}})
		var dead *deadConn
		path, _ := p.addPath(t, 1, func(pc net.PacketConn) net.PacketConn {
			dead = &deadConn{PacketConn: pc}
			dead.dead.Store(true)
			return dead
		})
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		if err := path.Probe(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Probe: %v, want %v", err, context.DeadlineExceeded)
		}
		if err := path.Switch(); !errors.Is(err, quic.ErrPathNotValidated) {
			t.Errorf("Switch: %v", err)
		}
		time.AfterFunc(15*time.Second, func() { dead.dead.Store(false) })
		mustMigrate(t, path)
		testBothWays(t, p, 1<<20, time.Second)
		probing := make(chan error, 1)
		other, _ := p.addPath(t, 2, func(pc net.PacketConn) net.PacketConn {
			dead = &deadConn{PacketConn: pc}
			dead.dead.Store(true)
			return dead
		})
		go func() { probing <- other.Probe(t.Context()) }()
		time.Sleep(time.Second)
		if err := other.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if err := <-probing; !errors.Is(err, quic.ErrPathClosed) {
			t.Errorf("Probe: %v, want %v", err, quic.ErrPathClosed)
		}
	})
}

// TestMigrationFromDeadPath: the old path dies in the middle of transfers, and the application switches some time later.
func TestMigrationFromDeadPath(t *testing.T) {
	for _, closeOld := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			p := newUnconnectedPair(t, pairOptions{net: slow()})
			old := &deadConn{PacketConn: p.clientTr.Conn}
			p.clientTr = &quic.Transport{Conn: old}
			defer p.clientTr.Close()
			var err error
			if p.client, err = p.clientTr.Dial(t.Context(), p.listener.Addr(), p.clientTLS, nil); err != nil {
				t.Fatal(err)
			}
			if p.server, err = p.listener.Accept(t.Context()); err != nil {
				t.Fatal(err)
			}
			path, _ := p.addPath(t, 1, nil)
			time.AfterFunc(500*time.Millisecond, func() { old.dead.Store(true) })
			time.AfterFunc(1500*time.Millisecond, func() {
				mustMigrate(t, path)
				if closeOld {
					p.clientTr.Close()
				}
			})
			testBothWays(t, p, 3<<20, 2*time.Second)
		})
	}
}

func TestCloseOfTransports(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairOptions{net: slow()})
		a, trA := p.addPath(t, 1, nil)
		b, trB := p.addPath(t, 2, nil)
		mustMigrate(t, a)
		if err := b.Probe(t.Context()); err != nil {
			t.Fatal(err)
		}
		trB.Close()
		if err := b.Switch(); !errors.Is(err, quic.ErrPathClosed) {
			t.Errorf("Switch to a path of a closed Transport: %v", err)
		}
		p.clientTr.Close()
		testBothWays(t, p, 1<<20, time.Second)
		trA.Close()
		if err := context.Cause(p.client.Context()); !errors.Is(err, quic.ErrTransportClosed) {
			t.Errorf("connection ended with %v", err)
		}
		for _, tr := range []*quic.Transport{p.clientTr, trA, trB} {
			if n := quic.RoutedByTransport(tr); n != 0 {
				t.Errorf("%d connection IDs and tokens are left", n)
			}
		}
	})
}

// TestMigrationLeavesNothing: all Transports forget the connection when it is over.
func TestMigrationLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairOptions{net: slow()})
		a, trA := p.addPath(t, 1, nil)
		b, trB := p.addPath(t, 2, nil)
		mustMigrate(t, a)
		mustMigrate(t, b)
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		if n := quic.RoutedByTransport(trA); n != 0 {
			t.Errorf("%d connection IDs and tokens are left at the Transport of a closed path", n)
		}
		p.client.CloseWithError(7, "bye")
		<-p.server.Context().Done()
		if err := context.Cause(p.server.Context()); !errors.Is(err, &quic.ApplicationError{Remote: true, ErrorCode: 7}) {
			t.Errorf("server's cause: %v", err)
		}
		time.Sleep(10 * time.Second)
		for _, tr := range []*quic.Transport{p.clientTr, p.serverTr, trA, trB} {
			if n := quic.RoutedByTransport(tr); n != 0 {
				t.Errorf("%d connection IDs and tokens are left", n)
			}
		}
	})
}

// TestMigrationUnderLoss loses packets of both paths, among them challenges and responses.
func TestMigrationUnderLoss(t *testing.T) {
	for seed := range uint64(5) {
		synctest.Test(t, func(t *testing.T) {
			o := slow()
			o.Up.Loss, o.Down.Loss = 0.05, 0.05
			p := newPair(t, pairOptions{seed: seed, net: o})
			path, _ := p.addPath(t, 1, nil)
			time.AfterFunc(500*time.Millisecond, func() { mustMigrate(t, path) })
			time.AfterFunc(900*time.Millisecond, p.net.Rebind)
			testBothWays(t, p, 2<<20, 3*time.Second)
		})
	}
}

// TestMTUOfNewPath: the size of packets is found out anew after a migration.
func TestMTUOfNewPath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l sizeLog
		p := newWholePair(t, pairOptions{net: link(0, &l)}, nil, nil)
		testTransfer(t, p.client, p.server, randomBytes(1, 5<<20))
		o := link(1300, &l)
		path, _ := p.addPath(t, 1, func(pc net.PacketConn) net.PacketConn { return wholeConn{pc} })
		mustMigrate(t, path)
		p.net.SetUp(o.Up)
		p.net.SetDown(o.Down)
		testBothWays(t, p, 2<<20, time.Second)
		time.Sleep(10 * time.Second)
		l.take()
		testBothWays(t, p, 1<<20, time.Second)
		if got := l.take(); got < 1250 || got > 1300 {
			t.Errorf("datagrams of %d bytes, want almost 1300", got)
		}
	})
}

// A victim counts what it gets from the server, and what the server gets in its name.
type victim struct {
	addr        *net.UDPAddr
	sent, stray atomic.Int64 // bytes
}

func (v *victim) onSent(_ time.Time, _, to net.Addr, data []byte) {
	if to.String() == v.addr.String() {
		v.stray.Add(int64(len(data)))
	}
}

// copyTo sends a copy of the datagram in the victim's name.
func (v *victim) copyTo(n *netsim.Net, server net.Addr, data []byte) {
	v.sent.Add(int64(len(data)))
	n.SendPacket(simnet.Packet{From: v.addr, To: server, Data: append([]byte(nil), data...)})
}

// TestSpoofedMigration: an attacker copies packets of the client and sends them in the name of a victim, faster than the
// client does.
func TestSpoofedMigration(t *testing.T) {
	for _, every := range []int64{1, 3, 100} {
		t.Run(fmt.Sprintf("one of %d packets", every), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var p *pair
				var on atomic.Bool
				var count atomic.Int64
				v := &victim{addr: &net.UDPAddr{IP: net.IPv4(203, 0, 113, 66), Port: 6666}}
				o := pairOptions{net: slow()}
				o.net.OnSent = func(now time.Time, from, to net.Addr, data []byte) {
					v.onSent(now, from, to, data)
					if on.Load() && from.String() == p.client.LocalAddr().String() && count.Add(1)%every == 0 {
						v.copyTo(p.net, to, data)
					}
				}
				p = newPair(t, o)
				on.Store(true)
				time.AfterFunc(time.Second, func() { on.Store(false) })
				testBothWays(t, p, 2<<20, 4*time.Second)
				if got, limit := v.stray.Load(), 3*v.sent.Load(); got > limit || limit == 0 {
					t.Errorf("the victim got %d bytes, want %d at most", got, limit)
				}
				if got, want := p.server.RemoteAddr().String(), p.client.LocalAddr().String(); got != want {
					t.Errorf("RemoteAddr = %s, want %s", got, want)
				}
			})
		})
	}
}

// TestSpoofedMigrationOnce: one copied packet costs the connection next to nothing, and its congestion window is kept.
func TestSpoofedMigrationOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p *pair
		var on atomic.Bool
		v := &victim{addr: &net.UDPAddr{IP: net.IPv4(203, 0, 113, 66), Port: 6666}}
		o := pairOptions{net: slow()}
		o.net.OnSent = func(now time.Time, from, to net.Addr, data []byte) {
			v.onSent(now, from, to, data)
			if on.Load() && from.String() == p.client.LocalAddr().String() && on.CompareAndSwap(true, false) {
				v.copyTo(p.net, to, data)
			}
		}
		p = newPair(t, o)
		testTransfer(t, p.server, p.client, randomBytes(1, 4<<20))
		window := p.server.ConnectionStats().CongestionWindow
		time.AfterFunc(time.Second, func() { on.Store(true) })
		testBothWays(t, p, 4<<20, 300*time.Millisecond)
		if got := p.server.ConnectionStats().CongestionWindow; got < window/4 {
			t.Errorf("congestion window of %d bytes, before the attack %d", got, window)
		}
		if v.sent.Load() == 0 {
			t.Error("no attack")
		}
	})
}
