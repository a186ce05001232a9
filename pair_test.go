package quic_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"testing/synctest"
	"time"

	quic "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/internal/netsim"
	"github.com/quic-go/quic-go/internal/testcert"
)

// A pair is a client and a server that are connected by a simulated network.
type pair struct {
	client, server *quic.Conn

	net       *netsim.Net
	listener  *quic.Listener
	clientTr  *quic.Transport
	serverTr  *quic.Transport
	clientTLS *tls.Config
}

type pairOptions struct {
	seed           uint64
	net            netsim.Options
	client, server *quic.Config
	clientTLS      *tls.Config
	serverTLS      *tls.Config
}

// newPair connects a client and a server. It must be called in a synctest bubble; everything is closed at its end.
func newPair(t *testing.T, o pairOptions) *pair {
	t.Helper()
	p := newUnconnectedPair(t, o)
	p.connect(t, o.client)
	return p
}

// connect makes the connection of the pair.
func (p *pair) connect(t *testing.T, conf *quic.Config) {
	t.Helper()
	type accepted struct {
		conn *quic.Conn
		err  error
	}
	ch := make(chan accepted, 1)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	go func() {
		c, err := p.listener.Accept(ctx)
		ch <- accepted{c, err}
	}()
	client, err := p.clientTr.Dial(ctx, p.listener.Addr(), p.clientTLS, conf)
	if err != nil {
		t.Fatalf("Dial: %v", err)
	}
	a := <-ch
	if a.err != nil {
		t.Fatalf("Accept: %v", a.err)
	}
	p.client, p.server = client, a.conn
}

func newUnconnectedPair(t *testing.T, o pairOptions) *pair {
	t.Helper()
	clientPC, serverPC, n := netsim.Pair(o.seed, o.net)
	p := &pair{
		net:       n,
		clientTr:  &quic.Transport{Conn: clientPC},
		serverTr:  &quic.Transport{Conn: serverPC},
		clientTLS: o.clientTLS,
	}
	if p.clientTLS == nil {
		p.clientTLS = testcert.ClientConfig("test")
	}
	if o.serverTLS == nil {
		o.serverTLS = testcert.ServerConfig("test")
	}
	var err error
	if p.listener, err = p.serverTr.Listen(o.serverTLS, o.server); err != nil {
		t.Fatalf("Listen: %v", err)
	}
	t.Cleanup(func() {
		p.clientTr.Close()
		p.serverTr.Close()
		p.net.Close()
		synctest.Wait()
	})
	return p
}

// randomBytes returns n bytes that depend on the seed alone.
func randomBytes(seed uint64, n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	r.Read(b)
	return b
}

func TestPairEcho(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairOptions{net: netsim.Options{
			Up: netsim.Direction{Delay: 10 * time.Millisecond}, Down: netsim.Direction{Delay: 10 * time.Millisecond},
		}})
		data := randomBytes(1, 100_000)
		go func() {
			s, err := p.server.AcceptStream(t.Context())
			if err != nil {
				t.Errorf("AcceptStream: %v", err)
				return
			}
			if _, err := io.Copy(s, s); err != nil {
				t.Errorf("echo: %v", err)
			}
			s.Close()
		}()
		s, err := p.client.OpenStream()
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			s.Write(data)
			s.Close()
		}()
		got, err := io.ReadAll(s)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, data) {
			t.Errorf("echo differs: %d bytes, want %d", len(got), len(data))
		}
	})
}

func TestPairCloseWithError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairOptions{})
		p.client.CloseWithError(42, "bye")
		<-p.server.Context().Done()
		want := &quic.ApplicationError{Remote: true, ErrorCode: 42, ErrorMessage: "bye"}
		if err := context.Cause(p.server.Context()); !errors.Is(err, want) || err.Error() != want.Error() {
			t.Errorf("cause = %v, want %v", err, want)
		}
		if err := context.Cause(p.client.Context()); !errors.Is(err, &quic.ApplicationError{ErrorCode: 42}) {
			t.Errorf("client's cause = %v", err)
		}
	})
}

func TestPairIdleTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairOptions{client: &quic.Config{MaxIdleTimeout: 7 * time.Second}})
		start := time.Now()
		<-p.server.Context().Done()
		if err := context.Cause(p.server.Context()); !errors.Is(err, &quic.IdleTimeoutError{}) {
			t.Errorf("cause = %v, want an idle timeout", err)
		}
		if d := time.Since(start); d < 6*time.Second || d > 8*time.Second {
			t.Errorf("timeout after %s, want 7s", d)
		}
	})
}

func TestPairKeepAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairOptions{client: &quic.Config{MaxIdleTimeout: 7 * time.Second, KeepAlivePeriod: 3 * time.Second}})
		time.Sleep(10 * time.Minute)
		if err := context.Cause(p.server.Context()); err != nil {
			t.Errorf("connection ended: %v", err)
		}
		p.client.CloseWithError(0, "")
	})
}

func TestPairHandshakeTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newUnconnectedPair(t, pairOptions{net: netsim.Options{Up: netsim.Direction{Loss: 1}}})
		start := time.Now()
		_, err := p.clientTr.Dial(t.Context(), p.listener.Addr(), p.clientTLS, nil)
		if !errors.Is(err, &quic.IdleTimeoutError{}) {
			t.Errorf("Dial: %v, want an idle timeout", err)
		}
		if d := time.Since(start); d < 5*time.Second || d > 6*time.Second {
			t.Errorf("timeout after %s, want 5s", d)
		}
	})
}

// lossy is a network with 1 % loss, reordering and duplication.
func lossy() netsim.Options {
	d := netsim.Direction{
		Loss: 0.01, Reorder: 0.02, ReorderBy: 4 * time.Millisecond, Duplicate: 0.01,
		Delay: 5 * time.Millisecond, Jitter: time.Millisecond,
	}
	return netsim.Options{Up: d, Down: d}
}

func TestPairLossyTransfer(t *testing.T) {
	for seed := range uint64(5) {
		synctest.Test(t, func(t *testing.T) {
			p := newPair(t, pairOptions{seed: seed, net: lossy()})
			testTransfer(t, p.client, p.server, randomBytes(seed, 4<<20))
			testTransfer(t, p.server, p.client, randomBytes(seed+100, 4<<20))
		})
	}
}

// testTransfer sends data on a unidirectional stream.
func testTransfer(t *testing.T, from, to *quic.Conn, data []byte) {
	t.Helper()
	s, err := from.OpenUniStream()
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		if _, err := s.Write(data); err != nil {
			t.Errorf("Write: %v", err)
		}
		s.Close()
	}()
	r, err := to.AcceptUniStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("ReadAll after %d bytes: %v", len(got), err)
	}
	if !bytes.Equal(got, data) {
		t.Errorf("got %d bytes that differ, want %d", len(got), len(data))
	}
}

// TestPairLossyHandshakes loses each of the first datagrams of the handshake.
func TestPairLossyHandshakes(t *testing.T) {
	for n := 1; n <= 6; n++ {
		for _, d := range []netsim.Options{
			{Up: netsim.Direction{DropNth: []int{n}}},
			{Down: netsim.Direction{DropNth: []int{n}}},
			{Up: netsim.Direction{DropNth: []int{n, n + 1}}, Down: netsim.Direction{DropNth: []int{n}}},
		} {
			d.Up.Delay, d.Down.Delay = 10*time.Millisecond, 10*time.Millisecond
			synctest.Test(t, func(t *testing.T) {
				p := newPair(t, pairOptions{net: d})
				testTransfer(t, p.client, p.server, []byte("after all"))
			})
		}
	}
}

func TestPairDatagrams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := &quic.Config{EnableDatagrams: true}
		p := newPair(t, pairOptions{client: cfg, server: cfg})
		for _, want := range []string{"one", "", "three"} {
			if err := p.client.SendDatagram([]byte(want)); err != nil {
				t.Fatal(err)
			}
			got, err := p.server.ReceiveDatagram(t.Context())
			if err != nil || string(got) != want || got == nil {
				t.Errorf("ReceiveDatagram = %q, %v, want %q", got, err, want)
			}
		}
		err := p.client.SendDatagram(make([]byte, 2000))
		var tooLarge *quic.DatagramTooLargeError
		if !errors.As(err, &tooLarge) {
			t.Fatalf("SendDatagram of 2000 bytes: %v", err)
		}
		if err := p.client.SendDatagram(make([]byte, tooLarge.MaxDatagramPayloadSize)); err != nil {
			t.Errorf("SendDatagram of the maximum: %v", err)
		}
		if got, err := p.server.ReceiveDatagram(t.Context()); err != nil || len(got) != int(tooLarge.MaxDatagramPayloadSize) {
			t.Errorf("ReceiveDatagram = %d bytes, %v", len(got), err)
		}
	})
}

func TestPairAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairOptions{})
		if got, want := p.client.RemoteAddr().String(), p.listener.Addr().String(); got != want {
			t.Errorf("RemoteAddr = %s, want %s", got, want)
		}
		if _, ok := p.server.RemoteAddr().(*net.UDPAddr); !ok {
			t.Errorf("RemoteAddr is %T, want *net.UDPAddr", p.server.RemoteAddr())
		}
		if v := p.client.ConnectionState().Version; v != quic.Version1 {
			t.Errorf("version = %s, want v1", v)
		}
		if proto := p.server.ConnectionState().TLS.NegotiatedProtocol; proto != "test" {
			t.Errorf("protocol = %q, want test", proto)
		}
	})
}
