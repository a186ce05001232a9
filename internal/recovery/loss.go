package recovery

import (
	"github.com/quic-go/quic-go/internal/congestion"
	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
)

// packetThreshold is kPacketThreshold (RFC 9002, Section 6.1.1).
const packetThreshold = 3

// detectLoss declares packets lost that were sent before the largest acknowledged one and are
// far enough behind it in number or time, and arms the timer for the others. (RFC 9002, Section 6.1)
func (t *Tracker) detectLoss(now monotime.Time, s *space, res *Result) congestion.Congestion {
	sum := congestion.Congestion{
		Kind: congestion.Loss, Now: now, InFlight: t.inFlight, Delivered: t.delivery.delivered, Lost: t.lost[:0],
	}
	s.lossTime = 0
	delay := t.rtt.lossDelay()
	limit := s.skipped.threshold(s.largestAcked)
	for pn := s.packets.head; pn <= int64(s.largestAcked) && pn < s.packets.tail; pn++ {
		p := s.packets.at(pn)
		if p.fate != fateOpen {
			continue
		}
		due := p.sentAt.Add(delay)
		overdue := !due.After(now)
		switch {
		case protocol.PacketNumber(pn) <= limit:
			t.lose(s, pn, PacketThreshold, &sum, res)
		case overdue:
			t.lose(s, pn, TimeThreshold, &sum, res)
		case !p.plain():
			s.lossTime = monotime.Earliest(s.lossTime, due)
		}
	}
	t.lost = sum.Lost
	return sum
}

// lose declares packet pn lost.
func (t *Tracker) lose(s *space, pn int64, reason LossReason, sum *congestion.Congestion, res *Result) {
	p := s.packets.at(pn)
	if p.plain() {
		t.close(s, p, fateNone) // nobody is interested
		return
	}
	t.close(s, p, fateLost)
	first := len(res.Lost)
	res.Lost = s.appendRecords(res.Lost, p)
	if p.ect0 && p.inFlight {
		t.ecn.onLost()
	}
	if p.mtuProbe {
		// "Loss of a QUIC packet that is carried in a PMTU probe is therefore not a reliable
		// indication of congestion and SHOULD NOT trigger a congestion control reaction".
		// RFC 9000, Section 14.4.
		res.MTUProbeLost = p.size
		return
	}
	adjacent := len(res.LostDetails) > 0 && int64(res.LostDetails[len(res.LostDetails)-1].PN) == pn-1
	res.LostPackets++
	res.LostBytes += p.size
	res.LostDetails = append(res.LostDetails, LostPacket{
		Level: p.level, PN: protocol.PacketNumber(pn), Size: p.size, SentAt: p.sentAt, Reason: reason,
	})
	t.stats.PacketsLost++
	t.stats.BytesLost += uint64(p.size)
	s.lost.add(lostPacket{pn: protocol.PacketNumber(pn), sentAt: p.sentAt, lostAt: sum.Now, size: p.size, inFlight: p.inFlight}, res.Lost[first:])
	if p.inFlight {
		t.delivery.onLost(p, sum)
		if !adjacent {
			sum.LostRanges++
		}
	}
}

// signalLoss tells the controller what detectLoss found.
func (t *Tracker) signalLoss(sum congestion.Congestion, res *Result) {
	if sum.LostPackets == 0 {
		return
	}
	if res.PersistentCongestion {
		sum.Kind = congestion.Persistent
		t.rtt.onPersistentCongestion()
	}
	t.signal(sum)
}

func (t *Tracker) signal(sum congestion.Congestion) {
	before := t.controller.Window()
	t.controller.OnCongestion(sum)
	// "If the congestion window is reduced immediately, a single packet can be sent prior to
	// reduction. This speeds up loss recovery if the data in the lost packet is retransmitted".
	// RFC 9002, Section 7.3.2.
	if t.controller.Window() < before && sum.Kind == congestion.Loss {
		t.recoveryEntry = true
	}
}
