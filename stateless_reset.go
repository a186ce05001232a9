package quic

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"hash"
	"sync"
	"time"

	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/udp"
	"github.com/quic-go/quic-go/qlog"
)

const (
	resetTokenLen = len(protocol.StatelessResetToken{})
	// minStatelessReset is the length of the shortest stateless reset: 5 bytes that look random, and the token
	// (RFC 9000, Section 10.3).
	minStatelessReset = 5 + resetTokenLen
	// commonStatelessReset is how long a stateless reset is made, at least, if the datagram that it answers
	// permits: RFC 9000, Section 10.3 asks for it to be as long as the packets that the peer expects.
	commonStatelessReset = 42
	maxStatelessReset    = 100

	resetPeriod = time.Second
)

// statelessResets makes and limits the stateless resets that a Transport sends.
type statelessResets struct {
	enabled bool // immutable

	mu  sync.Mutex // a leaf; guards what follows
	mac hash.Hash  // keyed with the StatelessResetKey
	sum []byte     // of the last token

	// worker only
	budget int
	second monotime.Time // when the budget was last filled
}

// init takes over the application's key. Without one the tokens that peers get are of a random key and never used.
func (r *statelessResets) init(key *StatelessResetKey) {
	r.enabled = key != nil
	if key == nil {
		key = new(StatelessResetKey)
		rand.Read(key[:])
	}
	r.mac = hmac.New(sha256.New, key[:])
}

// statelessResetToken returns the token of one of our connection IDs (RFC 9000, Section 10.3.2).
func (t *Transport) statelessResetToken(cid protocol.ConnectionID) protocol.StatelessResetToken {
	r := &t.resets
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mac.Reset()
	r.sum = cid.Append(r.sum[:0])
	r.mac.Write(r.sum)
	r.sum = r.mac.Sum(r.sum[:0])
	return protocol.StatelessResetToken(r.sum[:resetTokenLen])
}

// allow reports whether one more stateless reset may be sent, of protocol.MaxStatelessResetsPerSecond.
func (r *statelessResets) allow(now monotime.Time) bool {
	if r.second.IsZero() || now.Sub(r.second) >= resetPeriod {
		r.second, r.budget = now, protocol.MaxStatelessResetsPerSecond
	}
	if r.budget == 0 {
		return false
	}
	r.budget--
	return true
}

// sendStatelessReset answers a datagram with a short header and an unknown connection ID. It is called by the
// worker.
func (t *Transport) sendStatelessReset(p *udp.Packet, cid protocol.ConnectionID) {
	// All connections of a Transport without connection IDs would have the same token.
	if !t.resets.enabled || cid.Len() == 0 {
		t.logDropped(p.Data, qlog.PacketDropUnknownConnectionID)
		return
	}
	// RFC 9000, Section 10.3.3: "An endpoint MUST ensure that every Stateless Reset that it sends is smaller than
	// the packet that triggered it, unless it maintains state sufficient to prevent looping."
	if len(p.Data) <= minStatelessReset || !t.resets.allow(p.Time) {
		t.logDropped(p.Data, qlog.PacketDropUnknownConnectionID)
		return
	}
	b := t.appendStatelessReset(nil, cid, len(p.Data))
	t.logSent(b)
	t.reply(p, b)
}

// appendStatelessReset appends a stateless reset for cid that is shorter than limit bytes.
func (t *Transport) appendStatelessReset(b []byte, cid protocol.ConnectionID, limit int) []byte {
	var random [maxStatelessReset]byte
	rand.Read(random[:])
	size := min(limit-1, commonStatelessReset+int(random[maxStatelessReset-1])%(maxStatelessReset-commonStatelessReset))
	// RFC 9000, Section 10.3: the first two bits are those of a short header.
	random[0] = random[0]&0x3f | 0x40
	b = append(b, random[:size-resetTokenLen]...)
	tok := t.statelessResetToken(cid)
	return append(b, tok[:]...)
}

// isStatelessReset returns the connection that data, a datagram that cannot be decrypted, is a stateless reset for.
func (t *Transport) isStatelessReset(data []byte) *Conn {
	if len(data) < minStatelessReset || !t.hasResetTokens() {
		return nil
	}
	key := t.table.tokenKey(protocol.StatelessResetToken(data[len(data)-resetTokenLen:]))
	t.table.mu.RLock()
	defer t.table.mu.RUnlock()
	return t.table.byResetToken[key]
}

func (t *Transport) hasResetTokens() bool {
	t.table.mu.RLock()
	defer t.table.mu.RUnlock()
	return len(t.table.byResetToken) > 0
}
