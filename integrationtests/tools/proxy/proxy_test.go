package quicproxy

import (
	"errors"
	"net"
	"os"
	"slices"
	"sync"
	"testing"
	"time"
)

// A scene is a proxy with a server behind it and a client before it, on the loopback interface.
type scene struct {
	t              *testing.T
	proxy          *Proxy
	client, server *net.UDPConn
}

func listen(t *testing.T) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func newScene(t *testing.T, p *Proxy) *scene {
	t.Helper()
	s := &scene{t: t, proxy: p, client: listen(t), server: listen(t)}
	p.Conn, p.ServerAddr = listen(t), s.server.LocalAddr().(*net.UDPAddr)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return s
}

func (s *scene) send(text string) {
	s.t.Helper()
	if _, err := s.client.WriteTo([]byte(text), s.proxy.LocalAddr()); err != nil {
		s.t.Fatal(err)
	}
}

func (s *scene) answer(text string, to net.Addr) {
	s.t.Helper()
	if _, err := s.server.WriteTo([]byte(text), to); err != nil {
		s.t.Fatal(err)
	}
}

// want waits for a datagram and returns where it came from.
func (s *scene) want(at *net.UDPConn, text string) net.Addr {
	s.t.Helper()
	b := make([]byte, 100)
	at.SetReadDeadline(time.Now().Add(10 * time.Second))
	n, from, err := at.ReadFrom(b)
	if err != nil || string(b[:n]) != text {
		s.t.Fatalf("received %q, %v; want %q", b[:n], err, text)
	}
	return from
}

func TestProxyForwardsBothWays(t *testing.T) {
	s := newScene(t, &Proxy{})
	for range 2 {
		s.send("ping")
		s.answer("pong", s.want(s.server, "ping"))
		if from := s.want(s.client, "pong"); from.String() != s.proxy.LocalAddr().String() {
			t.Errorf("answered by %s, want the proxy at %s", from, s.proxy.LocalAddr())
		}
	}
}

func TestProxyTellsClientsApart(t *testing.T) {
	s := newScene(t, &Proxy{})
	other := &scene{t: t, proxy: s.proxy, client: listen(t), server: s.server}
	s.send("a")
	a := s.want(s.server, "a")
	other.send("b")
	b := s.want(s.server, "b")
	s.answer("to b", b)
	s.answer("to a", a)
	s.want(s.client, "to a")
	s.want(other.client, "to b")
}

func TestProxyDropsAndTellsOfAddresses(t *testing.T) {
	type call struct {
		dir      Direction
		from, to string
		text     string
	}
	var mu sync.Mutex
	var calls []call
	s := newScene(t, &Proxy{DropPacket: func(dir Direction, from, to net.Addr, b []byte) bool {
		mu.Lock()
		defer mu.Unlock()
		calls = append(calls, call{dir, from.String(), to.String(), string(b)})
		return string(b) == "drop"
	}})
	s.send("drop")
	s.send("keep")
	from := s.want(s.server, "keep")
	s.answer("drop", from)
	s.answer("keep", from)
	s.want(s.client, "keep")
	mu.Lock()
	defer mu.Unlock()
	c, srv := s.client.LocalAddr().String(), s.server.LocalAddr().String()
	want := []call{
		{DirectionIncoming, c, srv, "drop"}, {DirectionIncoming, c, srv, "keep"},
		{DirectionOutgoing, srv, c, "drop"}, {DirectionOutgoing, srv, c, "keep"},
	}
	if !slices.Equal(calls, want) {
		t.Errorf("DropPacket was called with %v, want %v", calls, want)
	}
}

func TestProxyDelays(t *testing.T) {
	const delay = 50 * time.Millisecond
	s := newScene(t, &Proxy{DelayPacket: func(dir Direction, _, _ net.Addr, b []byte) time.Duration {
		if dir == DirectionOutgoing || b[0] == 'n' {
			return 0
		}
		return delay
	}})
	start := time.Now()
	s.send("1")
	s.send("2")
	s.send("3")
	s.send("now")
	from := s.want(s.server, "now")
	for _, text := range []string{"1", "2", "3"} {
		s.want(s.server, text)
	}
	if d := time.Since(start); d < delay {
		t.Errorf("delayed by %s, want %s", d, delay)
	}
	s.answer("back", from)
	s.want(s.client, "back")
}

func TestSwitchConn(t *testing.T) {
	s := newScene(t, &Proxy{})
	s.send("1")
	old := s.want(s.server, "1")
	conn := listen(t)
	if err := s.proxy.SwitchConn(s.client.LocalAddr().(*net.UDPAddr), conn); err != nil {
		t.Fatal(err)
	}
	s.send("2")
	from := s.want(s.server, "2")
	if from.String() != conn.LocalAddr().String() || from.String() == old.String() {
		t.Errorf("the client comes from %s, want %s", from, conn.LocalAddr())
	}
	s.answer("lost", old)
	s.answer("back", from)
	s.want(s.client, "back")
	if err := s.proxy.SwitchConn(&net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}, listen(t)); err == nil {
		t.Error("SwitchConn of a client that does not exist succeeds")
	}
}

func TestClose(t *testing.T) {
	p := &Proxy{DelayPacket: func(Direction, net.Addr, net.Addr, []byte) time.Duration { return time.Hour }}
	s := newScene(t, p)
	s.send("delayed forever")
	s.server.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	if _, _, err := s.server.ReadFrom(make([]byte, 100)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read: %v, want nothing", err)
	}
	for range 2 {
		if err := p.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	if _, err := p.Conn.Write(nil); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the socket of the proxy is not closed: %v", err)
	}
	if err := (&Proxy{}).Start(); err == nil {
		t.Error("Start without a socket succeeds")
	}
}

func TestDirection(t *testing.T) {
	for _, a := range []Direction{DirectionIncoming, DirectionOutgoing, DirectionBoth} {
		for _, b := range []Direction{DirectionIncoming, DirectionOutgoing, DirectionBoth} {
			if got, want := a.Is(b), a == b || a == DirectionBoth || b == DirectionBoth; got != want {
				t.Errorf("%s.Is(%s) = %t", a, b, got)
			}
		}
	}
	if s := DirectionIncoming.String() + DirectionOutgoing.String() + DirectionBoth.String() + Direction(7).String(); s != "IncomingOutgoingbothunknown direction" {
		t.Errorf("names: %s", s)
	}
}
