package congestion

import (
	"time"

	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
)

// A bbrRound counts packet-timed round trips (draft-ietf-ccwg-bbr-06, Section 5.5.1).
type bbrRound struct {
	nextDelivered protocol.ByteCount
	count         uint64
	start         bool
}

// A bbrModel is the network path model (draft-ietf-ccwg-bbr-06, Section 2.9).
type bbrModel struct {
	maxBW             [2]uint64 // of the previous and of the current ProbeBW cycle
	bw                uint64
	bwShortterm       uint64
	inflightLongterm  protocol.ByteCount
	inflightShortterm protocol.ByteCount
}

func (m *bbrModel) max() uint64 { return max(m.maxBW[0], m.maxBW[1]) }

// bbrSignals are the latest measurements and whether they are those of a congested path
// (draft-ietf-ccwg-bbr-06, Section 2.10).
type bbrSignals struct {
	bwLatest           uint64
	inflightLatest     protocol.ByteCount
	lossInRound        bool // is_loss_in_round
	lossRoundStart     bool
	lossRoundDelivered protocol.ByteCount
	lostRanges         int // in this round
}

// A bbrAggregation estimates how much data is acknowledged at once (draft-ietf-ccwg-bbr-06, Section 5.5.9).
type bbrAggregation struct {
	start     monotime.Time // extra_acked_interval_start
	delivered protocol.ByteCount
	filter    roundFilter
	extra     protocol.ByteCount // extra_acked
}

// extraAckedFilterLen is BBR.ExtraAckedFilterLen, in round trips.
const extraAckedFilterLen = 10

// A roundFilter holds the maximum of each of the latest round trips.
type roundFilter struct {
	max   [extraAckedFilterLen]protocol.ByteCount
	round uint64 // the latest
}

// update takes in a value of a round and returns the maximum of the latest n rounds.
func (f *roundFilter) update(round uint64, value protocol.ByteCount, n int) (result protocol.ByteCount) {
	f.round = max(f.round, round-min(round, extraAckedFilterLen))
	for f.round < round {
		f.round++
		f.max[f.round%extraAckedFilterLen] = 0
	}
	slot := &f.max[round%extraAckedFilterLen]
	*slot = max(*slot, value)
	for i := range min(uint64(n), round+1) {
		result = max(result, f.max[(round-i)%extraAckedFilterLen])
	}
	return result
}

func (b *bbr) startRound() { b.round.nextDelivered = b.delivered }

func (b *bbr) updateRound(s *bbrSample) {
	b.round.start = s.priorDelivered >= b.round.nextDelivered
	if !b.round.start {
		return
	}
	b.startRound()
	b.round.count++
	b.probe.roundsSinceUp++
	b.cwndLimited[0], b.cwndLimited[1] = b.cwndLimited[1], false
}

// isCwndLimited is C.is_cwnd_limited.
func (b *bbr) isCwndLimited() bool { return b.cwndLimited[0] || b.cwndLimited[1] }

// updateMaxBW discards samples that the application limited, unless they are higher than what was
// seen so far (draft-ietf-ccwg-bbr-06, Section 5.5.5).
func (b *bbr) updateMaxBW(s *bbrSample) {
	b.updateRound(s)
	if s.rate >= b.model.max() || !s.appLimited {
		b.model.maxBW[1] = max(b.model.maxBW[1], s.rate)
	}
}

// advanceMaxBWFilter begins another cycle of ProbeBW. A cycle without samples changes nothing.
func (b *bbr) advanceMaxBWFilter() {
	if b.model.maxBW[1] > 0 {
		b.model.maxBW = [2]uint64{b.model.maxBW[1], 0}
	}
}

func (b *bbr) updateLatestDeliverySignals(s *bbrSample) {
	g := &b.signals
	g.bwLatest = max(g.bwLatest, s.rate)
	g.inflightLatest = max(g.inflightLatest, s.delivered)
	g.lossRoundStart = s.priorDelivered >= g.lossRoundDelivered
	if g.lossRoundStart {
		g.lossRoundDelivered = b.delivered
	}
}

func (b *bbr) advanceLatestDeliverySignals(s *bbrSample) {
	if g := &b.signals; g.lossRoundStart {
		g.bwLatest, g.inflightLatest = s.rate, s.delivered
	}
}

func (b *bbr) resetCongestionSignals() {
	b.signals.lossInRound = false
	b.signals.bwLatest, b.signals.inflightLatest = 0, 0
}

// updateCongestionSignals adapts the short-term model at the end of each round trip with losses
// (draft-ietf-ccwg-bbr-06, Section 5.5.10.3).
func (b *bbr) updateCongestionSignals(s *bbrSample) {
	b.updateMaxBW(s)
	g := &b.signals
	if !g.lossRoundStart {
		return
	}
	if g.lossInRound && !b.isProbingBW() {
		b.lowerShortTermModel()
	}
	g.lossInRound = false
}

// lowerShortTermModel is InitLowerBounds and LossLowerBounds.
func (b *bbr) lowerShortTermModel() {
	m := &b.model
	if m.bwShortterm == bbrInfiniteBW {
		m.bwShortterm = m.max()
	}
	if m.inflightShortterm == bbrInfiniteInflight {
		m.inflightShortterm = b.cwnd
	}
	m.bwShortterm = max(b.signals.bwLatest, uint64(bbrBeta*float64(m.bwShortterm)))
	m.inflightShortterm = max(b.signals.inflightLatest, scale(m.inflightShortterm, bbrBeta))
}

func (b *bbr) resetShortTermModel() {
	b.model.bwShortterm, b.model.inflightShortterm = bbrInfiniteBW, bbrInfiniteInflight
}

func (b *bbr) boundBWForModel() { b.model.bw = min(b.model.max(), b.model.bwShortterm) }

func (b *bbr) updateACKAggregation(s *bbrSample) {
	a := &b.aggregation
	expected := bytesDuring(b.model.bw, s.now.Sub(a.start))
	if a.delivered <= expected {
		a.delivered, a.start, expected = 0, s.now, 0
	}
	a.delivered = min(a.delivered+s.newlyAcked, 2*maxWindow)
	rounds := 1 // "in Startup, just remember 1 round"
	if b.fullBW.reached {
		rounds = extraAckedFilterLen
	}
	a.extra = a.filter.update(b.round.count, min(a.delivered-expected, b.cwnd), rounds)
}

// bytesDuring returns bw*d, at most 2*maxWindow.
func bytesDuring(bw uint64, d time.Duration) protocol.ByteCount {
	return protocol.ByteCount(min(float64(bw)*max(d, 0).Seconds(), float64(2*maxWindow)))
}

// scale returns n*gain.
func scale(n protocol.ByteCount, gain float64) protocol.ByteCount {
	return protocol.ByteCount(float64(n) * gain)
}
