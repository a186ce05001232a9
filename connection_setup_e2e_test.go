package quic_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	quic "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/internal/netsim"
	"github.com/quic-go/quic-go/internal/testcert"
)

// A setup is what one test of connection setup changes.
type setup struct {
	net netsim.Options

	clientTLS, serverTLS       *tls.Config
	clientConfig, serverConfig *quic.Config
	serverTransport            func(tr *quic.Transport) // before Listen
}

func defaultSetup() *setup {
	return &setup{
		net: delayed(), clientTLS: testcert.ClientConfig("test"), serverTLS: testcert.ServerConfig("test"),
		clientConfig: &quic.Config{}, serverConfig: &quic.Config{},
	}
}

// listen returns a client's Transport and a listener.
func (s *setup) listen(t *testing.T) (*quic.Transport, *quic.Listener) {
	t.Helper()
	client, server, n := netsim.Pair(1, s.net)
	clientTr, serverTr := &quic.Transport{Conn: client}, &quic.Transport{Conn: server}
	if s.serverTransport != nil {
		s.serverTransport(serverTr)
	}
	l, err := serverTr.Listen(s.serverTLS, s.serverConfig)
	if err != nil {
		t.Fatalf("Listen: %v", err)
	}
	t.Cleanup(func() {
		clientTr.Close()
		serverTr.Close()
		n.Close()
		synctest.Wait()
	})
	return clientTr, l
}

// dial connects. The connection of the server is nil if there is none after a second.
func (s *setup) dial(t *testing.T) (client, server *quic.Conn, err error) {
	t.Helper()
	tr, l := s.listen(t)
	client, err = tr.Dial(t.Context(), l.Addr(), s.clientTLS, s.clientConfig)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	server, _ = l.Accept(ctx)
	return client, server, err
}

// inSetup runs f in a bubble.
func inSetup(t *testing.T, f func(t *testing.T, s *setup)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, defaultSetup()) })
}

func TestApplicationProtocols(t *testing.T) {
	tests := []struct {
		client, server []string
		negotiated     string
		code           quic.TransportErrorCode // 0: success
	}{
		{nil, nil, "", 0},
		{[]string{"a", "b"}, []string{"b"}, "b", 0},
		{[]string{"a", "b"}, []string{"b", "a"}, "b", 0},
		{[]string{"a"}, []string{"b"}, "", 0x178},
		{[]string{"a"}, nil, "", 0x178},
		{nil, []string{"b"}, "", 0x178},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("client %v server %v", tt.client, tt.server), func(t *testing.T) {
			inSetup(t, func(t *testing.T, s *setup) {
				s.clientTLS.NextProtos, s.serverTLS.NextProtos = tt.client, tt.server
				c, _, err := s.dial(t)
				if tt.code == 0 {
					if err != nil {
						t.Fatal(err)
					}
					if got := c.ConnectionState().TLS.NegotiatedProtocol; got != tt.negotiated {
						t.Errorf("negotiated %q, want %q", got, tt.negotiated)
					}
					return
				}
				var te *quic.TransportError
				if !errors.As(err, &te) || te.ErrorCode != tt.code || !te.ErrorCode.IsCryptoError() {
					t.Errorf("Dial: %v, want code %#x", err, uint64(tt.code))
				}
			})
		})
	}
}

func TestApplicationProtocolMismatchText(t *testing.T) {
	inSetup(t, func(t *testing.T, s *setup) {
		s.clientTLS.NextProtos = []string{"other"}
		const want = "CRYPTO_ERROR 0x178 (remote): tls: no application protocol"
		if _, _, err := s.dial(t); err == nil || err.Error() != want {
			t.Errorf("Dial: %v, want %s", err, want)
		}
	})
}

func TestBadServerCertificate(t *testing.T) {
	tests := []struct {
		name   string
		change func(c *tls.Config)
		cause  any // for errors.As
	}{
		{"unknown authority", func(c *tls.Config) { c.RootCAs = x509.NewCertPool() }, &x509.UnknownAuthorityError{}},
		{"other name", func(c *tls.Config) { c.ServerName = "example.org" }, &x509.HostnameError{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inSetup(t, func(t *testing.T, s *setup) {
				tt.change(s.clientTLS)
				_, server, err := s.dial(t)
				if want := (&quic.TransportError{ErrorCode: 0x12a}); !errors.Is(err, want) {
					t.Errorf("Dial: %v, want code 0x12a, local", err)
				}
				if !errors.As(err, tt.cause) || !errors.As(err, new(*tls.CertificateVerificationError)) {
					t.Errorf("Dial: %#v does not lead to %T", err, tt.cause)
				}
				if server != nil {
					t.Error("the server has accepted the connection")
				}
			})
		})
	}
}

func TestServerNameIsThatOfTheAddress(t *testing.T) {
	inSetup(t, func(t *testing.T, s *setup) {
		s.clientTLS.ServerName = ""
		_, _, err := s.dial(t)
		var hostname x509.HostnameError
		if !errors.As(err, &hostname) || hostname.Host != "198.51.100.1" {
			t.Errorf("Dial: %v, want an error about the name 198.51.100.1", err)
		}
		if s.clientTLS.ServerName != "" {
			t.Error("the config of the application has changed")
		}
	})
}

func TestServerNameSelectsCertificate(t *testing.T) {
	inSetup(t, func(t *testing.T, s *setup) {
		cert := s.serverTLS.Certificates[0]
		s.serverTLS.Certificates = nil
		var asked string
		s.serverTLS.GetCertificate = func(info *tls.ClientHelloInfo) (*tls.Certificate, error) {
			asked = info.ServerName
			return &cert, nil
		}
		_, server, err := s.dial(t)
		if err != nil || asked != "localhost" || server.ConnectionState().TLS.ServerName != "localhost" {
			t.Errorf("Dial: %v, the server was asked for %q", err, asked)
		}
	})
}

func TestTLSVersions(t *testing.T) {
	tests := []struct {
		name   string
		change func(s *setup)
		want   *quic.TransportError // nil: success
	}{
		{"minimum 1.2", func(s *setup) {
			s.clientTLS.MinVersion, s.serverTLS.MinVersion = tls.VersionTLS12, tls.VersionTLS12
		}, nil},
		{"client's maximum 1.2", func(s *setup) { s.clientTLS.MaxVersion = tls.VersionTLS12 }, &quic.TransportError{ErrorCode: 0x150}},
		{"server's maximum 1.2", func(s *setup) { s.serverTLS.MaxVersion = tls.VersionTLS12 }, &quic.TransportError{ErrorCode: 0x146, Remote: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inSetup(t, func(t *testing.T, s *setup) {
				tt.change(s)
				c, _, err := s.dial(t)
				switch {
				case tt.want == nil && (err != nil || c.ConnectionState().TLS.Version != tls.VersionTLS13):
					t.Errorf("Dial: %v", err)
				case tt.want != nil && !errors.Is(err, tt.want):
					t.Errorf("Dial: %v, want %v", err, tt.want)
				}
			})
		})
	}
}

func TestTLSGetConfigForClient(t *testing.T) {
	inSetup(t, func(t *testing.T, s *setup) {
		s.serverTLS.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return nil, errors.New("no") }
		const want = "CRYPTO_ERROR 0x150 (remote): tls: internal error"
		if _, _, err := s.dial(t); err == nil || err.Error() != want {
			t.Errorf("Dial: %v, want %s", err, want)
		}
	})
	inSetup(t, func(t *testing.T, s *setup) {
		other := testcert.ServerConfig("other")
		s.clientTLS.NextProtos = []string{"other"}
		s.serverTLS.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return other, nil }
		if c, _, err := s.dial(t); err != nil || c.ConnectionState().TLS.NegotiatedProtocol != "other" {
			t.Errorf("Dial: %v", err)
		}
	})
}

func TestClientHelloInfo(t *testing.T) {
	for _, v := range []quic.Version{quic.Version1, quic.Version2} {
		inSetup(t, func(t *testing.T, s *setup) {
			s.clientConfig.Versions = []quic.Version{v}
			calls := 0
			check := func(info *tls.ClientHelloInfo) {
				calls++
				if got := info.Context().Value(quic.QUICVersionContextKey); got != v {
					t.Errorf("version in the context is %v, want %v", got, v)
				}
				local, ok1 := info.Conn.LocalAddr().(*net.UDPAddr)
				remote, ok2 := info.Conn.RemoteAddr().(*net.UDPAddr)
				if !ok1 || !ok2 || local.String() != "198.51.100.1:443" || remote.String() != "192.0.2.1:1000" {
					t.Errorf("addresses %v, %v", info.Conn.LocalAddr(), info.Conn.RemoteAddr())
				}
			}
			cert := s.serverTLS.Certificates[0]
			s.serverTLS.Certificates = nil
			s.serverTLS.GetConfigForClient = func(info *tls.ClientHelloInfo) (*tls.Config, error) { check(info); return nil, nil }
			s.serverTLS.GetCertificate = func(info *tls.ClientHelloInfo) (*tls.Certificate, error) { check(info); return &cert, nil }
			c, server, err := s.dial(t)
			if err != nil || calls != 2 {
				t.Fatalf("Dial: %v, %d calls", err, calls)
			}
			if c.ConnectionState().Version != v || server.ConnectionState().Version != v {
				t.Errorf("version %v", c.ConnectionState().Version)
			}
		})
	}
}

func TestClientCertificates(t *testing.T) {
	inSetup(t, func(t *testing.T, s *setup) {
		s.serverTLS.ClientAuth, s.serverTLS.ClientCAs = tls.RequireAndVerifyClientCert, testcert.Pool()
		s.clientTLS.Certificates = []tls.Certificate{testcert.ClientCertificate()}
		_, server, err := s.dial(t)
		if err != nil {
			t.Fatal(err)
		}
		if certs := server.ConnectionState().TLS.PeerCertificates; len(certs) != 1 || certs[0].Subject.CommonName != "test client" {
			t.Errorf("the server sees %d certificates", len(certs))
		}
	})
}

// The client learns that its certificate is missing only after its part of the handshake is complete. Accept never returns
// the connection.
func TestMissingClientCertificate(t *testing.T) {
	inSetup(t, func(t *testing.T, s *setup) {
		s.serverTLS.ClientAuth, s.serverTLS.ClientCAs = tls.RequireAndVerifyClientCert, testcert.Pool()
		c, server, err := s.dial(t)
		if err != nil {
			t.Fatalf("Dial: %v", err)
		}
		<-c.Context().Done()
		if err := context.Cause(c.Context()); !errors.Is(err, &quic.TransportError{ErrorCode: 0x174, Remote: true}) {
			t.Errorf("the connection ends with %v, want code 0x174", err)
		}
		if server != nil {
			t.Error("the server has accepted the connection")
		}
	})
}

func TestRefusedConnections(t *testing.T) {
	refuse := errors.New("no")
	for name, change := range map[string]func(s *setup){
		"GetConfigForClient": func(s *setup) {
			s.serverConfig.GetConfigForClient = func(*quic.ClientInfo) (*quic.Config, error) { return nil, refuse }
		},
		"ConnContext": func(s *setup) {
			s.serverTransport = func(tr *quic.Transport) {
				tr.ConnContext = func(context.Context, *quic.ClientInfo) (context.Context, error) { return nil, refuse }
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			inSetup(t, func(t *testing.T, s *setup) {
				change(s)
				_, server, err := s.dial(t)
				want := &quic.TransportError{ErrorCode: quic.ConnectionRefused, Remote: true}
				if !errors.Is(err, want) || err.Error() != "CONNECTION_REFUSED (remote)" || server != nil {
					t.Errorf("Dial: %v, want %v", err, want)
				}
			})
		})
	}
}

// Of connections that nobody accepts, 32 wait.
func TestAcceptQueueIsBounded(t *testing.T) {
	inSetup(t, func(t *testing.T, s *setup) {
		tr, l := s.listen(t)
		for i := range 40 {
			c, err := tr.Dial(t.Context(), l.Addr(), s.clientTLS, s.clientConfig)
			if err == nil {
				settle() // the server may refuse it when the client's handshake is complete
				err = context.Cause(c.Context())
			}
			want := &quic.TransportError{ErrorCode: quic.ConnectionRefused, Remote: true}
			if i < 32 && err != nil || i >= 32 && !errors.Is(err, want) {
				t.Errorf("connection %d: %v", i+1, err)
			}
		}
		for range 32 {
			if c, err := l.Accept(t.Context()); err != nil || c.Context().Err() != nil {
				t.Errorf("Accept: %v", err)
			}
		}
	})
}

func TestConfigOfGetConfigForClient(t *testing.T) {
	inSetup(t, func(t *testing.T, s *setup) {
		var info *quic.ClientInfo
		s.serverConfig.GetConfigForClient = func(i *quic.ClientInfo) (*quic.Config, error) {
			info = i
			return &quic.Config{MaxIncomingStreams: 2, EnableDatagrams: true}, nil
		}
		s.clientConfig.EnableDatagrams = true
		c, server, err := s.dial(t)
		if err != nil {
			t.Fatal(err)
		}
		if info.RemoteAddr.String() != "192.0.2.1:1000" || info.AddrVerified {
			t.Errorf("ClientInfo = %+v", info)
		}
		for i := range 3 {
			if _, err := c.OpenStream(); (err == nil) != (i < 2) || err != nil && !errors.As(err, new(*quic.StreamLimitReachedError)) {
				t.Errorf("stream %d: %v", i+1, err)
			}
		}
		if !server.ConnectionState().SupportsDatagrams.Local || !c.ConnectionState().SupportsDatagrams.Remote {
			t.Error("datagrams are not enabled")
		}
	})
}

func TestVersionNegotiation(t *testing.T) {
	inSetup(t, func(t *testing.T, s *setup) {
		s.clientConfig.Versions = []quic.Version{quic.Version1}
		s.serverConfig.Versions = []quic.Version{quic.Version2}
		_, _, err := s.dial(t)
		var vn *quic.VersionNegotiationError
		if !errors.As(err, &vn) || len(vn.Ours) != 1 || vn.Ours[0] != quic.Version1 || !errors.Is(err, net.ErrClosed) {
			t.Errorf("Dial: %v", err)
		}
	})
	inSetup(t, func(t *testing.T, s *setup) {
		s.clientConfig.Versions = []quic.Version{quic.Version1, quic.Version2}
		s.serverConfig.Versions = []quic.Version{quic.Version2}
		c, server, err := s.dial(t)
		if err != nil {
			t.Fatal(err)
		}
		if v := c.ConnectionState().Version; v != quic.Version2 {
			t.Errorf("version %s, want v2", v)
		}
		testTransfer(t, c, server, randomBytes(1, 10_000))
	})
}

func TestDialTimeouts(t *testing.T) {
	cause := errors.New("enough")
	tests := []struct {
		name   string
		server bool // the server answers, but the handshake does not end
		ctx    func(ctx context.Context) (context.Context, context.CancelFunc)
		want   error
		after  time.Duration
	}{
		{name: "silence", want: &quic.IdleTimeoutError{}, after: 2 * time.Second},
		{name: "an endless handshake", server: true, want: &quic.HandshakeTimeoutError{}, after: 4 * time.Second},
		{name: "deadline of the context", want: context.DeadlineExceeded, after: time.Second,
			ctx: func(ctx context.Context) (context.Context, context.CancelFunc) {
				return context.WithTimeout(ctx, time.Second)
			}},
		{name: "cause of the context", want: cause, after: time.Second,
			ctx: func(ctx context.Context) (context.Context, context.CancelFunc) {
				return context.WithTimeoutCause(ctx, time.Second, cause)
			}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inSetup(t, func(t *testing.T, s *setup) {
				s.clientConfig.HandshakeIdleTimeout = 2 * time.Second
				s.net = netsim.Options{Down: netsim.Direction{Loss: 1}}
				if tt.server {
					// The client hears from the server all the time, but its certificates take too long.
					s.net = netsim.Options{Down: netsim.Direction{Rate: 1500}}
					cert := &s.serverTLS.Certificates[0]
					cert.Certificate = slices.Repeat(cert.Certificate, 25)
				}
				tr, l := s.listen(t)
				ctx := t.Context()
				if tt.ctx != nil {
					var cancel context.CancelFunc
					ctx, cancel = tt.ctx(ctx)
					defer cancel()
				}
				start := time.Now()
				_, err := tr.Dial(ctx, l.Addr(), s.clientTLS, s.clientConfig)
				if !errors.Is(err, tt.want) {
					t.Errorf("Dial: %v, want %v", err, tt.want)
				}
				if d := time.Since(start); d < tt.after || d > tt.after+time.Second {
					t.Errorf("Dial returns after %s, want %s", d, tt.after)
				}
			})
		})
	}
}

// A context that is done ends Dial before anything is sent.
func TestDialWithDeadContext(t *testing.T) {
	inSetup(t, func(t *testing.T, s *setup) {
		tr, l := s.listen(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := tr.Dial(ctx, l.Addr(), s.clientTLS, nil); err != context.Canceled {
			t.Errorf("Dial: %v, want %v", err, context.Canceled)
		}
	})
}

func TestConnContext(t *testing.T) {
	inSetup(t, func(t *testing.T, s *setup) {
		type key struct{}
		var inner context.Context
		s.serverTransport = func(tr *quic.Transport) {
			tr.ConnContext = func(ctx context.Context, info *quic.ClientInfo) (context.Context, error) {
				inner = ctx
				return context.WithValue(ctx, key{}, info.RemoteAddr.String()), nil
			}
		}
		c, server, err := s.dial(t)
		if err != nil {
			t.Fatal(err)
		}
		if got := server.Context().Value(key{}); got != "192.0.2.1:1000" {
			t.Errorf("the context has %v", got)
		}
		stream, err := server.OpenStream()
		if err != nil || stream.Context().Value(key{}) != "192.0.2.1:1000" {
			t.Errorf("the context of a stream has %v", stream.Context().Value(key{}))
		}
		c.CloseWithError(5, "bye")
		<-server.Context().Done()
		<-inner.Done()
		want := &quic.ApplicationError{ErrorCode: 5, Remote: true}
		if err := context.Cause(server.Context()); !errors.Is(err, want) || server.Context().Err() != context.Canceled {
			t.Errorf("the context ends with %v, cause %v", server.Context().Err(), err)
		}
		if err := context.Cause(inner); !errors.Is(err, want) {
			t.Errorf("the context of ConnContext ends with %v", err)
		}
	})
}

func TestCloseReasons(t *testing.T) {
	for _, reason := range []string{"", "bye", strings.Repeat("a", 1100), strings.Repeat("a", 4000)} {
		inSetup(t, func(t *testing.T, s *setup) {
			c, server, err := s.dial(t)
			if err != nil {
				t.Fatal(err)
			}
			c.CloseWithError(0, reason)
			start := time.Now()
			<-server.Context().Done()
			var app *quic.ApplicationError
			if err := context.Cause(server.Context()); !errors.As(err, &app) || !app.Remote || app.ErrorCode != 0 {
				t.Fatalf("the connection ends with %v", err)
			}
			if !strings.HasPrefix(reason, app.ErrorMessage) || len(app.ErrorMessage) < min(len(reason), 1100) {
				t.Errorf("%d of %d bytes of the reason arrive", len(app.ErrorMessage), len(reason))
			}
			if d := time.Since(start); d > time.Second {
				t.Errorf("it takes %s", d)
			}
			if reason == "" && app.Error() != "Application error 0x0 (remote)" {
				t.Errorf("error %q", app.Error())
			}
		})
	}
}

// The packet with CONNECTION_CLOSE is lost: the next packet of the peer is answered with another one.
func TestLostConnectionClose(t *testing.T) {
	inSetup(t, func(t *testing.T, s *setup) {
		p := newPair(t, pairOptions{net: delayed()})
		_, b := openBoth(t, p.client, p.server)
		settle()
		p.net.SetUp(netsim.Direction{Loss: 1})
		p.client.CloseWithError(1, "bye")
		p.net.SetUp(netsim.Direction{})
		mustWrite(t, b, "hello?")
		<-p.server.Context().Done()
		if err := context.Cause(p.server.Context()); !errors.Is(err, &quic.ApplicationError{ErrorCode: 1, Remote: true}) {
			t.Errorf("the connection ends with %v", err)
		}
	})
}
