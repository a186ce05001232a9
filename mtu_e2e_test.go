package quic_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	quic "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/internal/netsim"
	"github.com/quic-go/quic-go/internal/testcert"
)

// A wholeConn says that it never fragments, as a socket does on which DF is set.
type wholeConn struct{ net.PacketConn }

func (wholeConn) DontFragment() bool { return true }

// A sizeLog counts the sizes of the datagrams that were sent, in both directions.
type sizeLog struct {
	mu     sync.Mutex
	counts map[int]int
}

func (l *sizeLog) hook(_ time.Time, _, _ net.Addr, data []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.counts == nil {
		l.counts = make(map[int]int)
	}
	l.counts[len(data)]++
}

// take returns the size of the datagrams with most of the data since the last call.
func (l *sizeLog) take() (size int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for n := range l.counts {
		if n*l.counts[n] > size*l.counts[size] {
			size = n
		}
	}
	clear(l.counts)
	return size
}

// newWholePair is newPair on connections that never fragment and have the given faults in writing.
func newWholePair(t *testing.T, o pairOptions, client, server netsim.Fault) *pair {
	t.Helper()
	clientPC, serverPC, n := netsim.Pair(o.seed, o.net)
	p := &pair{
		net:       n,
		clientTr:  &quic.Transport{Conn: wholeConn{netsim.WithFaults(clientPC, nil, client)}},
		serverTr:  &quic.Transport{Conn: wholeConn{netsim.WithFaults(serverPC, nil, server)}},
		clientTLS: testcert.ClientConfig("test"),
	}
	var err error
	if p.listener, err = p.serverTr.Listen(testcert.ServerConfig("test"), o.server); err != nil {
		t.Fatalf("Listen: %v", err)
	}
	t.Cleanup(func() {
		p.clientTr.Close()
		p.serverTr.Close()
		p.net.Close()
		synctest.Wait()
	})
	if p.client, err = p.clientTr.Dial(t.Context(), p.listener.Addr(), p.clientTLS, o.client); err != nil {
		t.Fatalf("Dial: %v", err)
	}
	if p.server, err = p.listener.Accept(t.Context()); err != nil {
		t.Fatalf("Accept: %v", err)
	}
	return p
}

// link is a path of 20 ms and 100 MB/s in both directions that carries datagrams of at most mtu bytes.
func link(mtu int, l *sizeLog) netsim.Options {
	d := netsim.Direction{MTU: mtu, Delay: 10 * time.Millisecond, Rate: 100 << 20}
	return netsim.Options{Up: d, Down: d, OnSent: l.hook}
}

func TestMTURisesToThatOfTheLink(t *testing.T) {
	for _, tc := range []struct{ link, want int }{
		{1200, 1200}, {1280, 1280}, {1350, 1350}, {1452, 1452}, {1472, 1472}, {8952, 8952}, {16336, 16336}, {65487, 65487}, {0, 65487},
		{1420, 1392}, {9100, 8952},
	} {
		t.Run(fmt.Sprint(tc.link), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var l sizeLog
				p := newWholePair(t, pairOptions{net: link(tc.link, &l)}, nil, nil)
				// Larger probes have to be earned.
				data := randomBytes(1, 4<<20)
				if tc.want > 1472 {
					data = randomBytes(1, 14<<20)
				}
				testTransfer(t, p.client, p.server, data)
				testTransfer(t, p.server, p.client, data)
				time.Sleep(time.Second)
				l.take()
				testTransfer(t, p.client, p.server, data[:1<<20])
				if got := l.take(); got != tc.want {
					t.Errorf("datagrams of %d bytes from the client, want %d", got, tc.want)
				}
				testTransfer(t, p.server, p.client, data[:1<<20])
				if got := l.take(); got != tc.want {
					t.Errorf("datagrams of %d bytes from the server, want %d", got, tc.want)
				}
			})
		})
	}
}

// TestMTUFalls lets the path swallow packets that it carried before, in the middle of transfers in both directions.
func TestMTUFalls(t *testing.T) {
	for _, tc := range []struct{ from, to int }{{1472, 1300}, {1472, 1200}, {1280, 1279}, {8952, 1452}, {65487, 1472}, {65487, 8952}} {
		t.Run(fmt.Sprintf("%d to %d", tc.from, tc.to), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var l sizeLog
				o := link(tc.from, &l)
				p := newWholePair(t, pairOptions{net: o}, nil, nil)
				testTransfer(t, p.client, p.server, randomBytes(1, 2<<20))
				testTransfer(t, p.server, p.client, randomBytes(2, 2<<20))
				o.Up.Rate, o.Down.Rate = 2<<20, 2<<20
				o.Up.QueueBytes, o.Down.QueueBytes = 256<<10, 256<<10
				p.net.SetUp(o.Up)
				p.net.SetDown(o.Down)
				time.AfterFunc(time.Second, func() {
					o.Up.MTU, o.Down.MTU = tc.to, tc.to
					p.net.SetUp(o.Up)
					p.net.SetDown(o.Down)
				})
				var wg sync.WaitGroup
				for _, ends := range [][2]*quic.Conn{{p.client, p.server}, {p.server, p.client}} {
					wg.Go(func() { testStallingTransfer(t, ends[0], ends[1], 4<<20, 2*time.Second) })
				}
				wg.Wait()
				l.take()
				testTransfer(t, p.client, p.server, randomBytes(3, 1<<20))
				if got := l.take(); got > tc.to && got <= tc.from {
					t.Errorf("datagrams of %d bytes at last, want at most %d", got, tc.to)
				}
			})
		})
	}
}

// testStallingTransfer transfers n bytes, of which none may be late by more than limit.
func testStallingTransfer(t *testing.T, from, to *quic.Conn, n int, limit time.Duration) {
	t.Helper()
	data := randomBytes(uint64(n), n)
	s, err := from.OpenUniStream()
	if err != nil {
		t.Error(err)
		return
	}
	go func() {
		if _, err := s.Write(data); err != nil {
			t.Errorf("Write: %v", err)
		}
		s.Close()
	}()
	r, err := to.AcceptUniStream(t.Context())
	if err != nil {
		t.Error(err)
		return
	}
	var got []byte
	buf := make([]byte, 1<<16)
	last := time.Now()
	for {
		n, err := r.Read(buf)
		got = append(got, buf[:n]...)
		if d := time.Since(last); d > limit {
			t.Errorf("stalled for %s after %d bytes, want at most %s", d, len(got), limit)
		}
		last = time.Now()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Errorf("Read after %d bytes: %v", len(got), err)
			return
		}
	}
	if !bytes.Equal(got, data) {
		t.Errorf("got %d bytes that differ, want %d", len(got), len(data))
	}
}

// TestMTURisesAgain: what was too large is tried again after ten minutes.
func TestMTURisesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l sizeLog
		cfg := &quic.Config{KeepAlivePeriod: 10 * time.Second}
		p := newWholePair(t, pairOptions{net: link(1300, &l), client: cfg}, nil, nil)
		testTransfer(t, p.client, p.server, randomBytes(1, 5<<20))
		time.Sleep(10 * time.Second)
		o := link(1452, &l)
		p.net.SetUp(o.Up)
		p.net.SetDown(o.Down)
		testTransfer(t, p.client, p.server, randomBytes(1, 5<<20))
		l.take()
		testTransfer(t, p.client, p.server, randomBytes(1, 5<<20))
		if got := l.take(); got > 1300 {
			t.Errorf("datagrams of %d bytes, want at most 1300", got)
		}
		time.Sleep(11 * time.Minute)
		testTransfer(t, p.client, p.server, randomBytes(1, 5<<20))
		time.Sleep(time.Second)
		l.take()
		testTransfer(t, p.client, p.server, randomBytes(1, 1<<20))
		if got := l.take(); got != 1452 {
			t.Errorf("datagrams of %d bytes, want 1452", got)
		}
	})
}

func TestMTUDiscoveryDisabled(t *testing.T) {
	for _, tc := range []struct {
		name  string
		cfg   quic.Config
		whole bool
		want  int
	}{
		{"by configuration", quic.Config{DisablePathMTUDiscovery: true}, true, 1280},
		{"by configuration, of another size", quic.Config{DisablePathMTUDiscovery: true, InitialPacketSize: 1400}, true, 1400},
		{"as packets may be fragmented", quic.Config{}, false, 1280},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var l sizeLog
				o := pairOptions{net: link(0, &l), client: &tc.cfg}
				var p *pair
				if tc.whole {
					p = newWholePair(t, o, nil, nil)
				} else {
					p = newPair(t, o)
				}
				time.Sleep(time.Second)
				l.take()
				testTransfer(t, p.client, p.server, randomBytes(1, 5<<20))
				if got := l.take(); got != tc.want {
					t.Errorf("datagrams of %d bytes, want %d", got, tc.want)
				}
			})
		})
	}
}

// TestHandshakeFallsBackToSmallPackets: the default size of 1280 bytes is more than the path or the system permits.
func TestHandshakeFallsBackToSmallPackets(t *testing.T) {
	refuse := netsim.LongerThan(1200, syscall.EMSGSIZE)
	for _, tc := range []struct {
		name           string
		mtu            int
		client, server netsim.Fault
	}{
		{name: "swallowed"},
		{name: "refused to the client", client: refuse},
		{name: "refused to the server", server: refuse},
		{name: "refused to both", client: refuse, server: refuse},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var l sizeLog
				start := time.Now()
				p := newWholePair(t, pairOptions{net: link(1200, &l)}, tc.client, tc.server)
				testTransfer(t, p.client, p.server, randomBytes(1, 1<<20))
				testTransfer(t, p.server, p.client, randomBytes(1, 1<<20))
				if d := time.Since(start); d > 15*time.Second {
					t.Errorf("took %s", d)
				}
			})
		})
	}
}

// TestMTUOfTheSystem: EMSGSIZE is believed at once, whatever a probe has shown before. It comes from the interface, never from
// an ICMP message: those are off on sockets (IP_PMTUDISC_PROBE).
func TestMTUOfTheSystem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l sizeLog
		faulty := func(limit int) netsim.Fault { return netsim.LongerThan(limit, syscall.EMSGSIZE) }
		clientPC, serverPC, n := netsim.Pair(1, link(0, &l))
		client := netsim.WithFaults(clientPC, nil, faulty(1450))
		p := &pair{net: n, clientTr: &quic.Transport{Conn: wholeConn{client}}, serverTr: &quic.Transport{Conn: serverPC}}
		defer n.Close()
		defer p.serverTr.Close()
		defer p.clientTr.Close()
		ln, err := p.serverTr.Listen(testcert.ServerConfig("test"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if p.client, err = p.clientTr.Dial(t.Context(), ln.Addr(), testcert.ClientConfig("test"), nil); err != nil {
			t.Fatal(err)
		}
		if p.server, err = ln.Accept(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, step := range []struct{ limit, low, high int }{{1450, 1392, 1450}, {1300, 1260, 1300}, {1200, 1200, 1200}} {
			client.SetFaults(nil, faulty(step.limit))
			testStallingTransfer(t, p.client, p.server, 5<<20, 2*time.Second)
			l.take()
			testTransfer(t, p.client, p.server, randomBytes(1, 1<<20))
			if got := l.take(); got < step.low || got > step.high {
				t.Errorf("datagrams of %d bytes, want %d to %d", got, step.low, step.high)
			}
		}
	})
}

// TestRandomLossKeepsMTU: a path that loses almost a third of all packets is none with a black hole.
func TestRandomLossKeepsMTU(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l sizeLog
		cfg := &quic.Config{EnableDatagrams: true}
		o := link(1452, &l)
		p := newWholePair(t, pairOptions{net: o, client: cfg, server: cfg}, nil, nil)
		testTransfer(t, p.client, p.server, randomBytes(1, 1<<20))
		o.Up.Loss, o.Down.Loss = 0.3, 0.3
		p.net.SetUp(o.Up)
		p.net.SetDown(o.Down)
		s, err := p.client.OpenUniStream()
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			if r, err := p.server.AcceptUniStream(t.Context()); err == nil {
				io.Copy(io.Discard, r)
			}
		}()
		go func() {
			for {
				if _, err := s.Write(make([]byte, 1<<16)); err != nil {
					return
				}
			}
		}()
		falls, last := 0, int64(0)
		const minutes = 10
		for range minutes * 60 * 20 {
			time.Sleep(50 * time.Millisecond)
			limit := datagramLimit(t, p.client)
			if limit < last {
				falls++
			}
			last = limit
		}
		t.Logf("%d falls in %d minutes", falls, minutes)
		if falls > minutes {
			t.Errorf("%d falls in %d minutes", falls, minutes)
		}
		p.client.CloseWithError(0, "")
	})
}

func datagramLimit(t *testing.T, c *quic.Conn) int64 {
	t.Helper()
	err := c.SendDatagram(make([]byte, 1<<16))
	tooLarge, ok := errors.AsType[*quic.DatagramTooLargeError](err)
	if !ok {
		t.Fatalf("SendDatagram: %v", err)
	}
	return tooLarge.MaxDatagramPayloadSize
}

// TestDatagramsFollowMTU: the limit of SendDatagram grows with the packets, and what it permits arrives.
func TestDatagramsFollowMTU(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l sizeLog
		cfg := &quic.Config{EnableDatagrams: true}
		o := link(1472, &l)
		p := newWholePair(t, pairOptions{net: o, client: cfg, server: cfg}, nil, nil)
		before := datagramLimit(t, p.client)
		time.Sleep(time.Second)
		limit := datagramLimit(t, p.client)
		if limit <= before || limit > 1472 {
			t.Errorf("limit = %d after %d, want more, up to 1472", limit, before)
		}
		send := func(n int64) {
			if err := p.client.SendDatagram(make([]byte, n)); err != nil {
				t.Fatal(err)
			}
			if got, err := p.server.ReceiveDatagram(t.Context()); err != nil || int64(len(got)) != n {
				t.Errorf("ReceiveDatagram = %d bytes, %v, want %d", len(got), err, n)
			}
		}
		send(limit)
		o.Up.MTU, o.Down.MTU = 1200, 1200
		p.net.SetUp(o.Up)
		p.net.SetDown(o.Down)
		testStallingTransfer(t, p.client, p.server, 5<<20, 2*time.Second)
		send(datagramLimit(t, p.client))
	})
}
