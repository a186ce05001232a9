package handshake

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	mrand "math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
)

const testServerName = "quic.example"

// A testPKI is a certificate authority with certificates for a server and a client.
type testPKI struct {
	roots          *x509.CertPool
	server, client tls.Certificate
}

var pki = sync.OnceValue(func() *testPKI {
	caKey, ca := newCertificate(&x509.Certificate{
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, nil, nil)
	p := &testPKI{roots: x509.NewCertPool()}
	p.roots.AddCert(ca)
	leaf := func(t *x509.Certificate) tls.Certificate {
		key, cert := newCertificate(t, ca, caKey)
		return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}
	}
	p.server = leaf(&x509.Certificate{
		DNSNames: []string{testServerName}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	p.client = leaf(&x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	return p
})

func newCertificate(t, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*ecdsa.PrivateKey, *x509.Certificate) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	t.SerialNumber = big.NewInt(1)
	t.Subject = pkix.Name{CommonName: "test"}
	// The clock of a synctest bubble starts in 2000.
	t.NotBefore = time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC)
	t.NotAfter = time.Date(2090, 1, 1, 0, 0, 0, 0, time.UTC)
	if parent == nil {
		parent, parentKey = t, key
	}
	raw, err := x509.CreateCertificate(rand.Reader, t, parent, &key.PublicKey, parentKey)
	if err != nil {
		panic(err)
	}
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		panic(err)
	}
	return key, cert
}

func clientTLS() *tls.Config {
	return &tls.Config{RootCAs: pki().roots, ServerName: testServerName, NextProtos: []string{"test"}}
}

func serverTLS() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{pki().server}, NextProtos: []string{"test"}}
}

func clientParams(c *tls.Config) Params {
	return Params{
		Perspective: protocol.PerspectiveClient, TLS: c, Version: protocol.Version1,
		TransportParameters: []byte("client parameters"),
	}
}

func serverParams(c *tls.Config) Params {
	return Params{
		Perspective: protocol.PerspectiveServer, TLS: c, Version: protocol.Version1,
		TransportParameters: []byte("server parameters"),
		LocalAddr:           &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 443},
		RemoteAddr:          &net.UDPAddr{IP: net.IPv4(127, 0, 0, 2), Port: 1234},
	}
}

// A side is one end of a handshake and what it has reported.
type side struct {
	*Driver
	err    error
	events []Event
}

func newSide(t testing.TB, p Params) *side {
	s := &side{Driver: New(p)}
	t.Cleanup(func() { s.Close() })
	return s
}

// collect takes all events.
func (s *side) collect() {
	for e := s.NextEvent(); e.Kind != EventNone; e = s.NextEvent() {
		s.events = append(s.events, e)
	}
}

// find returns the events of a kind.
func (s *side) find(kind EventKind) []Event {
	var out []Event
	for _, e := range s.events {
		if e.Kind == kind {
			out = append(out, e)
		}
	}
	return out
}

func (s *side) has(kind EventKind) bool { return len(s.find(kind)) > 0 }

// secret returns the secret of a level, nil if there is none.
func (s *side) secret(kind EventKind, lvl protocol.EncryptionLevel) []byte {
	for _, e := range s.find(kind) {
		if e.Level == lvl {
			return e.Secret
		}
	}
	return nil
}

// unsent takes the CRYPTO data of a level that was not sent yet.
func (s *side) unsent(lvl protocol.EncryptionLevel) (protocol.ByteCount, []byte) {
	b := s.Crypto(lvl)
	off := b.Sent()
	data := make([]byte, b.End()-off)
	b.CopyTo(data, off)
	b.MarkSent(off, len(data))
	return off, data
}

// A pair is a client and a server that are connected by a function that cuts CRYPTO data into frames.
type pair struct {
	t              testing.TB
	client, server *side
	cut            func(off protocol.ByteCount, data []byte) []frame
}

type frame struct {
	off  protocol.ByteCount
	data []byte
}

func whole(off protocol.ByteCount, data []byte) []frame { return []frame{{off, data}} }

func newPair(t testing.TB, c, s Params) *pair {
	return &pair{t: t, client: newSide(t, c), server: newSide(t, s), cut: whole}
}

func (p *pair) start() {
	p.client.err = p.client.Start(context.Background())
	p.server.err = p.server.Start(context.Background())
	p.client.collect()
	p.server.collect()
}

// transfer delivers what one side has to send and reports whether there was something.
func (p *pair) transfer(from, to *side) bool {
	moved := false
	for lvl := range protocol.EncryptionLevel(protocol.NumEncryptionLevels) {
		off, data := from.unsent(lvl)
		if len(data) == 0 {
			continue
		}
		moved = true
		for _, f := range p.cut(off, data) {
			if to.err != nil {
				break
			}
			to.err = to.HandleCrypto(lvl, f.off, f.data)
			to.collect()
		}
	}
	return moved
}

// run exchanges CRYPTO data until there is none left or one side has failed.
func (p *pair) run() {
	for p.client.err == nil && p.server.err == nil {
		a := p.transfer(p.client, p.server)
		b := p.transfer(p.server, p.client)
		if !a && !b {
			return
		}
	}
}

// connect runs a handshake that must succeed.
func (p *pair) connect() {
	p.t.Helper()
	p.start()
	p.run()
	if p.client.err != nil || p.server.err != nil {
		p.t.Fatalf("client: %v, server: %v, want no errors", p.client.err, p.server.err)
	}
	if !p.client.has(EventHandshakeComplete) || !p.server.has(EventHandshakeComplete) {
		p.t.Fatalf("complete = %t, %t, want true, true",
			p.client.has(EventHandshakeComplete), p.server.has(EventHandshakeComplete))
	}
}

// sendTicket makes the server send a ticket and the client store it.
func (p *pair) sendTicket() {
	p.t.Helper()
	if err := p.server.SendSessionTicket(); err != nil {
		p.t.Fatalf("SendSessionTicket: %v", err)
	}
	p.server.collect()
	p.run()
	if p.client.err != nil {
		p.t.Fatal(p.client.err)
	}
}

func connected(t testing.TB, c, s Params) *pair {
	t.Helper()
	p := newPair(t, c, s)
	p.connect()
	return p
}

// randomCut cuts data into small frames in random order, some of them twice and with overlaps.
func randomCut(rnd *mrand.Rand) func(protocol.ByteCount, []byte) []frame {
	return func(off protocol.ByteCount, data []byte) []frame {
		var frames []frame
		for len(data) > 0 {
			n := min(1+rnd.IntN(40), len(data))
			overlap := min(rnd.IntN(5), len(data)-n)
			f := frame{off, data[:n+overlap]}
			frames = append(frames, f)
			if rnd.IntN(4) == 0 {
				frames = append(frames, f)
			}
			off, data = off+protocol.ByteCount(n), data[n:]
		}
		rnd.Shuffle(len(frames), func(i, j int) { frames[i], frames[j] = frames[j], frames[i] })
		return frames
	}
}

func wantCode(t testing.TB, who string, err error, code qerr.TransportErrorCode) {
	t.Helper()
	e, ok := errors.AsType[*qerr.TransportError](err)
	if !ok || e.ErrorCode != code {
		t.Errorf("%s: error = %v, want code %#x", who, err, uint64(code))
	}
}

func wantEqual(t testing.TB, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("%s = %q, want %q", what, got, want)
	}
}
