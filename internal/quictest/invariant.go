package quictest

import (
	"crypto/rand"

	"github.com/quic-go/quic-go/internal/protect"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/wire"
)

// BuildRetry returns a Retry packet of a server, which answers the client's first Initial.
func (p *Peer) BuildRetry(token []byte, src protocol.ConnectionID) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := wire.AppendRetry(nil, p.keys.version, p.ids.dst, src, token)
	return p.signRetryLocked(b)
}

// BuildRetryFor is BuildRetry with an integrity tag for another Destination Connection ID of the client.
func (p *Peer) BuildRetryFor(origDst protocol.ConnectionID, token []byte, src protocol.ConnectionID) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := wire.AppendRetry(nil, p.keys.version, p.ids.dst, src, token)
	tag := protect.RetryTag(p.keys.version, origDst, b)
	return append(b, tag[:]...)
}

// SignRetry appends the right integrity tag to a Retry packet.
func (p *Peer) SignRetry(b []byte) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.signRetryLocked(b)
}

func (p *Peer) signRetryLocked(b []byte) []byte {
	tag := protect.RetryTag(p.keys.version, p.ids.origDst, b)
	return append(b, tag[:]...)
}

// SendRetry answers the client's first Initial with a Retry, and expects the next one at the connection ID that it
// returns.
func (p *Peer) SendRetry(token []byte) protocol.ConnectionID {
	p.t.Helper()
	src := orRandom(protocol.ConnectionID{})
	b := p.BuildRetry(token, src)
	p.ExpectAfterRetry(src)
	p.SendRaw(b)
	return src
}

// ExpectAfterRetry makes a server use the keys and transport parameters that follow a Retry with this Source
// Connection ID.
func (p *Peer) ExpectAfterRetry(src protocol.ConnectionID) {
	p.set(func() {
		p.ids.retrySrc = &src
		p.keys.setInitial(src, p.pers)
	})
}

// handleRetryLocked makes a client begin again.
func (p *Peer) handleRetryLocked(r *Received, b []byte, h *wire.LongHeader) {
	tag := protect.RetryTag(h.Version, p.ids.origDst, b[:h.PacketLen-len(h.RetryTag)])
	if tag != h.RetryTag {
		r.Err = protect.ErrDecrypt
		return
	}
	if p.pers != protocol.PerspectiveClient || p.ids.retrySrc != nil || p.ids.dstKnown || p.held.handshake {
		return
	}
	p.ids.retrySrc, p.ids.dst, p.ids.token = &r.SrcCID, r.SrcCID, r.Token
	p.keys.setInitial(r.SrcCID, p.pers)
	buf := p.tls.driver.Crypto(protocol.EncryptionInitial)
	buf.Lost(0, buf.End())
	p.flushCryptoLocked()
}

// SendVersionNegotiation answers the client's Initial with a Version Negotiation packet.
func (p *Peer) SendVersionNegotiation(versions ...protocol.Version) {
	p.t.Helper()
	var b []byte
	p.set(func() {
		b = wire.AppendVersionNegotiation(nil, p.ids.dst.Bytes(), p.ids.origDst.Bytes(), versions)
	})
	p.SendRaw(b)
}

// StatelessReset returns a stateless reset of n bytes, at least 21.
func StatelessReset(n int, token protocol.StatelessResetToken) []byte {
	b := make([]byte, n-len(token), n)
	rand.Read(b)
	b[0] = b[0]&0x3f | 0x40
	return append(b, token[:]...)
}
