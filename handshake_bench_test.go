package quic_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"

	quic "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/internal/benchtest"
	"github.com/quic-go/quic-go/internal/testcert"
)

// BenchmarkHandshake makes a connection between two Transports on loopback sockets and closes it, in each operation.
func BenchmarkHandshake(b *testing.B) {
	d := newDialer(b, nil)
	if err := d.handshake(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	cpu := benchtest.StartCPU()
	for b.Loop() {
		if err := d.handshake(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	cpu.Report(b)
}

// BenchmarkResumption makes a connection with the session ticket of the one before, sends a request in 0-RTT, reads the
// response, waits for the next ticket and closes the connection.
func BenchmarkResumption(b *testing.B) {
	d := newDialer(b, &quic.Config{Allow0RTT: true})
	tickets := &ticketCache{ClientSessionCache: tls.NewLRUClientSessionCache(1), stored: make(chan struct{}, 16)}
	d.clientTLS.ClientSessionCache = tickets
	resume := func(used0RTT bool) {
		if err := d.resume(b.Context(), tickets, used0RTT); err != nil {
			b.Fatal(err)
		}
	}
	resume(false)
	b.ReportAllocs()
	cpu := benchtest.StartCPU()
	for b.Loop() {
		resume(true)
	}
	cpu.Report(b)
}

// A dialer is two Transports on loopback sockets, and a listener on one of them.
type dialer struct {
	transport *quic.Transport
	listener  *quic.EarlyListener
	clientTLS *tls.Config
}

func newDialer(tb testing.TB, server *quic.Config) *dialer {
	tb.Helper()
	serverTr := loopbackTransport(tb)
	ln, err := serverTr.ListenEarly(testcert.ServerConfig("handshake"), server)
	if err != nil {
		tb.Fatal(err)
	}
	return &dialer{transport: loopbackTransport(tb), listener: ln, clientTLS: testcert.ClientConfig("handshake")}
}

func loopbackTransport(tb testing.TB) *quic.Transport {
	tb.Helper()
	pc, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		tb.Fatal(err)
	}
	tr := &quic.Transport{Conn: pc}
	tb.Cleanup(func() {
		tr.Close()
		pc.Close()
	})
	return tr
}

// dial makes a connection and returns both ends, with the handshake complete.
func (d *dialer) dial(ctx context.Context) (client, server *quic.Conn, err error) {
	if client, err = d.transport.Dial(ctx, d.listener.Addr(), d.clientTLS, nil); err != nil {
		return nil, nil, err
	}
	if server, err = d.listener.Accept(ctx); err != nil {
		return nil, nil, err
	}
	select {
	case <-server.HandshakeComplete():
		return client, server, nil
	case <-server.Context().Done():
		return nil, nil, context.Cause(server.Context())
	}
}

// handshake makes a connection and ends it.
func (d *dialer) handshake(ctx context.Context) error {
	client, server, err := d.dial(ctx)
	if err != nil {
		return err
	}
	return hangUp(client, server)
}

// hangUp closes a connection and waits until the server knows.
func hangUp(client, server *quic.Conn) error {
	if err := client.CloseWithError(0, ""); err != nil {
		return err
	}
	<-server.Context().Done()
	return nil
}

// resume is handshake with an exchange as early as possible.
func (d *dialer) resume(ctx context.Context, tickets *ticketCache, used0RTT bool) error {
	client, err := d.transport.DialEarly(ctx, d.listener.Addr(), d.clientTLS, nil)
	if err != nil {
		return err
	}
	s, err := client.OpenStream()
	if err != nil {
		return err
	}
	if err := errors.Join(writeByte(s), s.Close()); err != nil {
		return err
	}
	server, err := d.listener.Accept(ctx)
	if err != nil {
		return err
	}
	r, err := server.AcceptStream(ctx)
	if err != nil {
		return err
	}
	if _, err := io.Copy(r, r); err != nil {
		return err
	}
	if err := r.Close(); err != nil {
		return err
	}
	if b, err := io.ReadAll(s); err != nil || len(b) != 1 {
		return errors.Join(err, errors.New("no response"))
	}
	<-tickets.stored
	if client.ConnectionState().Used0RTT != used0RTT {
		return errors.New("the request was not sent in 0-RTT")
	}
	return hangUp(client, server)
}

func writeByte(w io.Writer) error {
	_, err := w.Write([]byte{1})
	return err
}

// A ticketCache tells when a session ticket has arrived.
type ticketCache struct {
	tls.ClientSessionCache
	stored chan struct{}
}

func (c *ticketCache) Put(key string, s *tls.ClientSessionState) {
	c.ClientSessionCache.Put(key, s)
	if s != nil {
		c.stored <- struct{}{}
	}
}
