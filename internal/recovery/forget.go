package recovery

import (
	"github.com/quic-go/quic-go/internal/congestion"
	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
)

// DropSpace forgets a packet number space because its keys are discarded: "The sender MUST discard
// all recovery state associated with those packets and MUST remove them from the count of bytes in
// flight." RFC 9002, Section 6.4.
func (t *Tracker) DropSpace(now monotime.Time, space protocol.PacketNumberSpace) {
	s := &t.spaces[space]
	if s.dropped {
		return
	}
	for pn := s.packets.head; pn < s.packets.tail; pn++ {
		if p := s.packets.at(pn); p.fate == fateOpen {
			t.close(s, p, fateNone)
		}
	}
	dropped := newSpace()
	dropped.dropped = true
	dropped.packets.head, dropped.packets.tail = s.packets.tail, s.packets.tail
	dropped.largestSent, dropped.largestAcked = s.largestSent, s.largestAcked
	dropped.received.largest = s.received.largest
	*s = dropped
	// "When Initial or Handshake keys are discarded, the PTO and loss detection timers MUST be reset,
	// because discarding keys indicates forward progress". RFC 9002, Section 6.2.2.
	t.pto.reset()
	t.pto.base = now
}

// RejectEarlyData forgets the 0-RTT packets because the server rejected them, and returns what was
// in them as res.Lost. "When 0-RTT is rejected, recovery state for all in-flight 0-RTT packets is
// discarded." RFC 9002, Section 6.4.
func (t *Tracker) RejectEarlyData(_ monotime.Time, res *Result) {
	res.reset()
	s := &t.spaces[protocol.SpaceAppData]
	for pn := s.packets.head; pn < s.packets.tail; pn++ {
		if s.packets.at(pn).level == protocol.Encryption0RTT {
			s.rejectedBelow = protocol.PacketNumber(pn) + 1
		}
	}
	t.forget(s, int64(s.rejectedBelow), res)
}

// ResetInitial forgets the Initial and 0-RTT packets of a client that received a Retry, and
// returns what was in them as res.Lost. Packet numbers go on: "A client MUST NOT reset the packet
// number for any packet number space after processing a Retry packet." RFC 9000, Section 17.2.5.3.
// "Clients that receive a Retry packet reset congestion control and loss recovery state, including
// resetting any pending timers." RFC 9002, Section 6.3. The window has not changed yet.
func (t *Tracker) ResetInitial(now monotime.Time, res *Result) {
	res.reset()
	for _, space := range []protocol.PacketNumberSpace{protocol.SpaceInitial, protocol.SpaceAppData} {
		s := &t.spaces[space]
		t.forget(s, s.packets.tail, res)
	}
	t.pto.reset()
	t.pto.base = now
	t.pacer = congestion.NewPacer()
}

// forget drops the packets before end without calling them lost and returns their records.
func (t *Tracker) forget(s *space, end int64, res *Result) {
	for pn := s.packets.head; pn < end; pn++ {
		p := s.packets.at(pn)
		if p.fate != fateOpen {
			continue
		}
		res.Lost = s.appendRecords(res.Lost, p)
		t.close(s, p, fateNone)
	}
	t.settle(s, res)
}
