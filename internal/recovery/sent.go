package recovery

import (
	"github.com/quic-go/quic-go/internal/congestion"
	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/wire"
)

// Sent describes a packet that leaves now. Records is copied.
type Sent struct {
	Space        protocol.PacketNumberSpace
	Level        protocol.EncryptionLevel
	PN           protocol.PacketNumber // what NextNumber returned
	Size         protocol.ByteCount
	AckEliciting bool
	InFlight     bool // ack-eliciting or padded (RFC 9002, Section 2)
	MTUProbe     bool
	OtherPath    bool // not to the address that the amplification limit is about
	ECN          protocol.ECN
	AckedUpTo    protocol.PacketNumber // the largest number that an ACK frame in it reports, -1 if none
	Records      []Record
	// IsApplicationLimited is set if there was nothing more to send although it was allowed.
	IsApplicationLimited bool
}

// A fate is what became of a packet number.
type fate uint8

const (
	fateNone  fate = iota // never sent, or forgotten
	fateOpen              // sent, neither acknowledged nor lost
	fateAcked             // acknowledged
	fateLost              // declared lost
)

// A sentPacket is what is remembered of a packet.
type sentPacket struct {
	sentAt    monotime.Time
	size      protocol.ByteCount
	ackedUpTo protocol.PacketNumber
	snapshot  deliverySnapshot
	records   int64 // index of its first record in space.records
	recordLen int32

	fate       fate
	level      protocol.EncryptionLevel
	eliciting  bool
	inFlight   bool // counts, or counted, in Tracker.inFlight
	mtuProbe   bool
	appLimited bool
	ect0       bool
}

// plain reports whether nobody needs to know what becomes of the packet.
func (p *sentPacket) plain() bool { return !p.eliciting && !p.inFlight }

// OnSent notes that a packet leaves.
func (t *Tracker) OnSent(now monotime.Time, sent *Sent) {
	s := &t.spaces[sent.Space]
	if s.dropped {
		panic("BUG: packet sent in a discarded packet number space")
	}
	if sent.PN != s.next() {
		panic("BUG: packet sent with another number than NextNumber gave")
	}
	t.stats.PacketsSent++
	t.stats.BytesSent += uint64(sent.Size)
	if !sent.OtherPath {
		t.amplification.onSent(sent.Size)
	}
	s.evict()
	p := s.packets.push()
	*p = sentPacket{
		sentAt: now, size: sent.Size, ackedUpTo: sent.AckedUpTo, fate: fateOpen, level: sent.Level,
		eliciting: sent.AckEliciting, inFlight: sent.InFlight || sent.AckEliciting, mtuProbe: sent.MTUProbe,
		appLimited: sent.IsApplicationLimited, ect0: sent.ECN == protocol.ECT0,
	}
	s.store(p, sent.Records)
	s.largestSent = sent.PN
	if p.ect0 {
		s.ecn.sent++
	}
	if p.inFlight {
		t.onSentInFlight(now, p)
	}
	if p.eliciting {
		s.eliciting++
		s.lastElicitingAt = now
		s.plainSent = 0
		t.pto.onElicitingSent(sent.Space)
	} else {
		s.plainSent++
	}
	t.maybeSkip(sent.Space)
}

func (t *Tracker) onSentInFlight(now monotime.Time, p *sentPacket) {
	if p.ect0 {
		t.ecn.onSent()
	}
	t.delivery.onSent(now, t.inFlight, p)
	t.controller.OnSent(congestion.Sent{
		Now: now, InFlight: t.inFlight, Size: p.size, AppLimited: t.delivery.appLimited != 0,
	})
	t.inFlight += p.size
	p.snapshot.inFlight = t.inFlight
	t.pacer.Take(now, p.size, t.pacingRate(), t.mtu)
	t.recoveryEntry = false
}

// NextNumber returns the number of the next packet and with how many bytes to encode it. It is
// used up by OnSent.
func (t *Tracker) NextNumber(space protocol.PacketNumberSpace) (pn protocol.PacketNumber, pnLen int) {
	s := &t.spaces[space]
	return s.next(), wire.PacketNumberLen(s.next(), s.largestAcked)
}

// PingDue reports whether it is worth to add a PING to the next packet with 1-RTT keys that
// would otherwise only carry an ACK frame: many of those were sent and none was acknowledged, so
// that what they report cannot be forgotten (RFC 9000, Section 13.2.4).
func (t *Tracker) PingDue(now monotime.Time) bool {
	s := &t.spaces[protocol.SpaceAppData]
	return s.plainSent >= maxPlainSent && s.eliciting == 0 && now.Sub(s.lastElicitingAt) >= t.rtt.Smoothed()
}
