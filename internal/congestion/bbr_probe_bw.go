package congestion

import (
	"time"

	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
)

const (
	// Draft-ietf-ccwg-bbr-06, Section 5.3.3.8: the time between two probes is 2 to 3 seconds, or
	// 62 to 63 round trips if that is less.
	probeWait       = 2 * time.Second
	probeWaitRandom = time.Second
	maxProbeRounds  = 63
	maxProbeGrowth  = 30 // bounds the shift of the growth
)

// A bbrAckPhase says what acknowledgements tell about a probe (draft-ietf-ccwg-bbr-06, Section 2.14).
type bbrAckPhase uint8

const (
	acksInit bbrAckPhase = iota
	acksRefilling
	acksProbeStarting
	acksProbeFeedback
	acksProbeStopping
)

// A bbrProbe is the state of ProbeBW (draft-ietf-ccwg-bbr-06, Section 2.14).
type bbrProbe struct {
	ackPhase      bbrAckPhase
	sampling      bool               // is_bw_probe_sample
	upAcked       protocol.ByteCount // bw_probe_up_acked
	ackedPerInc   protocol.ByteCount // probe_up_acked_per_inc
	upRounds      int                // bw_probe_up_rounds
	roundsSinceUp uint64             // rounds_since_probe_up
	wait          time.Duration      // bw_probe_wait
	cycleStamp    monotime.Time
	tooHigh       bool // prev_probe_too_high
	precautionary bool // prev_probe_precautionary
}

func (b *bbr) startProbeDown(now monotime.Time) {
	b.resetCongestionSignals()
	p := &b.probe
	p.ackedPerInc = bbrInfiniteInflight // "not growing BBR.inflight_longterm"
	p.roundsSinceUp = uint64(b.random() & 1)
	p.wait = probeWait + time.Duration(b.random())%probeWaitRandom
	p.cycleStamp = now
	p.ackPhase = acksProbeStopping
	b.startRound()
	b.state = bbrProbeDown
}

func (b *bbr) startProbeRefill() {
	b.resetShortTermModel()
	b.probe.upRounds, b.probe.upAcked = 0, 0
	b.probe.precautionary = false
	b.probe.ackPhase = acksRefilling
	b.startRound()
	b.state = bbrProbeRefill
}

func (b *bbr) startProbeUp(s *bbrSample) {
	b.probe.ackPhase = acksProbeStarting
	b.startRound()
	b.fullBW.restart(s.rate)
	b.state = bbrProbeUp
	b.raiseInflightLongtermSlope()
}

// updateProbeBWCyclePhase is the core of ProbeBW (draft-ietf-ccwg-bbr-06, Section 5.3.3.9).
func (b *bbr) updateProbeBWCyclePhase(s *bbrSample) {
	if !b.fullBW.reached || b.adaptLongTermModel(s) {
		return
	}
	switch b.state {
	case bbrProbeDown:
		if !b.isTimeToProbeBW(s.now) && b.isTimeToCruise() {
			b.state = bbrProbeCruise
		}
	case bbrProbeCruise:
		b.isTimeToProbeBW(s.now)
	case bbrProbeRefill:
		if b.round.start {
			b.probe.sampling = true
			b.startProbeUp(s)
		}
	case bbrProbeUp:
		if b.isTimeToGoDown(s) {
			b.probe.tooHigh = false
			b.startProbeDown(s.now)
		}
	case bbrStartup, bbrDrain, bbrProbeRTT:
	}
}

// adaptLongTermModel advances the filter of the bandwidth and raises inflight_longterm. It reports
// whether it has changed the state.
func (b *bbr) adaptLongTermModel(s *bbrSample) bool {
	p := &b.probe
	if p.ackPhase == acksProbeStarting && b.round.start {
		p.ackPhase = acksProbeFeedback
	}
	if p.ackPhase == acksProbeStopping && b.round.start {
		p.sampling = false
		p.ackPhase = acksInit
		if b.inProbeBW() && !s.appLimited {
			b.advanceMaxBWFilter()
		}
		if b.inProbeBW() && p.precautionary && !p.tooHigh {
			b.startProbeRefill()
			return true
		}
	}
	if isInflightTooHigh(s) || b.model.inflightLongterm == bbrInfiniteInflight {
		return false
	}
	b.model.inflightLongterm = max(b.model.inflightLongterm, s.txInFlight)
	if b.state == bbrProbeUp {
		b.probeInflightLongtermUpward(s)
	}
	return false
}

// probeInflightLongtermUpward grows inflight_longterm by 1, 2, 4, 8... packets per round trip
// (draft-ietf-ccwg-bbr-06, Section 5.3.3.5).
func (b *bbr) probeInflightLongtermUpward(s *bbrSample) {
	if !b.isCwndLimited() || b.cwnd < b.model.inflightLongterm {
		return
	}
	p := &b.probe
	p.upAcked += s.newlyAcked
	if p.upAcked >= p.ackedPerInc {
		packets := p.upAcked / p.ackedPerInc
		p.upAcked -= packets * p.ackedPerInc
		b.model.inflightLongterm = min(b.model.inflightLongterm+packets*b.mtu, maxWindow)
	}
	if b.round.start {
		b.raiseInflightLongtermSlope()
	}
}

func (b *bbr) raiseInflightLongtermSlope() {
	p := &b.probe
	p.ackedPerInc = max(b.cwnd>>p.upRounds, b.mtu)
	p.upRounds = min(p.upRounds+1, maxProbeGrowth)
}

// isTimeToProbeBW starts a probe for bandwidth if enough time has passed (draft-ietf-ccwg-bbr-06, Section 5.3.3.8.3).
func (b *bbr) isTimeToProbeBW(now monotime.Time) bool {
	elapsed := now.After(b.probe.cycleStamp.Add(b.probe.wait))
	renoRounds := uint64(b.targetInflight() / b.mtu)
	if !elapsed && b.probe.roundsSinceUp < min(renoRounds, maxProbeRounds) {
		return false
	}
	b.startProbeRefill()
	return true
}

func (b *bbr) isTimeToCruise() bool {
	return b.inFlight <= b.inflightWithHeadroom() && b.inFlight <= b.inflightFor(b.model.max())
}

func (b *bbr) isTimeToGoDown(s *bbrSample) bool {
	longterm := b.model.inflightLongterm
	if b.probe.tooHigh && b.inFlight >= longterm {
		b.probe.precautionary = true
		return true
	}
	if b.isCwndLimited() && b.cwnd >= longterm {
		b.fullBW.restart(s.rate) // inflight_longterm is what limits the bandwidth
		return false
	}
	return b.fullBW.now
}
