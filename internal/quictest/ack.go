package quictest

import (
	"slices"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/wire"
)

// A space is a packet number space.
type space struct {
	next     protocol.PacketNumber   // to send
	largest  protocol.PacketNumber   // received, or -1
	received []protocol.PacketNumber // ascending
	ackDue   bool
}

func (s *space) onReceived(r *Received) {
	s.largest = max(s.largest, r.PN)
	if i, found := slices.BinarySearch(s.received, r.PN); !found {
		s.received = slices.Insert(s.received, i, r.PN)
	}
	s.ackDue = s.ackDue || r.AckEliciting()
}

// maxAckRanges is how many ranges an automatic ACK has, so that it always fits.
const maxAckRanges = 64

// ackFrame returns an ACK of packet numbers in any order.
func ackFrame(pns []protocol.PacketNumber) *wire.AckFrame {
	pns = slices.Clone(pns)
	slices.Sort(pns)
	f := &wire.AckFrame{}
	for i := len(pns) - 1; i >= 0; i-- {
		pn := pns[i]
		if n := len(f.AckRanges); n > 0 && f.AckRanges[n-1].Smallest <= pn+1 {
			f.AckRanges[n-1].Smallest = pn
			continue
		}
		f.AckRanges = append(f.AckRanges, wire.AckRange{Smallest: pn, Largest: pn})
	}
	return f
}

// takeAckLocked returns the ACK that is due at the level, if any.
func (p *Peer) takeAckLocked(level protocol.EncryptionLevel) (*wire.AckFrame, bool) {
	s := &p.spaces[level.Space()]
	if p.held.acks || p.closed || !s.ackDue || !p.keys.canSeal(level) {
		return nil, false
	}
	s.ackDue = false
	f := ackFrame(s.received)
	f.AckRanges = f.AckRanges[:min(len(f.AckRanges), maxAckRanges)]
	return f, true
}

// Ack acknowledges packets, received or not.
func (p *Peer) Ack(level protocol.EncryptionLevel, pns ...protocol.PacketNumber) {
	p.t.Helper()
	p.Send(level, ackFrame(pns))
}

// AckAll acknowledges everything that was received at the level.
func (p *Peer) AckAll(level protocol.EncryptionLevel) {
	p.t.Helper()
	p.Ack(level, p.ReceivedNumbers(level)...)
}

// ReceivedNumbers returns the packet numbers that were received in the space of the level, ascending.
func (p *Peer) ReceivedNumbers(level protocol.EncryptionLevel) (pns []protocol.PacketNumber) {
	p.set(func() { pns = slices.Clone(p.spaces[level.Space()].received) })
	return pns
}
