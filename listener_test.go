package quic

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
)

func TestListenArguments(t *testing.T) {
	inBubble(t, &Transport{}, func(t *testing.T, n *rawNet) {
		if _, err := n.transport.Listen(nil, nil); err != errNoTLSConfig {
			t.Errorf("Listen without tls.Config = %v, want %v", err, errNoTLSConfig)
		}
		if _, err := n.transport.ListenEarly(&tls.Config{}, &Config{Versions: []Version{0x1234}}); err == nil {
			t.Error("ListenEarly with an unknown version succeeds")
		}
	})
	if _, err := ListenAddr("127.0.0.1:0", nil, nil); err != errNoTLSConfig {
		t.Errorf("ListenAddr without tls.Config = %v, want %v", err, errNoTLSConfig)
	}
	if _, err := ListenAddrEarly("127.0.0.1", &tls.Config{}, nil); err == nil {
		t.Error("ListenAddrEarly without a port succeeds")
	}
}

func TestOneListenerAtATime(t *testing.T) {
	inBubble(t, &Transport{}, func(t *testing.T, n *rawNet) {
		l := n.listen(t, nil)
		if got := l.Addr().String(); got != rawServerAddr.String() {
			t.Errorf("Addr = %s, want %s", got, rawServerAddr)
		}
		if _, err := n.transport.ListenEarly(&tls.Config{}, nil); err != errListenerSet {
			t.Errorf("second listener: %v, want %v", err, errListenerSet)
		}
		for range 2 {
			if err := l.Close(); err != nil {
				t.Errorf("Close = %v, want nil", err)
			}
		}
		second := n.listen(t, nil)
		if err := l.Close(); err != nil || n.transport.currentListener() != second.base {
			t.Errorf("Close of an old listener = %v, or it ends the new one", err)
		}
	})
}

func TestAcceptEnds(t *testing.T) {
	inBubble(t, &Transport{}, func(t *testing.T, n *rawNet) {
		l := n.listen(t, nil)
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errors.New("cause"))
		if _, err := l.Accept(ctx); err != context.Canceled {
			t.Errorf("Accept = %v, want %v", err, context.Canceled)
		}
		waiting := make(chan error)
		go func() {
			_, err := l.Accept(t.Context())
			waiting <- err
		}()
		synctest.Wait()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-waiting; err != ErrServerClosed {
			t.Errorf("Accept = %v, want %v", err, ErrServerClosed)
		}
	})
}

func TestAcceptQueue(t *testing.T) {
	inBubble(t, &Transport{}, func(t *testing.T, n *rawNet) {
		l := n.listen(t, nil)
		conns := make([]*Conn, protocol.MaxAcceptQueueSize+1)
		for i := range conns {
			conns[i] = idleConn(t, n.transport, protocol.ParseConnectionID([]byte{1, 2, 3, byte(i)}))
			if got, want := l.base.offer(conns[i]), i < protocol.MaxAcceptQueueSize; got != want {
				t.Fatalf("connection %d is taken: %t, want %t", i, got, want)
			}
		}
		if c, err := l.Accept(t.Context()); c != conns[0] || err != nil {
			t.Errorf("Accept = %p, %v, want the first", c, err)
		}
		if !l.base.offer(conns[32]) {
			t.Error("Accept does not make room")
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if l.base.offer(conns[0]) {
			t.Error("a closed listener takes a connection")
		}
		for i := 1; i < len(conns); i++ {
			if c, err := l.Accept(t.Context()); c != conns[i] || err != nil {
				t.Fatalf("Accept after Close = %p, %v, want connection %d", c, err, i)
			}
		}
		if _, err := l.Accept(t.Context()); err != ErrServerClosed {
			t.Errorf("Accept = %v, want %v", err, ErrServerClosed)
		}
	})
}

func TestListenLeavesSocketOpen(t *testing.T) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for range 2 {
		l, err := Listen(conn, &tls.Config{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Errorf("Close = %v, want nil", err)
		}
	}
	if _, err := conn.WriteTo([]byte("x"), conn.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if size, _, err := conn.ReadFrom(make([]byte, 10)); size != 1 || err != nil {
		t.Errorf("ReadFrom = %d, %v, want 1, nil", size, err)
	}
}

func TestListenAddrClosesSocket(t *testing.T) {
	l, err := ListenAddrEarly("127.0.0.1:0", &tls.Config{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Errorf("Close = %v, want nil", err)
	}
	again, err := ListenAddr(addr, &tls.Config{}, nil)
	if err != nil {
		t.Fatalf("the address is still in use: %v", err)
	}
	if err := again.Close(); err != nil {
		t.Errorf("Close = %v, want nil", err)
	}
}

// A listener whose arguments are wrong must not keep its address.
func TestListenAddrClosesSocketOnError(t *testing.T) {
	probe, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	addr := probe.LocalAddr().String()
	probe.Close()
	if _, err := ListenAddr(addr, nil, nil); err == nil {
		t.Fatal("ListenAddr without tls.Config succeeds")
	}
	l, err := ListenAddr(addr, &tls.Config{}, nil)
	if err != nil {
		t.Fatalf("the address is still in use: %v", err)
	}
	l.Close()
}
