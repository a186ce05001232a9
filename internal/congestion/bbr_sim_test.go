package congestion

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
)

// A bbrSim runs BBR over a bottleneck packet by packet and measures delivery rates as
// draft-ietf-ccwg-bbr-06, Section 4.1 says.
type bbrSim struct {
	t    *testing.T
	b    *bbr
	p    *Pacer
	rnd  *rand.Rand
	link link

	// options
	appRate  uint64        // bytes per second that the application has to send; 0: no limit
	ackEvery time.Duration // acknowledgements come at multiples of it; 0: at once
	markAt   time.Duration // queueing delay from which on packets are marked ECN-CE instead of being lost; 0: none

	now, busy, appSince          monotime.Time
	inFlight, delivered, lost    protocol.ByteCount
	appSent, appLimited          protocol.ByteCount
	deliveredAt, firstSentAt     monotime.Time
	pending                      []bbrSimPacket
	states                       []bbrState // in the order of being entered
	ecn, marks                   uint64
	sentPackets, droppedOrMarked int
}

type bbrSimPacket struct {
	sentAt, knownAt                   monotime.Time
	lost, marked                      bool
	delivered, lostBefore, appLimited protocol.ByteCount
	deliveredAt, firstSentAt          monotime.Time
	inFlight                          protocol.ByteCount
}

func mbit(n int) uint64 { return uint64(n) * 125_000 }

func newBBRSim(t *testing.T, l link) *bbrSim {
	rnd := newTestRand(7)
	b := NewBBR(testMTU, func() int { return rnd.IntN(1 << 30) }).(*bbr)
	return &bbrSim{t: t, b: b, p: NewPacer(), rnd: rnd, link: l, now: testStart, states: []bbrState{b.state}}
}

func (s *bbrSim) bdp() protocol.ByteCount {
	return protocol.ByteCount(float64(s.link.rate) * s.link.rtt.Seconds())
}

func (s *bbrSim) run(d time.Duration) {
	end := s.now.Add(d)
	s.runUntil(d, func() bool { return !s.now.Before(end) })
}

// runUntil runs until done, for at most d.
func (s *bbrSim) runUntil(d time.Duration, done func() bool) {
	s.t.Helper()
	for end := s.now.Add(d); !done(); {
		if s.now.After(end) {
			s.t.Fatalf("not done after %v in states %v", d, s.states)
		}
		s.step()
	}
}

func (s *bbrSim) runUntilState(d time.Duration, want bbrState) {
	s.t.Helper()
	s.runUntil(d, func() bool { return s.b.state == want })
}

// step sends what may be sent, and lets time pass until something happens.
func (s *bbrSim) step() {
	for s.open() && s.p.Budget(s.now, s.rate(), testMTU) >= testMTU {
		if s.appData() < testMTU {
			s.appLimited = max(s.delivered+s.inFlight, 1)
			break
		}
		s.send()
	}
	var next monotime.Time
	if len(s.pending) > 0 {
		next = s.pending[0].knownAt
	}
	switch {
	case s.appData() < testMTU:
		missing := uint64(testMTU-s.appData())*uint64(time.Second)/s.appRate + 1
		next = monotime.Earliest(next, s.now.Add(time.Duration(missing)))
	case s.open():
		next = monotime.Earliest(next, s.p.NextSend(s.now, s.rate(), testMTU))
	}
	s.now = max(s.now, next)
	s.settle()
	if s.b.state != s.states[len(s.states)-1] {
		s.states = append(s.states, s.b.state)
	}
	if w := s.b.Window(); w < minWindowPackets*testMTU || w > maxWindow {
		s.t.Fatalf("Window() = %d", w)
	}
}

func (s *bbrSim) rate() uint64 { return s.b.PacingRate(s.link.rtt) }
func (s *bbrSim) open() bool   { return s.inFlight+testMTU <= s.b.Window() }

// appData returns how much the application has to send.
func (s *bbrSim) appData() protocol.ByteCount {
	if s.appRate == 0 {
		return protocol.MaxByteCount
	}
	if s.appSince.IsZero() {
		s.appSince = s.now
	}
	return protocol.ByteCount(s.now.Sub(s.appSince).Seconds()*float64(s.appRate)) - s.appSent
}

// pause lets the application have nothing to send for d.
func (s *bbrSim) pause(d time.Duration) {
	s.appRate = 1
	s.appSince, s.appSent = s.now, 0
	s.run(d)
	s.appRate = 0
}

func (s *bbrSim) limitApp(rate uint64) { s.appRate, s.appSince, s.appSent = rate, s.now, 0 }

func (s *bbrSim) send() {
	s.b.OnSent(Sent{Now: s.now, InFlight: s.inFlight, Size: testMTU, AppLimited: s.appLimited != 0})
	s.p.Take(s.now, testMTU, s.rate(), testMTU)
	if s.inFlight == 0 {
		s.deliveredAt, s.firstSentAt = s.now, s.now
	}
	s.inFlight += testMTU
	s.appSent += testMTU
	p := bbrSimPacket{
		sentAt: s.now, delivered: s.delivered, lostBefore: s.lost, appLimited: s.appLimited,
		deliveredAt: s.deliveredAt, firstSentAt: s.firstSentAt, inFlight: s.inFlight,
	}
	s.busy = max(s.busy, s.now)
	held := s.busy.Sub(s.now)
	p.lost = protocol.ByteCount(held.Seconds()*float64(s.link.rate)) > s.link.queue || s.rnd.Float64() < s.link.lossRate
	p.marked = s.markAt > 0 && held >= s.markAt
	s.sentPackets++
	if p.lost || p.marked {
		s.droppedOrMarked++
	}
	if !p.lost {
		s.busy = s.busy.Add(time.Duration(uint64(testMTU) * uint64(time.Second) / s.link.rate))
	}
	p.knownAt = s.busy.Add(s.link.rtt)
	if every := int64(s.ackEvery); every > 0 {
		p.knownAt = monotime.Time((int64(p.knownAt) + every - 1) / every * every)
	}
	if n := len(s.pending); n > 0 {
		p.knownAt = max(p.knownAt, s.pending[n-1].knownAt)
	}
	s.pending = append(s.pending, p)
}

// settle reports the fate of the packets that is known by now.
func (s *bbrSim) settle() {
	n := 0
	a := AckedBatch{Now: s.now, InFlightBefore: s.inFlight, MinRTT: s.link.rtt, SmoothedRTT: s.link.rtt}
	c := Congestion{Kind: Loss, Now: s.now, InFlight: s.inFlight}
	var newest *bbrSimPacket
	for ; n < len(s.pending) && !s.pending[n].knownAt.After(s.now); n++ {
		p := &s.pending[n]
		s.inFlight -= testMTU
		if !p.lost {
			s.delivered += testMTU
			a.Bytes += testMTU
			newest = p
			if p.marked {
				s.ecn++
			}
			continue
		}
		s.lost += testMTU
		c.LostPackets++
		c.LostBytes += testMTU
		c.SentAt = p.sentAt
		if n == 0 || !s.pending[n-1].lost {
			c.LostRanges++
		}
		c.Lost = append(c.Lost, LostPacket{
			Size: testMTU, SentInFlight: p.inFlight, LostSinceSent: s.lost - p.lostBefore, AppLimited: p.appLimited != 0,
		})
	}
	c.Delivered = s.delivered
	if c.LostPackets > 0 {
		s.b.OnCongestion(c)
	}
	if newest != nil {
		s.acknowledge(newest, a)
	}
	s.pending = s.pending[n:]
}

func (s *bbrSim) acknowledge(p *bbrSimPacket, a AckedBatch) {
	if s.ecn > s.marks {
		s.b.OnCongestion(Congestion{Kind: ECN, Now: s.now, SentAt: p.sentAt, InFlight: s.inFlight, Delivered: s.delivered})
		a.CE, s.marks = s.ecn-s.marks, s.ecn
	}
	if s.delivered > s.appLimited {
		s.appLimited = 0
	}
	s.deliveredAt, s.firstSentAt = s.now, p.sentAt
	a.LargestSentAt, a.RTT, a.InFlight = p.sentAt, s.now.Sub(p.sentAt), s.inFlight
	a.RateAppLimited, a.PriorDelivered, a.Delivered = p.appLimited != 0, p.delivered, s.delivered
	a.DeliveryInterval = max(p.sentAt.Sub(p.firstSentAt), s.now.Sub(p.deliveredAt))
	a.SentInFlight, a.LostSinceSent = p.inFlight, s.lost-p.lostBefore
	s.b.OnAcked(a)
}

// share returns the part of the link that is used in d.
func (s *bbrSim) share(d time.Duration) float64 {
	before, start := s.delivered, s.now
	s.run(d)
	return float64(s.delivered-before) / s.now.Sub(start).Seconds() / float64(s.link.rate)
}

// bwShare returns max_bw as part of the rate of the link.
func (s *bbrSim) bwShare() float64 { return float64(s.b.model.max()) / float64(s.link.rate) }

func (s *bbrSim) wantState(want bbrState) {
	s.t.Helper()
	if s.b.state != want {
		s.t.Errorf("state = %d after %v, want %d", s.b.state, s.states, want)
	}
}
