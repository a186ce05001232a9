package recovery

import (
	"github.com/quic-go/quic-go/internal/congestion"
	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/wire"
)

// acked sums up the packets that an ACK frame newly acknowledges.
type acked struct {
	newest         *sentPacket // the one with the largest number
	newestInFlight *sentPacket // the largest one that counts as in flight
	eliciting      bool        // one of them is ack-eliciting
	bytes          protocol.ByteCount
	ect0           uint64
	marked         bool // one of them has proved that marks pass on this path
}

// OnAck handles an ACK frame that came in a packet of the given level. An error is a
// *qerr.TransportError; nothing has changed then.
func (t *Tracker) OnAck(now monotime.Time, level protocol.EncryptionLevel, ack *wire.Ack, res *Result) error {
	res.reset()
	s := &t.spaces[level.Space()]
	if s.dropped || len(ack.Ranges) == 0 {
		return nil
	}
	if err := s.check(ack); err != nil {
		return err
	}
	inFlight, lostBefore := t.inFlight, t.delivery.lost
	largest := ack.Ranges[0].Largest
	t.takeSpurious(now, s, ack, res)
	a := t.takeAcked(s, ack, res)
	advanced := largest > s.largestAcked
	s.largestAcked = max(s.largestAcked, largest)
	if a.newest == nil {
		return nil
	}
	res.RTTUpdated = a.eliciting && res.NewlyAckedLargest == largest && t.sampleRTT(now, level.Space(), ack, a.newest)
	batch := congestion.AckedBatch{Now: now, Bytes: a.bytes, InFlightBefore: inFlight}
	if advanced {
		t.validateECN(s, ack, &a, &batch)
	}
	t.onProgress(now, level.Space())
	lost := t.detectLoss(now, s, res)
	t.settle(s, res)
	t.signalLoss(lost, res)
	t.signalECN(&a, &batch, res)
	if a.newestInFlight == nil {
		return nil
	}
	if res.RTTUpdated {
		batch.RTT = t.rtt.latest
	}
	batch.MinRTT, batch.SmoothedRTT = t.rtt.min, t.rtt.smoothed
	batch.LargestSentAt = a.newestInFlight.sentAt
	batch.AppLimited = a.newestInFlight.appLimited
	t.delivery.onAcked(a.newestInFlight, &batch)
	batch.NewlyLost = t.delivery.lost - lostBefore
	batch.InFlight = t.inFlight
	t.controller.OnAcked(batch)
	t.reviewAcks(now)
	return nil
}

// takeAcked marks the newly acknowledged packets.
func (t *Tracker) takeAcked(s *space, ack *wire.Ack, res *Result) (a acked) {
	for i := len(ack.Ranges) - 1; i >= 0; i-- {
		first := max(int64(ack.Ranges[i].Smallest), s.packets.head)
		for pn := first; pn <= int64(ack.Ranges[i].Largest) && pn < s.packets.tail; pn++ {
			p := s.packets.at(pn)
			if p.fate != fateOpen {
				continue
			}
			res.NewlyAckedLargest = protocol.PacketNumber(pn)
			t.acknowledge(s, p, &a, res)
		}
	}
	return a
}

func (t *Tracker) acknowledge(s *space, p *sentPacket, a *acked, res *Result) {
	t.close(s, p, fateAcked)
	res.AckedPackets++
	res.Acked = s.appendRecords(res.Acked, p)
	a.newest = p
	a.eliciting = a.eliciting || p.eliciting
	if p.ect0 {
		a.ect0++
	}
	if p.mtuProbe {
		res.MTUProbeAcked = p.size
	}
	if p.inFlight {
		a.marked = a.marked || p.ect0
		a.newestInFlight = p
		a.bytes += p.size
		t.delivery.delivered += p.size
		if p.size >= res.LargestAckedSize {
			res.LargestAckedSize, res.LargestAckedSentAt = p.size, p.sentAt
		}
	}
	s.received.forgetTo(p.ackedUpTo)
}

// close takes an open packet out of the counts.
func (t *Tracker) close(s *space, p *sentPacket, f fate) {
	p.fate = f
	if p.eliciting {
		s.eliciting--
	}
	if p.inFlight {
		t.inFlight -= p.size
	}
}

// settle drops the packets at the front whose fate is known, in the order in which they were sent.
func (t *Tracker) settle(s *space, res *Result) {
	for s.packets.len() > 0 {
		p := s.packets.at(s.packets.head)
		if p.fate == fateOpen {
			return
		}
		if t.persistent.observe(p, t.firstSampleAt, t.persistentDuration()) {
			res.PersistentCongestion = true
		}
		s.popFirst()
	}
}

// sampleRTT updates the estimate from an ACK frame that newly acknowledges its largest packet
// and an ack-eliciting one: "An RTT sample MUST NOT be generated on receiving an ACK frame that does
// not newly acknowledge at least one ack-eliciting packet." RFC 9002, Section 5.1.
func (t *Tracker) sampleRTT(now monotime.Time, space protocol.PacketNumberSpace, ack *wire.Ack, largest *sentPacket) bool {
	if space == protocol.SpaceAppData && ack.Ranges[0].Largest < t.pathStart {
		return false // "Packets sent on other paths do not contribute RTT samples". RFC 9002, Section 5.3.
	}
	delay := ack.Delay
	switch {
	case space == protocol.SpaceInitial:
		// "MAY ignore the acknowledgment delay for Initial packets, since these acknowledgments are
		// not delayed by the peer". RFC 9002, Section 5.3.
		delay = 0
	case t.handshake.confirmed:
		// "MUST use the lesser of the acknowledgment delay and the peer's max_ack_delay after the
		// handshake is confirmed". RFC 9002, Section 5.3.
		delay = min(delay, t.rtt.maxAckDelay)
	}
	if t.firstSampleAt.IsZero() {
		t.firstSampleAt = now
	}
	t.rtt.update(now.Sub(largest.sentAt), delay)
	return true
}
