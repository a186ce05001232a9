package congestion

import (
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
)

// initialPacingRate is InitPacingRate (draft-ietf-ccwg-bbr-06, Section 5.6.2).
func (b *bbr) initialPacingRate(rtt time.Duration) uint64 {
	return uint64(bbrGains[bbrStartup].pacing * float64(rateOf(b.initialWindow, rtt)))
}

// setPacingRate does not lower the rate before the path has been full: "this prevents the pacing rate
// from being reduced when the connection has only seen application-limited bandwidth samples."
func (b *bbr) setPacingRate(s *bbrSample) {
	if b.pacingRate == 0 && s.rtt > 0 {
		b.pacingRate = b.initialPacingRate(s.rtt)
	}
	if b.pacingRate > 0 {
		b.setPacingRateWithGain(bbrGains[b.state].pacing)
	}
}

func (b *bbr) setPacingRateWithGain(gain float64) {
	rate := uint64(gain * float64(b.model.bw) * bbrPacingMargin)
	if b.fullBW.reached || rate > b.pacingRate {
		b.pacingRate = max(rate, 1)
	}
}

// sendQuantum is C.send_quantum (draft-ietf-ccwg-bbr-06, Section 5.6.3).
func (b *bbr) sendQuantum() protocol.ByteCount {
	return max(min(bytesDuring(b.pacingRate, time.Millisecond), bbrMaxSendQuantum), 2*b.mtu)
}

func (b *bbr) minPipeCwnd() protocol.ByteCount { return bbrMinPipePackets * b.mtu }

// bdpMultiple is BDPMultiple (draft-ietf-ccwg-bbr-06, Section 5.6.4.2).
func (b *bbr) bdpMultiple(bw uint64, gain float64) protocol.ByteCount {
	if b.rtt.min == 0 {
		return b.initialWindow
	}
	return protocol.ByteCount(min(gain*float64(bw)*b.rtt.min.Seconds(), float64(maxWindow)))
}

// quantizationBudget is QuantizationBudget. The offload budget of QUIC is the send quantum
// (draft-ietf-ccwg-bbr-06, Section 5.5.8.2).
func (b *bbr) quantizationBudget(inflight protocol.ByteCount) protocol.ByteCount {
	inflight = max(inflight, b.sendQuantum(), b.minPipeCwnd())
	if b.state == bbrProbeUp {
		inflight += 2 * b.mtu
	}
	return inflight
}

// inflightFor returns what has to be in flight for a bandwidth: Inflight(bw, 1.0).
func (b *bbr) inflightFor(bw uint64) protocol.ByteCount {
	return b.quantizationBudget(b.bdpMultiple(bw, 1))
}

// targetInflight is the BDP, "unless congestion cut C.cwnd" (draft-ietf-ccwg-bbr-06, Section 5.3.3.8.3).
func (b *bbr) targetInflight() protocol.ByteCount {
	return min(b.bdpMultiple(b.model.bw, 1), b.cwnd)
}

// inflightWithHeadroom leaves room for other flows (draft-ietf-ccwg-bbr-06, Section 5.3.3.9).
func (b *bbr) inflightWithHeadroom() protocol.ByteCount {
	longterm := b.model.inflightLongterm
	if longterm == bbrInfiniteInflight {
		return longterm
	}
	headroom := max(b.mtu, scale(longterm, bbrHeadroom))
	return max(longterm-headroom, b.minPipeCwnd())
}

func (b *bbr) probeRTTCwnd() protocol.ByteCount {
	return max(b.bdpMultiple(b.model.bw, bbrGains[bbrProbeRTT].cwnd), b.minPipeCwnd())
}

// setCwnd is SetCwnd (draft-ietf-ccwg-bbr-06, Section 5.6.4.6).
func (b *bbr) setCwnd(s *bbrSample) {
	maxInflight := b.quantizationBudget(b.bdpMultiple(b.model.bw, bbrGains[b.state].cwnd) + b.aggregation.extra)
	switch {
	case b.fullBW.reached:
		b.cwnd = min(b.cwnd+s.newlyAcked, maxInflight)
	case b.cwnd < maxInflight || b.delivered < b.initialWindow:
		b.cwnd += s.newlyAcked
	}
	b.cwnd = max(b.cwnd, b.minPipeCwnd())
	if b.state == bbrProbeRTT {
		b.cwnd = min(b.cwnd, b.probeRTTCwnd())
	}
	b.boundCwndForModel()
	b.cwnd = min(b.cwnd, maxWindow)
}

// boundCwndForModel is draft-ietf-ccwg-bbr-06, Section 5.6.4.7.
func (b *bbr) boundCwndForModel() {
	limit := bbrInfiniteInflight
	switch b.state {
	case bbrProbeDown, bbrProbeRefill, bbrProbeUp:
		limit = b.model.inflightLongterm
	case bbrProbeCruise, bbrProbeRTT:
		limit = b.inflightWithHeadroom()
	case bbrStartup, bbrDrain:
	}
	limit = max(min(limit, b.model.inflightShortterm), b.minPipeCwnd())
	b.cwnd = min(b.cwnd, limit)
}
