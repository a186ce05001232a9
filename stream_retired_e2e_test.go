package quic_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"testing"
	"testing/synctest"

	quic "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/internal/netsim"
	"github.com/quic-go/quic-go/internal/testcert"
)

// expectRetiredOnce fails the test unless each of these was told once that its stream is over.
func expectRetiredOnce(t *testing.T, histories ...*history) {
	t.Helper()
	for i, h := range histories {
		h.waitRetired(t)
		h.expectOrder(t, "stream")
		if n := h.retired(); n != 1 {
			t.Errorf("subscriber %d was told %d times of the end: %s", i, n, names(h.get()))
		}
	}
}

// Guarantee 7: StreamStateRetired is reported exactly once on every path. Here the connection goes on.
func TestGuarantee07RetiredOnceEndToEnd(t *testing.T) {
	tests := []struct {
		name string
		end  func(t *testing.T, a, b *quic.Stream)
	}{
		{"normal end", endNormally},
		{"reset by both sides", func(t *testing.T, a, b *quic.Stream) {
			a.CancelWrite(1)
			b.CancelWrite(1)
		}},
		{"reset and closed", func(t *testing.T, a, b *quic.Stream) {
			a.CancelWrite(1)
			b.Close()
			mustReadAll(t, a, "")
		}},
		{"stopped by both sides", func(t *testing.T, a, b *quic.Stream) {
			a.CancelRead(1)
			b.CancelRead(1)
		}},
		{"given up by one side", func(t *testing.T, a, b *quic.Stream) {
			a.CancelRead(1)
			a.CancelWrite(1)
		}},
		{"given up by the accepting side", func(t *testing.T, a, b *quic.Stream) {
			b.CancelRead(1)
			b.CancelWrite(1)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for seed := range uint64(3) {
				synctest.Test(t, func(t *testing.T) {
					p := newPair(t, pairOptions{seed: seed, net: lossy()})
					a, b := openBoth(t, p.client, p.server)
					early := []*history{watch(a), watch(b)}
					tt.end(t, a, b)
					expectRetiredOnce(t, early...)
					late := []*history{watch(a), watch(b)}
					expectRetiredOnce(t, late...)
					settle()
					expectNoStreams(t, p.client, p.server)
					p.client.CloseWithError(0, "")
					<-p.server.Context().Done()
					expectRetiredOnce(t, append(append(early, late...), watch(a), watch(b))...)
				})
			}
		})
	}
}

// Guarantee 7, unidirectional streams.
func TestGuarantee07UnidirectionalRetiredOnceEndToEnd(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, s *quic.SendStream, r *quic.ReceiveStream){
		"normal end": func(t *testing.T, s *quic.SendStream, r *quic.ReceiveStream) {
			s.Close()
			mustReadAll(t, r, "data")
		},
		"reset":   func(t *testing.T, s *quic.SendStream, r *quic.ReceiveStream) { s.CancelWrite(1) },
		"stopped": func(t *testing.T, s *quic.SendStream, r *quic.ReceiveStream) { r.CancelRead(1) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPair(t, pairOptions{net: delayed()})
				s, err := p.client.OpenUniStream()
				if err != nil {
					t.Fatal(err)
				}
				mustWrite(t, s, "data")
				r, err := p.server.AcceptUniStream(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				h := []*history{watch(s), watch(r)}
				end(t, s, r)
				expectRetiredOnce(t, h...)
				settle()
				expectNoStreams(t, p.client, p.server)
			})
		})
	}
}

// Guarantee 7, never accepted: streams that the application has not asked for retire, too. A stream that is over before it is
// accepted can be accepted all the same, and tells its history.
func TestGuarantee07NeverAcceptedEndToEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairOptions{net: delayed()})
		open := func() *quic.Stream {
			s, err := p.client.OpenStream()
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		// The third stream opens the other two implicitly.
		unused, reset, third := open(), open(), open()
		histories := []*history{watch(unused), watch(reset), watch(third)}
		mustWrite(t, third, "data")
		settle()
		reset.CancelRead(1)
		reset.CancelWrite(1)
		expectRetiredOnce(t, histories[1])
		settle()
		if n := quic.StreamCount(p.server); n != 1 {
			t.Errorf("the server holds %d streams, want the one with data", n)
		}
		var accepted []*history
		for range 2 {
			s, err := p.server.AcceptStream(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			accepted = append(accepted, watch(s))
		}
		expectRetiredOnce(t, accepted[1])
		// The third one is never accepted.
		p.server.CloseWithError(0, "")
		<-p.client.Context().Done()
		expectRetiredOnce(t, append(histories, accepted...)...)
		expectNoStreams(t, p.client, p.server)
		if _, err := p.server.AcceptStream(t.Context()); err != context.Cause(p.server.Context()) {
			t.Errorf("AcceptStream after the end: %v", err)
		}
	})
}

// Guarantee 7: the end of the connection, with streams in all states.
func TestGuarantee07ConnectionOverEndToEnd(t *testing.T) {
	for _, end := range connectionEnds {
		t.Run(end.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPair(t, pairOptions{net: delayed(), client: end.config, server: end.config})
				var histories []*history
				for way := range 48 {
					a, b := openBoth(t, p.client, p.server)
					histories = append(histories, watch(a), watch(b))
					switch {
					case way < 16:
						endSomehow(way, a, b)
					case way < 32:
						endSomehow(way, a, b)
						settle()
					}
				}
				end.end(p)
				<-p.client.Context().Done()
				<-p.server.Context().Done()
				expectRetiredOnce(t, histories...)
			})
		})
	}
}

// Guarantee 7: a stateless reset.
func TestGuarantee07StatelessResetEndToEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newUnconnectedPair(t, pairOptions{net: delayed()})
		p.serverTr.Close()
		key := &quic.StatelessResetKey{1, 2, 3}
		restart := func() *quic.Listener {
			p.serverTr = &quic.Transport{Conn: p.serverTr.Conn, StatelessResetKey: key}
			l, err := p.serverTr.Listen(testcert.ServerConfig("test"), nil)
			if err != nil {
				t.Fatal(err)
			}
			return l
		}
		l := restart()
		client, err := p.clientTr.Dial(t.Context(), l.Addr(), p.clientTLS, nil)
		if err != nil {
			t.Fatal(err)
		}
		server, err := l.Accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		a, b := openBoth(t, client, server)
		idle, _ := openBoth(t, client, server)
		h, hb, hidle := watch(a), watch(b), watch(idle)
		settle()
		p.serverTr.Close() // the server forgets everything
		expectRetiredOnce(t, hb)
		restart()
		mustWrite(t, a, "hello?")
		<-client.Context().Done()
		cause := context.Cause(client.Context())
		if !errors.Is(cause, &quic.StatelessResetError{}) {
			t.Errorf("the connection ends with %v, want a stateless reset", cause)
		}
		expectRetiredOnce(t, h, hidle)
		if st, err := a.SendState(); st != quic.SendStateAbandoned || err != cause {
			t.Errorf("SendState = %s, %v", st, err)
		}
	})
}

// Guarantee 7: the handshake fails while streams of 0-RTT are open.
func TestGuarantee07HandshakeFailureEndToEnd(t *testing.T) {
	tests := []struct {
		name   string
		change func(b *earlyBed)
		want   error
	}{
		{"alert of the server", func(b *earlyBed) {
			b.serverTLS.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return nil, errors.New("no") }
		}, &quic.TransportError{ErrorCode: 0x150, Remote: true}},
		{"connection refused", func(b *earlyBed) {
			b.serverConfig.GetConfigForClient = func(*quic.ClientInfo) (*quic.Config, error) { return nil, errors.New("no") }
		}, &quic.TransportError{ErrorCode: quic.ConnectionRefused, Remote: true}},
		{"bad certificate after a rejection", func(b *earlyBed) {
			b.serverTLS = testcert.ServerConfig("test")
			b.clientTLS.ServerName = "localhost"
			b.clientTLS.VerifyConnection = func(tls.ConnectionState) error { return errors.New("no") }
		}, &quic.TransportError{ErrorCode: 0x12a}},
		{"silence", func(b *earlyBed) { b.net.SetDown(netsim.Direction{Loss: 1}) }, &quic.IdleTimeoutError{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newEarlyBed(t, delayed())
				b.prime(t)
				tt.change(b)
				b.listen(t)
				c := b.dialEarly(t)
				old := openRejectedStreams(t, c)
				<-c.Context().Done()
				if cause := context.Cause(c.Context()); !errors.Is(cause, tt.want) {
					t.Errorf("the connection ends with %v, want %v", cause, tt.want)
				}
				for _, h := range old.histories {
					if h.retired() != 1 {
						t.Errorf("states %s at the end of the connection", names(h.get()))
					}
				}
				expectRetiredOnce(t, old.histories...)
				if _, err := c.NextConnection(t.Context()); err != context.Cause(c.Context()) {
					t.Errorf("NextConnection: %v", err)
				}
			})
		})
	}
}

// After the end of the connection every call, blocked or later, returns its error, except Close.
func TestCallsAfterTheEndOfTheConnection(t *testing.T) {
	for _, end := range connectionEnds {
		t.Run(end.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := &quic.Config{EnableDatagrams: true, MaxIncomingStreams: 1, InitialStreamReceiveWindow: 1000}
				if end.config != nil {
					cfg.MaxIdleTimeout = end.config.MaxIdleTimeout
				}
				p := newPair(t, pairOptions{net: delayed(), client: cfg, server: cfg})
				a, _ := openBoth(t, p.client, p.server)
				results := make(chan error, 10)
				calls := callsOf(t.Context(), p.client, a)
				for _, call := range calls {
					go func() { results <- call() }()
				}
				settle()
				end.end(p)
				<-p.client.Context().Done()
				want := context.Cause(p.client.Context())
				for range calls {
					if err := <-results; err != want {
						t.Errorf("blocked call: %v, want %v", err, want)
					}
				}
				for i, call := range calls {
					if err := call(); err != want {
						t.Errorf("call %d after the end: %v, want %v", i, err, want)
					}
				}
				if err := a.Close(); err != nil {
					t.Errorf("Close after the end: %v", err)
				}
				if _, err := p.client.OpenStream(); err != want {
					t.Errorf("OpenStream after the end: %v", err)
				}
				if err := p.client.SendDatagram([]byte("x")); err != want {
					t.Errorf("SendDatagram after the end: %v", err)
				}
				if err := a.SendDatagram([]byte("x")); err != want {
					t.Errorf("SendDatagram of the stream after the end: %v", err)
				}
				if err := p.client.CloseWithError(77, "again"); err != nil || context.Cause(p.client.Context()) != want {
					t.Errorf("CloseWithError again: %v, cause %v", err, context.Cause(p.client.Context()))
				}
			})
		})
	}
}

// callsOf returns calls that block until the connection is over.
func callsOf(ctx context.Context, c *quic.Conn, s *quic.Stream) []func() error {
	return []func() error{
		func() error { _, err := s.Read(make([]byte, 1)); return err },
		func() error { _, err := s.Peek(make([]byte, 1)); return err },
		func() error { _, err := io.Copy(s, io.LimitReader(zeros{}, 1<<20)); return err },
		func() error { _, err := c.OpenStreamSync(ctx); return err },
		func() error { _, err := c.AcceptStream(ctx); return err },
		func() error { _, err := c.AcceptUniStream(ctx); return err },
		func() error { _, err := c.ReceiveDatagram(ctx); return err },
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
