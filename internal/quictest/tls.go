package quictest

import (
	"crypto/tls"

	"github.com/quic-go/quic-go/internal/handshake"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/wire"
)

// tlsState is the handshake of a Peer.
type tlsState struct {
	driver              *handshake.Driver
	started             bool
	needParameters      bool // TLS waits for ours, which a server sends when it is sure about connection IDs
	complete, confirmed bool
	doneSent            bool // HANDSHAKE_DONE
	earlyDataRejected   bool
	sessionRestored     bool
	rawParameters       []byte // of the other endpoint
	parameters          *wire.TransportParameters
	err                 error
}

func (p *Peer) newDriver() {
	hp := handshake.Params{
		Perspective: p.pers, TLS: p.opts.TLS, ServerName: "localhost", Version: p.keys.version,
		EnableEarlyData: p.opts.EarlyData,
		AcceptEarlyData: func([]byte) bool { return !p.opts.RejectEarlyData },
		LocalAddr:       p.net.conn.LocalAddr(),
		RemoteAddr:      p.net.remote,
	}
	if p.pers == protocol.PerspectiveClient {
		hp.TransportParameters = p.encodedParameters()
	}
	p.tls.driver = handshake.New(hp)
}

// encodedParameters returns our transport parameters as the test wants them.
func (p *Peer) encodedParameters() []byte {
	tp := defaultParameters()
	tp.InitialSourceConnectionID = p.ids.src
	if p.pers == protocol.PerspectiveServer {
		tp.OriginalDestinationConnectionID = p.ids.origDst
		tp.RetrySourceConnectionID = p.ids.retrySrc
	}
	if p.opts.Parameters != nil {
		p.opts.Parameters(tp)
	}
	b := tp.Append(nil, p.pers)
	if p.opts.EncodeParameters != nil {
		b = p.opts.EncodeParameters(b)
	}
	return b
}

// Start makes a client send its first flight.
func (p *Peer) Start() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.tls.started {
		return
	}
	p.tls.started = true
	if err := p.tls.driver.Start(p.t.Context()); err != nil {
		p.t.Fatalf("TLS: %v", err)
	}
	p.advanceLocked()
	p.flushLocked()
}

// Handshake waits until the handshake is complete and, on a client, confirmed.
func (p *Peer) Handshake() {
	p.t.Helper()
	p.Start()
	done := func() bool {
		return p.closed || p.tls.complete && (p.tls.confirmed || p.pers == protocol.PerspectiveServer)
	}
	if !p.waitLocked(p.Timeout, done) {
		p.t.Fatalf("%s: no handshake within %s (TLS: %v)", p.pers, p.Timeout, p.TLSError())
	}
	if c := p.closeFrame(); c != nil {
		p.t.Fatalf("%s: connection closed during the handshake: %s", p.pers, describe(c))
	}
}

func (p *Peer) handleCryptoLocked(level protocol.EncryptionLevel, f *wire.CryptoFrame) {
	if p.tls.err != nil || !p.tls.started {
		return
	}
	if err := p.tls.driver.HandleCrypto(level, f.Offset, f.Data); err != nil {
		p.tls.err = err
	}
	p.advanceLocked()
}

// advanceLocked handles the events of TLS.
func (p *Peer) advanceLocked() {
	if p.tls.needParameters && !p.held.handshake {
		p.tls.needParameters = false
		if err := p.tls.driver.SetTransportParameters(p.encodedParameters()); err != nil {
			p.tls.err = err
		}
	}
	for {
		e := p.tls.driver.NextEvent()
		if e.Kind == handshake.EventNone {
			return
		}
		p.handleEventLocked(&e)
	}
}

func (p *Peer) handleEventLocked(e *handshake.Event) {
	switch e.Kind {
	case handshake.EventReadKeys, handshake.EventWriteKeys:
		if err := p.keys.install(e); err != nil {
			p.failLocked(err)
		}
	case handshake.EventPeerParameters:
		p.tls.rawParameters = e.Data
		tp, err := wire.ParseTransportParameters(e.Data, p.pers.Opposite())
		if err != nil {
			p.failLocked(err)
			return
		}
		p.tls.parameters = tp
		p.parser.AckDelayExponent = tp.AckDelayExponent
		p.tls.driver.StoreTicketData(tp.AppendForTicket(nil))
	case handshake.EventTransportParametersRequired:
		p.tls.needParameters = true
		if !p.held.handshake {
			p.advanceLocked()
		}
	case handshake.EventHandshakeComplete:
		p.tls.complete = true
		p.sendHandshakeDoneLocked()
	case handshake.EventEarlyDataRejected:
		p.tls.earlyDataRejected = true
	case handshake.EventSessionRestored:
		p.tls.sessionRestored = true
	case handshake.EventNone, handshake.EventCryptoReady:
	}
}

func (p *Peer) sendHandshakeDoneLocked() {
	if p.pers == protocol.PerspectiveServer && p.tls.complete && !p.tls.doneSent && !p.held.handshakeDone && !p.held.handshake {
		p.tls.doneSent = true
		p.sendLocked(p.packetLocked(protocol.Encryption1RTT, &wire.HandshakeDoneFrame{}))
	}
}

// takeCryptoLocked returns at most limit bytes of CRYPTO data that were not sent yet, or only before a Retry.
func (p *Peer) takeCryptoLocked(level protocol.EncryptionLevel, limit int) (off protocol.ByteCount, data []byte) {
	buf := p.tls.driver.Crypto(level)
	off, n := buf.NextLost(limit)
	if n == 0 {
		off, n = buf.Sent(), min(int(buf.Unsent()), limit)
	}
	data = make([]byte, n)
	buf.CopyTo(data, off)
	buf.MarkSent(off, len(data))
	return off, data
}

// TakeCrypto returns the CRYPTO data that TLS wants to send at the level and that was not sent yet, for a
// test that sends it itself. It is of use while the handshake is held.
func (p *Peer) TakeCrypto(level protocol.EncryptionLevel) (data []byte) {
	p.set(func() {
		buf := p.tls.driver.Crypto(level)
		_, data = p.takeCryptoLocked(level, int(buf.Unsent()))
	})
	return data
}

// SetParameters gives TLS the transport parameters of a server whose handshake is held, so that TakeCrypto
// has its first flight.
func (p *Peer) SetParameters() {
	p.set(func() {
		held := p.held.handshake
		p.held.handshake = false
		p.advanceLocked()
		p.held.handshake = held
	})
}

// SendSessionTicket makes a server send a session ticket.
func (p *Peer) SendSessionTicket() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.tls.driver.SendSessionTicket(); err != nil {
		p.t.Fatalf("session ticket: %v", err)
	}
	p.advanceLocked()
	p.flushLocked()
}

// Parameters returns the transport parameters of the other endpoint, nil if they have not come yet.
func (p *Peer) Parameters() (tp *wire.TransportParameters) {
	p.set(func() { tp = p.tls.parameters })
	return tp
}

// RawParameters returns them as they were sent.
func (p *Peer) RawParameters() (b []byte) { p.set(func() { b = p.tls.rawParameters }); return b }

// TLSError returns why TLS has ended the handshake.
func (p *Peer) TLSError() (err error) { p.set(func() { err = p.tls.err }); return err }

// TLSState returns the state of TLS.
func (p *Peer) TLSState() (s tls.ConnectionState) {
	p.set(func() { s = p.tls.driver.ConnectionState() })
	return s
}

// Complete reports whether the handshake is complete, Confirmed whether a client has got HANDSHAKE_DONE.
func (p *Peer) Complete() (is bool) { p.set(func() { is = p.tls.complete }); return is }

// Confirmed reports whether a client has got HANDSHAKE_DONE.
func (p *Peer) Confirmed() (is bool) { p.set(func() { is = p.tls.confirmed }); return is }

// CanSend reports whether there are keys to send packets of the level, as for 0-RTT after Start.
func (p *Peer) CanSend(level protocol.EncryptionLevel) (can bool) {
	p.set(func() { can = p.keys.canSeal(level) })
	return can
}

// EarlyDataRejected reports whether a client has learned that its 0-RTT was rejected.
func (p *Peer) EarlyDataRejected() (is bool) {
	p.set(func() { is = p.tls.earlyDataRejected })
	return is
}
