package handshake

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go/internal/handshake"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
)

var certificate = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"quic.example"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<32, 0),
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}
})

// Bits of the first byte of a script.
const (
	withRetryRequest = 1 << iota // HelloRetryRequest
	withClientCert
	withLateParameters // the server gives its transport parameters late
	withGetConfig
	withTicket // a session ticket follows the handshake
	withResumption
)

// Operations on a piece of CRYPTO data: two bytes each, operation and argument.
const (
	opSend = iota // in pieces of arg bytes
	opDrop
	opRepeat
	opReverse // the pieces
	opFlip    // the byte at arg
	opInsert  // the byte arg in front
	opLevel   // send at level arg
	opShift   // send arg bytes further
	numOps
)

type peer struct {
	*handshake.Driver
	t        testing.TB
	err      error
	complete int
	level    [2]protocol.EncryptionLevel // of the newest keys for reading and writing
	secrets  map[[2]uint8][]byte
}

func newPeer(t testing.TB, p handshake.Params) *peer {
	return &peer{Driver: handshake.New(p), t: t, secrets: map[[2]uint8][]byte{}}
}

// note checks the result of a call and takes the events.
func (p *peer) note(err error) {
	if err != nil {
		if _, ok := errors.AsType[*qerr.TransportError](err); !ok {
			p.t.Fatalf("error %v is not a *qerr.TransportError", err)
		}
		p.err = err
	}
	for e := p.NextEvent(); e.Kind != handshake.EventNone; e = p.NextEvent() {
		switch e.Kind {
		case handshake.EventReadKeys, handshake.EventWriteKeys:
			i := 0
			if e.Kind == handshake.EventWriteKeys {
				i = 1
			}
			if e.Level <= p.level[i] {
				p.t.Fatalf("keys of level %s after those of %s", e.Level, p.level[i])
			}
			p.level[i] = e.Level
			p.secrets[[2]uint8{uint8(i), uint8(e.Level)}] = e.Secret
		case handshake.EventHandshakeComplete:
			p.complete++
			if p.complete > 1 {
				p.t.Fatal("the handshake was completed twice")
			}
		case handshake.EventTransportParametersRequired:
			p.note(p.SetTransportParameters([]byte("late")))
		}
	}
}

// A run is two peers and what is left of the script.
type run struct {
	t              testing.TB
	client, server *peer
	script         []byte
	tampered       bool // more was done than cutting and reordering
}

func (r *run) next() (op, arg int) {
	if len(r.script) < 2 {
		return opSend, 255
	}
	op, arg = int(r.script[0])%numOps, int(r.script[1])
	r.script = r.script[2:]
	return op, arg
}

type piece struct {
	lvl  protocol.EncryptionLevel
	off  protocol.ByteCount
	data []byte
}

// cut applies the next operation to what is sent.
func (r *run) cut(p piece) []piece {
	op, arg := r.next()
	size := max(arg, 1)
	switch op {
	case opDrop:
		r.tampered = true
		p.data = p.data[min(arg, len(p.data)):]
		p.off += protocol.ByteCount(arg)
	case opFlip:
		r.tampered = true
		p.data[arg*7%len(p.data)] ^= 1 << (arg % 8)
	case opInsert:
		r.tampered = true
		p.data = append([]byte{byte(arg)}, p.data...)
	case opLevel:
		r.tampered = true
		p.lvl = protocol.EncryptionLevel(arg % protocol.NumEncryptionLevels)
	case opShift:
		r.tampered = true
		p.off += protocol.ByteCount(arg) << (arg % 50)
	}
	var out []piece
	for off := 0; off < len(p.data); off += size {
		part := p.data[off:min(off+size, len(p.data))]
		out = append(out, piece{p.lvl, p.off + protocol.ByteCount(off), part})
		if op == opRepeat {
			out = append(out, out[len(out)-1])
		}
	}
	for i := 0; op == opReverse && i < len(out)/2; i++ {
		out[i], out[len(out)-1-i] = out[len(out)-1-i], out[i]
	}
	return out
}

func (r *run) transfer(from, to *peer) (moved bool) {
	for lvl := range protocol.EncryptionLevel(protocol.NumEncryptionLevels) {
		b := from.Crypto(lvl)
		off := b.Sent()
		data := make([]byte, b.End()-off)
		if len(data) == 0 {
			continue
		}
		b.CopyTo(data, off)
		b.MarkSent(off, len(data))
		moved = true
		for _, p := range r.cut(piece{lvl, off, data}) {
			if to.err == nil && p.off <= protocol.MaxByteCount-protocol.ByteCount(len(p.data)) {
				to.note(to.HandleCrypto(p.lvl, p.off, p.data))
			}
		}
	}
	return moved
}

func (r *run) exchange() {
	for r.client.err == nil && r.server.err == nil {
		a := r.transfer(r.client, r.server)
		b := r.transfer(r.server, r.client)
		if !a && !b {
			return
		}
	}
}

func (r *run) connect(c, s handshake.Params) {
	r.client, r.server = newPeer(r.t, c), newPeer(r.t, s)
	defer r.client.Close()
	defer r.server.Close()
	r.client.note(r.client.Start(context.Background()))
	r.server.note(r.server.Start(context.Background()))
	r.exchange()
	if r.server.complete > 0 && r.server.err == nil {
		r.server.note(r.server.SendSessionTicket())
		r.exchange()
	}
	r.client.ConnectionState()
	r.server.ConnectionState()
}

// check looks at the end of the handshake.
func (r *run) check() {
	if !r.tampered {
		if err := errors.Join(r.client.err, r.server.err); err != nil || r.client.complete+r.server.complete != 2 {
			r.t.Fatalf("complete %d, %d, errors %v, want connected sides", r.client.complete, r.server.complete, err)
		}
	}
	if r.client.complete == 0 || r.server.complete == 0 {
		return
	}
	lvl := uint8(protocol.Encryption1RTT)
	a, b := r.client.secrets[[2]uint8{1, lvl}], r.server.secrets[[2]uint8{0, lvl}]
	if len(a) == 0 || !bytes.Equal(a, b) {
		r.t.Fatalf("1-RTT secrets = %x, %x, want equal ones", a, b)
	}
}

func configs(mode byte) (c, s handshake.Params) {
	ct := &tls.Config{
		InsecureSkipVerify: true, ServerName: "quic.example", NextProtos: []string{"fuzz"},
		CurvePreferences:   []tls.CurveID{tls.X25519, tls.CurveP256},
		ClientSessionCache: tls.NewLRUClientSessionCache(1),
	}
	st := &tls.Config{Certificates: []tls.Certificate{certificate()}, NextProtos: []string{"fuzz"}}
	if mode&withRetryRequest != 0 {
		st.CurvePreferences = []tls.CurveID{tls.CurveP256}
	}
	if mode&withClientCert != 0 {
		ct.Certificates = st.Certificates
		st.ClientAuth = tls.RequireAnyClientCert
	}
	if mode&withGetConfig != 0 {
		chosen := st.Clone()
		st.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return chosen, nil }
	}
	c = handshake.Params{
		Perspective: protocol.PerspectiveClient, TLS: ct, Version: protocol.Version1,
		TransportParameters: []byte("client"),
	}
	s = handshake.Params{
		Perspective: protocol.PerspectiveServer, TLS: st, Version: protocol.Version1,
		TransportParameters: []byte("server"),
		EnableEarlyData:     mode&withTicket != 0,
		AcceptEarlyData:     func([]byte) bool { return true },
	}
	if mode&withLateParameters != 0 {
		s.TransportParameters = nil
	}
	return c, s
}

// FuzzHandshake runs a script: a byte of options, then operations.
func FuzzHandshake(f *testing.F) {
	for _, script := range [][]byte{
		{0},
		{0, opSend, 1, opSend, 2, opSend, 3, opReverse, 50},
		{withRetryRequest, opReverse, 20, opRepeat, 30, opReverse, 40},
		{withClientCert | withTicket, opRepeat, 100, opReverse, 9, opSend, 1},
		{withLateParameters | withGetConfig, opReverse, 33},
		{withTicket | withResumption, opSend, 255},
		{0, opFlip, 3}, {0, opSend, 255, opFlip, 9}, {0, opSend, 255, opSend, 255, opFlip, 200},
		{0, opInsert, 24}, {0, opLevel, 1}, {0, opLevel, 2}, {0, opLevel, 3}, {0, opShift, 14}, {0, opShift, 40},
		{withTicket, opSend, 255, opSend, 255, opSend, 255, opSend, 255, opInsert, 24},
		{withRetryRequest | withResumption | withTicket, opDrop, 5},
	} {
		f.Add(script)
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) == 0 || len(script) > 64 {
			return
		}
		mode := script[0]
		r := &run{t: t, script: script[1:]}
		c, s := configs(mode)
		r.connect(c, s)
		r.check()
		if mode&withResumption != 0 {
			r.connect(c, s)
			r.check()
		}
	})
}
