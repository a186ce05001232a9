package handshake

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	mrand "math/rand/v2"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
)

// checkSecrets checks that both sides have the same keys.
func checkSecrets(t *testing.T, p *pair, levels ...protocol.EncryptionLevel) {
	t.Helper()
	for _, lvl := range levels {
		for _, dir := range [][2]*side{{p.client, p.server}, {p.server, p.client}} {
			w, r := dir[0].secret(EventWriteKeys, lvl), dir[1].secret(EventReadKeys, lvl)
			if len(w) == 0 || !bytes.Equal(w, r) {
				t.Errorf("%s secrets = %x, %x, want equal ones", lvl, w, r)
			}
		}
	}
}

func TestHandshake(t *testing.T) {
	p := connected(t, clientParams(clientTLS()), serverParams(serverTLS()))
	checkSecrets(t, p, protocol.EncryptionHandshake, protocol.Encryption1RTT)
	wantEqual(t, "parameters at the server", p.server.find(EventPeerParameters)[0].Data, []byte("client parameters"))
	wantEqual(t, "parameters at the client", p.client.find(EventPeerParameters)[0].Data, []byte("server parameters"))
	for _, s := range []*side{p.client, p.server} {
		cs := s.ConnectionState()
		if !cs.HandshakeComplete || cs.Version != tls.VersionTLS13 || cs.NegotiatedProtocol != "test" || cs.DidResume {
			t.Errorf("%s: complete %t, version %#x, protocol %q, resumed %t, want true, 0x304, test, false",
				s.p.Perspective, cs.HandshakeComplete, cs.Version, cs.NegotiatedProtocol, cs.DidResume)
		}
	}
}

// The server may send 1-RTT packets before the handshake is complete but not open them.
func TestOrderOfServerEvents(t *testing.T) {
	p := connected(t, clientParams(clientTLS()), serverParams(serverTLS()))
	complete := false
	for _, e := range p.server.events {
		switch {
		case e.Kind == EventHandshakeComplete:
			complete = true
		case e.Kind == EventReadKeys && e.Level == protocol.Encryption1RTT && !complete:
			t.Error("1-RTT read keys before the handshake is complete")
		case e.Kind == EventWriteKeys && e.Level == protocol.Encryption1RTT && complete:
			t.Error("1-RTT write keys only when the handshake is complete")
		}
	}
}

func TestHandshakeInShuffledPieces(t *testing.T) {
	for seed := range uint64(20) {
		p := newPair(t, clientParams(clientTLS()), serverParams(serverTLS()))
		p.cut = randomCut(mrand.New(mrand.NewPCG(seed, 1)))
		p.connect()
		p.server.p.EnableEarlyData = true
		p.sendTicket()
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func TestHandshakeByteByByte(t *testing.T) {
	p := newPair(t, clientParams(clientTLS()), serverParams(serverTLS()))
	p.cut = func(off protocol.ByteCount, data []byte) []frame {
		var frames []frame
		for i := range data {
			frames = append(frames, frame{off + protocol.ByteCount(i), data[i : i+1]})
		}
		return frames
	}
	p.connect()
}

func TestHandshakeVariants(t *testing.T) {
	for _, tc := range []struct {
		name  string
		setup func(c, s *tls.Config)
		check func(t *testing.T, p *pair)
	}{
		{
			name: "no ALPN on both sides",
			setup: func(c, s *tls.Config) {
				c.NextProtos, s.NextProtos = nil, nil
			},
		},
		{
			name: "HelloRetryRequest",
			setup: func(c, s *tls.Config) {
				c.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP384}
				s.CurvePreferences = []tls.CurveID{tls.CurveP384}
			},
			check: func(t *testing.T, p *pair) {
				if cs := p.client.ConnectionState(); !cs.HelloRetryRequest || cs.CurveID != tls.CurveP384 {
					t.Errorf("HelloRetryRequest %t, curve %v, want true, P384", cs.HelloRetryRequest, cs.CurveID)
				}
			},
		},
		{
			name: "post-quantum ClientHello larger than a packet",
			setup: func(c, _ *tls.Config) {
				c.CurvePreferences = []tls.CurveID{tls.X25519MLKEM768}
			},
			check: func(t *testing.T, p *pair) {
				if n := p.client.Crypto(protocol.EncryptionInitial).End(); n < protocol.MinInitialPacketSize {
					t.Errorf("ClientHello of %d bytes, want more than %d", n, protocol.MinInitialPacketSize)
				}
				if id := p.server.ConnectionState().CurveID; id != tls.X25519MLKEM768 {
					t.Errorf("curve %v, want X25519MLKEM768", id)
				}
			},
		},
		{
			name: "client certificate",
			setup: func(c, s *tls.Config) {
				c.Certificates = []tls.Certificate{pki().client}
				s.ClientAuth, s.ClientCAs = tls.RequireAndVerifyClientCert, pki().roots
			},
			check: func(t *testing.T, p *pair) {
				if n := len(p.server.ConnectionState().VerifiedChains); n != 1 {
					t.Errorf("verified chains of the client = %d, want 1", n)
				}
			},
		},
		{
			name: "MinVersion below TLS 1.3 is raised",
			setup: func(c, s *tls.Config) {
				c.MinVersion, s.MinVersion = tls.VersionTLS12, tls.VersionTLS10
			},
		},
		{
			name: "GetConfigForClient returns nil",
			setup: func(_, s *tls.Config) {
				s.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return nil, nil }
			},
		},
		{
			name: "GetConfigForClient returns a config with an old MinVersion",
			setup: func(_, s *tls.Config) {
				chosen := s.Clone()
				chosen.MinVersion = tls.VersionTLS12
				s.Certificates = nil
				s.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return chosen, nil }
			},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, s := clientTLS(), serverTLS()
			tc.setup(c, s)
			minC, minS := c.MinVersion, s.MinVersion
			p := newPair(t, clientParams(c), serverParams(s))
			p.cut = randomCut(mrand.New(mrand.NewPCG(1, 2)))
			p.connect()
			checkSecrets(t, p, protocol.EncryptionHandshake, protocol.Encryption1RTT)
			if tc.check != nil {
				tc.check(t, p)
			}
			if c.MinVersion != minC || s.MinVersion != minS {
				t.Errorf("MinVersion of the configs = %#x, %#x, want them unchanged", c.MinVersion, s.MinVersion)
			}
		})
	}
}

func TestHandshakeFailures(t *testing.T) {
	errApp := errors.New("refused by the application")
	for _, tc := range []struct {
		name           string
		setup          func(c, s *tls.Config)
		client, server qerr.TransportErrorCode // 0: this side does not fail
	}{
		{
			name:   "no common ALPN",
			setup:  func(c, _ *tls.Config) { c.NextProtos = []string{"other"} },
			server: 0x178,
		},
		{
			name:   "ALPN of the client only",
			setup:  func(_, s *tls.Config) { s.NextProtos = nil },
			client: 0x178,
		},
		{
			name:   "ALPN of the server only",
			setup:  func(c, _ *tls.Config) { c.NextProtos = nil },
			server: 0x178,
		},
		{
			name:   "unknown authority",
			setup:  func(c, _ *tls.Config) { c.RootCAs = x509.NewCertPool() },
			client: 0x12a,
		},
		{
			name:   "wrong server name",
			setup:  func(c, _ *tls.Config) { c.ServerName = "other.example" },
			client: 0x12a,
		},
		{
			name:   "client certificate is missing",
			setup:  func(_, s *tls.Config) { s.ClientAuth = tls.RequireAnyClientCert },
			server: 0x174,
		},
		{
			name:   "client with MaxVersion TLS 1.2",
			setup:  func(c, _ *tls.Config) { c.MaxVersion = tls.VersionTLS12 },
			client: 0x150,
		},
		{
			name:   "server with MaxVersion TLS 1.2",
			setup:  func(_, s *tls.Config) { s.MaxVersion = tls.VersionTLS12 },
			server: 0x146,
		},
		{
			name: "chosen config with MaxVersion TLS 1.2",
			setup: func(_, s *tls.Config) {
				chosen := s.Clone()
				chosen.MaxVersion = tls.VersionTLS12
				s.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return chosen, nil }
			},
			server: 0x146,
		},
		{
			name: "GetConfigForClient fails",
			setup: func(_, s *tls.Config) {
				s.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return nil, errApp }
			},
			server: 0x150,
		},
		{
			name:   "no certificate",
			setup:  func(_, s *tls.Config) { s.Certificates = nil },
			server: 0x170,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, s := clientTLS(), serverTLS()
			tc.setup(c, s)
			p := newPair(t, clientParams(c), serverParams(s))
			p.start()
			p.run()
			for _, x := range []struct {
				s    *side
				want qerr.TransportErrorCode
			}{{p.client, tc.client}, {p.server, tc.server}} {
				name := x.s.p.Perspective.String()
				if x.want == 0 {
					if x.s.err != nil {
						t.Errorf("%s: error = %v, want nil", name, x.s.err)
					}
					continue
				}
				wantCode(t, name, x.s.err, x.want)
				if alert, ok := errors.AsType[tls.AlertError](x.s.err); !ok || 0x100+qerr.TransportErrorCode(alert) != x.want {
					t.Errorf("%s: tls.AlertError in %v = %d, %t, want the alert of %#x", name, x.s.err, alert, ok, uint64(x.want))
				}
				// The error stays.
				err := x.s.HandleCrypto(protocol.EncryptionInitial, 0, []byte{1})
				if !errors.Is(err, x.s.err) {
					t.Errorf("%s: HandleCrypto afterwards = %v, want %v", name, err, x.s.err)
				}
			}
		})
	}
}

func TestCertificateErrorsAreFound(t *testing.T) {
	c := clientTLS()
	c.RootCAs = x509.NewCertPool()
	p := newPair(t, clientParams(c), serverParams(serverTLS()))
	p.start()
	p.run()
	if _, ok := errors.AsType[x509.UnknownAuthorityError](p.client.err); !ok {
		t.Errorf("%v does not wrap an x509.UnknownAuthorityError", p.client.err)
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](p.client.err); !ok {
		t.Errorf("%v does not wrap a *tls.CertificateVerificationError", p.client.err)
	}
	if !errors.Is(p.client.err, net.ErrClosed) {
		t.Errorf("%v is not net.ErrClosed", p.client.err)
	}
}

type ctxKey struct{}

func TestClientHelloInfo(t *testing.T) {
	var calls []string
	see := func(what string, info *tls.ClientHelloInfo) {
		calls = append(calls, fmt.Sprintf("%s %v %v %v", what,
			info.Conn.LocalAddr(), info.Conn.RemoteAddr(), info.Context().Value(ctxKey{})))
	}
	chosen := &tls.Config{
		NextProtos: []string{"test"},
		GetCertificate: func(info *tls.ClientHelloInfo) (*tls.Certificate, error) {
			see("GetCertificate", info)
			return &pki().server, nil
		},
	}
	base := &tls.Config{GetConfigForClient: func(info *tls.ClientHelloInfo) (*tls.Config, error) {
		see("GetConfigForClient", info)
		return chosen, nil
	}}
	p := newPair(t, clientParams(clientTLS()), serverParams(base))
	ctx := context.WithValue(context.Background(), ctxKey{}, "value")
	if err := errors.Join(p.client.Start(ctx), p.server.Start(ctx)); err != nil {
		t.Fatal(err)
	}
	p.run()
	if err := errors.Join(p.client.err, p.server.err); err != nil {
		t.Fatal(err)
	}
	const addrs = " 127.0.0.1:443 127.0.0.2:1234 value"
	want := []string{"GetConfigForClient" + addrs, "GetCertificate" + addrs}
	if fmt.Sprint(calls) != fmt.Sprint(want) {
		t.Errorf("calls = %q, want %q", calls, want)
	}
	if chosen.MinVersion != 0 || base.MinVersion != 0 {
		t.Errorf("MinVersion = %#x, %#x, want the configs unchanged", chosen.MinVersion, base.MinVersion)
	}
}

// An addrConn has addresses and can do nothing.
func TestConnOfClientHelloInfo(t *testing.T) {
	var seen net.Conn
	sp := serverParams(serverTLS())
	sp.TLS.GetEncryptedClientHelloKeys = func(info *tls.ClientHelloInfo) ([]tls.EncryptedClientHelloKey, error) {
		seen = info.Conn
		return nil, nil
	}
	if _, err := serverConfig(&sp).GetEncryptedClientHelloKeys(&tls.ClientHelloInfo{}); err != nil {
		t.Fatal(err)
	}
	if seen == nil || seen.LocalAddr() != sp.LocalAddr || seen.RemoteAddr() != sp.RemoteAddr {
		t.Fatalf("Conn = %v, want the addresses of the connection", seen)
	}
	_, errRead := seen.Read(make([]byte, 1))
	_, errWrite := seen.Write([]byte{1})
	for _, err := range []error{
		errRead, errWrite, seen.Close(), seen.SetDeadline(time.Time{}), seen.SetReadDeadline(time.Time{}), seen.SetWriteDeadline(time.Time{}),
	} {
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("error %v, want net.ErrClosed", err)
		}
	}
}

func TestEventKindsHaveNames(t *testing.T) {
	names := map[string]bool{}
	for k := EventNone; k <= EventCryptoReady+1; k++ {
		names[k.String()] = true
	}
	if want := int(EventCryptoReady) + 2; len(names) != want || !names["unknown event"] {
		t.Errorf("%d names, want %d: %v", len(names), want, names)
	}
}

func TestServerNameOfParams(t *testing.T) {
	c := clientTLS()
	c.ServerName = ""
	cp := clientParams(c)
	cp.ServerName = testServerName
	p := connected(t, cp, serverParams(serverTLS()))
	if got := p.server.ConnectionState().ServerName; got != testServerName {
		t.Errorf("ServerName = %q, want %q", got, testServerName)
	}
}

func TestTransportParametersOnDemand(t *testing.T) {
	sp := serverParams(serverTLS())
	sp.TransportParameters = nil
	p := newPair(t, clientParams(clientTLS()), sp)
	p.cut = randomCut(mrand.New(mrand.NewPCG(3, 4)))
	p.start()
	p.run()
	if !p.server.has(EventTransportParametersRequired) || !p.server.has(EventPeerParameters) {
		t.Fatalf("events %v, want the client's parameters and a request for ours", p.server.events)
	}
	// Data that comes while TLS waits is kept, whatever it is.
	if err := p.server.HandleCrypto(protocol.EncryptionInitial, 0, []byte{1}); err != nil {
		t.Fatal(err)
	}
	if err := p.server.SetTransportParameters([]byte("late parameters")); err != nil {
		t.Fatal(err)
	}
	p.server.collect()
	p.run()
	if err := errors.Join(p.client.err, p.server.err); err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "parameters at the client", p.client.find(EventPeerParameters)[0].Data, []byte("late parameters"))
	checkSecrets(t, p, protocol.EncryptionHandshake, protocol.Encryption1RTT)
}

// A bubble does not end before the goroutines of crypto/tls do.
func TestCloseEndsGoroutines(t *testing.T) {
	stages := []struct {
		name string
		run  func(p *pair)
	}{
		{"never started", func(*pair) {}},
		{"started", func(p *pair) { p.start() }},
		{"after the ClientHello", func(p *pair) { p.start(); p.transfer(p.client, p.server) }},
		{"in the middle", func(p *pair) { p.start(); p.transfer(p.client, p.server); p.transfer(p.server, p.client) }},
		{"complete", func(p *pair) { p.start(); p.run() }},
		{"failed", func(p *pair) {
			p.start()
			p.server.err = p.server.HandleCrypto(protocol.EncryptionInitial, 0, []byte{99, 0, 0, 0})
		}},
		{"failed outside of TLS", func(p *pair) {
			p.start()
			p.server.err = p.server.HandleCrypto(protocol.Encryption0RTT, 0, []byte{99, 0, 0, 0})
		}},
		{"waiting for parameters", func(p *pair) {
			p.server.Close()
			sp := serverParams(serverTLS())
			sp.TransportParameters = nil
			p.server = newSide(p.t, sp)
			p.start()
			p.transfer(p.client, p.server)
		}},
	}
	for _, stage := range stages {
		t.Run(stage.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPair(t, clientParams(clientTLS()), serverParams(serverTLS()))
				stage.run(p)
				for _, s := range []*side{p.client, p.server} {
					for range 2 {
						if err := s.Close(); err != nil {
							t.Errorf("Close = %v, want nil", err)
						}
					}
					if err := s.HandleCrypto(protocol.EncryptionInitial, 0, []byte{1}); err == nil {
						t.Error("HandleCrypto after Close = nil, want an error")
					}
					s.ConnectionState()
				}
			})
		})
	}
}

func TestStartAfterContextEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	p := newPair(t, clientParams(clientTLS()), serverParams(serverTLS()))
	if err := errors.Join(p.client.Start(ctx), p.server.Start(ctx)); err != nil {
		t.Fatal(err)
	}
	cancel()
	p.run()
	if p.server.err == nil {
		t.Error("the handshake goes on after the end of its context")
	}
}

// A server needs no TLS after the handshake: its state can still be asked for, and what the client sends is a fault.
func TestReleaseTLS(t *testing.T) {
	p := connected(t, clientParams(clientTLS()), serverParams(serverTLS()))
	want := p.server.ConnectionState()
	p.sendTicket()
	p.server.ReleaseTLS()
	if got := p.server.ConnectionState(); got.CipherSuite != want.CipherSuite || !got.HandshakeComplete || got.NegotiatedProtocol != want.NegotiatedProtocol {
		t.Errorf("ConnectionState() = %+v, want %+v", got, want)
	}
	if e := p.server.NextEvent(); e.Kind != EventNone {
		t.Errorf("event %v is left", e.Kind)
	}
	ekm, err := want.ExportKeyingMaterial("label", nil, 10)
	state := p.server.ConnectionState()
	if got, err2 := state.ExportKeyingMaterial("label", nil, 10); err != nil || err2 != nil || !bytes.Equal(got, ekm) {
		t.Errorf("ExportKeyingMaterial = %x, %v, want %x, %v", got, err2, ekm, err)
	}
	err = p.server.HandleCrypto(protocol.Encryption1RTT, 0, []byte{typeKeyUpdate, 0, 0, 1, 0})
	if e, ok := errors.AsType[*qerr.TransportError](err); !ok || e.ErrorCode != 0x100+qerr.TransportErrorCode(alertUnexpectedMessage) {
		t.Errorf("HandleCrypto = %v", err)
	}
	if err := p.server.Close(); err != nil {
		t.Errorf("Close = %v", err)
	}
}
