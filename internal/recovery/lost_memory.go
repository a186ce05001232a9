package recovery

import (
	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/wire"
)

const (
	// maxRememberedLost bounds the lost packets of a space that may still turn out to have
	// arrived; the oldest is forgotten.
	maxRememberedLost = 256
	// maxLateRecords bounds the records of each of them; the rest is sent again in vain.
	maxLateRecords = 8
	// rememberedPTOs is for how many PTOs a lost packet is remembered.
	rememberedPTOs = 3
)

// A lostMemory remembers lost packets for a while, in the order of their numbers, to notice that
// a loss was declared wrongly (RFC 9002, Section 6.1).
type lostMemory struct{ ring ring[lostPacket] }

type lostPacket struct {
	pn       protocol.PacketNumber
	sentAt   monotime.Time
	lostAt   monotime.Time
	size     protocol.ByteCount
	inFlight bool
	arrived  bool
	records  []Record
}

// add remembers p with a copy of its records. Losses come in ascending order: what was sent
// before a lost packet is acknowledged or lost too.
func (m *lostMemory) add(p lostPacket, records []Record) {
	if m.ring.len() == maxRememberedLost {
		m.ring.head++
	}
	slot := m.ring.push()
	p.records = append(slot.records[:0], records[:min(len(records), maxLateRecords)]...)
	*slot = p
}

// expire forgets packets that were declared lost before t.
func (m *lostMemory) expire(t monotime.Time) {
	for m.ring.len() > 0 {
		p := m.ring.at(m.ring.head)
		if !p.lostAt.Before(t) {
			return
		}
		m.ring.dropTo(m.ring.head + 1)
	}
}

// takeSpurious reports the packets that were declared lost and that ack acknowledges.
func (t *Tracker) takeSpurious(now monotime.Time, s *space, ack *wire.Ack, res *Result) {
	if s.lost.ring.len() == 0 {
		return
	}
	s.lost.expire(now.Add(-rememberedPTOs * t.rtt.PTO(true)))
	m := &s.lost.ring
	r := len(ack.Ranges) - 1
	for i := m.head; i < m.tail; i++ {
		p := m.at(i)
		for r >= 0 && ack.Ranges[r].Largest < p.pn {
			r--
		}
		if r < 0 {
			return
		}
		if p.arrived || p.pn < ack.Ranges[r].Smallest {
			continue
		}
		p.arrived = true
		res.Spurious++
		res.SpuriousDetails = append(res.SpuriousDetails, SpuriousLoss{
			PN: p.pn, Packets: s.largestAcked - p.pn, Delay: now.Sub(p.lostAt),
		})
		res.Acked = append(res.Acked, p.records...)
		if p.inFlight {
			t.delivery.delivered += p.size
			t.controller.OnSpurious(now, p.sentAt)
		}
	}
}
