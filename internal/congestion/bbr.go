package congestion

import (
	"math"
	"math/bits"
	"time"

	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
)

// A bbrState is a state of the state machine (draft-ietf-ccwg-bbr-06, Section 5.1.1).
type bbrState uint8

const (
	bbrStartup bbrState = iota
	bbrDrain
	bbrProbeDown // the four states of ProbeBW
	bbrProbeCruise
	bbrProbeRefill
	bbrProbeUp
	bbrProbeRTT
)

// bbrGains are BBR.pacing_gain and BBR.cwnd_gain of each state (draft-ietf-ccwg-bbr-06, Section 5.6.1).
var bbrGains = [...]struct{ pacing, cwnd float64 }{
	bbrStartup:     {2.77, 2},
	bbrDrain:       {0.5, 2},
	bbrProbeDown:   {0.9, 2},
	bbrProbeCruise: {1, 2},
	bbrProbeRefill: {1, 2},
	bbrProbeUp:     {1.25, 2.25},
	bbrProbeRTT:    {1, 0.5},
}

const (
	bbrBeta              = 0.7 // draft-ietf-ccwg-bbr-06, Section 2.8
	bbrHeadroom          = 0.15
	bbrMinPipePackets    = 4
	bbrPacingMargin      = 0.99 // 1 - BBR.PacingMarginPercent
	bbrInfiniteBW        = uint64(math.MaxUint64)
	bbrInfiniteInflight  = protocol.MaxByteCount
	bbrMaxBW             = uint64(1) << 40 // keeps products away from overflow
	bbrMaxSendQuantum    = 64 << 10
	bbrInitialPacingTime = time.Millisecond // in which the initial window may leave before the RTT is known
)

// bbr is the controller of draft-ietf-ccwg-bbr-06, BBRv3. Its methods and fields have the names of
// the draft.
//
// A congestion mark counts like loss that is above BBR.LossThresh, because the draft leaves
// the response open: "if the connection claims ECN support by marking packets using either the ECT(0)
// or ECT(1) code point, the congestion controller response MUST treat any CE marks as congestion."
// (draft-ietf-ccwg-bbr-06, Section 3.7)
type bbr struct {
	random func() int // immutable

	// C
	mtu           protocol.ByteCount
	initialWindow protocol.ByteCount
	cwnd          protocol.ByteCount
	priorCwnd     protocol.ByteCount
	inFlight      protocol.ByteCount
	delivered     protocol.ByteCount
	pacingRate    uint64  // 0 before the first RTT sample
	cwndLimited   [2]bool // whether the window was used up, in the previous and in this round trip

	state       bbrState
	idleRestart bool
	marked      bool // ECN-CE marks came and were not responded to
	round       bbrRound
	fullBW      bbrFullBW
	model       bbrModel
	signals     bbrSignals
	probe       bbrProbe
	rtt         bbrRTT
	aggregation bbrAggregation
	recovery    bbrRecovery

	drainStartRound uint64
	metrics         Metrics
}

// A bbrSample is what one ACK frame tells (RS).
type bbrSample struct {
	now            monotime.Time
	rtt            time.Duration // 0 if there is no sample
	rate           uint64        // delivery_rate; 0 if there is no sample
	delivered      protocol.ByteCount
	priorDelivered protocol.ByteCount
	newlyAcked     protocol.ByteCount
	txInFlight     protocol.ByteCount
	lost           protocol.ByteCount
	appLimited     bool
}

// NewBBR returns a BBRv3 controller for packets of up to mtu bytes. random returns random numbers
// that are not negative.
func NewBBR(mtu protocol.ByteCount, random func() int) Controller {
	if mtu <= 0 {
		panic("BUG: congestion window for packets without size")
	}
	b := &bbr{random: random, mtu: mtu, initialWindow: initialWindow(mtu)}
	b.cwnd = b.initialWindow
	b.model.inflightLongterm = bbrInfiniteInflight
	b.probe.ackedPerInc = bbrInfiniteInflight
	b.resetShortTermModel()
	return b
}

func (b *bbr) OnSent(s Sent) {
	b.start(s.Now)
	if s.InFlight == 0 && s.AppLimited {
		b.restartFromIdle(s.Now)
	}
	if s.InFlight+s.Size+b.mtu > b.cwnd {
		b.cwndLimited[1] = true
	}
}

// start is what OnInit does with the time.
func (b *bbr) start(now monotime.Time) {
	if b.rtt.minStamp.IsZero() {
		b.rtt.minStamp, b.rtt.probeMinStamp = now, now
		b.aggregation.start = now
	}
}

// restartFromIdle is HandleRestartFromIdle (draft-ietf-ccwg-bbr-06, Section 5.4.1).
func (b *bbr) restartFromIdle(now monotime.Time) {
	b.idleRestart = true
	b.aggregation.start = now
	switch {
	case b.inProbeBW():
		b.setPacingRateWithGain(1)
	case b.state == bbrProbeRTT:
		b.checkProbeRTTDone(now)
	}
}

// OnAcked is UpdateOnACK (draft-ietf-ccwg-bbr-06, Section 5.2.3).
func (b *bbr) OnAcked(a AckedBatch) {
	b.start(a.Now)
	b.delivered, b.inFlight = a.Delivered, a.InFlight
	s := b.sample(&a)
	if b.recovery.active && a.LargestSentAt.After(b.recovery.start) {
		b.recovery.active = false
		b.restoreCwnd()
	}

	b.updateLatestDeliverySignals(&s)
	b.updateCongestionSignals(&s)
	b.updateACKAggregation(&s)
	b.checkFullBWReached(&s)
	b.respondToMarks(&s)
	b.checkStartupDone(&s)
	b.checkDrainDone(s.now)
	b.updateProbeBWCyclePhase(&s)
	b.updateMinRTT(&s)
	b.checkProbeRTT(&s)
	b.advanceLatestDeliverySignals(&s)
	b.boundBWForModel()

	b.setPacingRate(&s)
	b.setCwnd(&s)
	b.noteState(a.AppLimited)
}

// sample is the part of GenerateRateSample that recovery leaves (draft-ietf-ccwg-bbr-06, Section 4.1.2.3).
func (b *bbr) sample(a *AckedBatch) bbrSample {
	s := bbrSample{
		now: a.Now, rtt: a.RTT, priorDelivered: a.PriorDelivered, delivered: a.Delivered - a.PriorDelivered,
		newlyAcked: min(a.Bytes, maxWindow), txInFlight: a.SentInFlight, lost: a.LostSinceSent,
		appLimited: a.RateAppLimited || b.rtt.limited(a),
	}
	if a.DeliveryInterval > 0 && a.DeliveryInterval >= a.MinRTT {
		s.rate = rateOf(s.delivered, a.DeliveryInterval)
	}
	return s
}

// rateOf returns n bytes per d in bytes per second.
func rateOf(n protocol.ByteCount, d time.Duration) uint64 {
	hi, lo := bits.Mul64(uint64(max(n, 0)), uint64(time.Second))
	if hi >= uint64(d) {
		return bbrMaxBW
	}
	rate, _ := bits.Div64(hi, lo, uint64(d))
	return min(rate, bbrMaxBW)
}

func (b *bbr) inProbeBW() bool { return b.state >= bbrProbeDown && b.state <= bbrProbeUp }

// isProbingBW reports whether the sender accelerates.
func (b *bbr) isProbingBW() bool {
	return b.state == bbrStartup || b.state == bbrProbeRefill || b.state == bbrProbeUp
}

// noteState maps the state to those of other controllers.
func (b *bbr) noteState(appLimited bool) {
	switch {
	case b.recovery.active:
		b.metrics.State = Recovery
	case b.state == bbrStartup:
		b.metrics.State = SlowStart
	case appLimited:
		b.metrics.State = ApplicationLimited
	default:
		b.metrics.State = CongestionAvoidance
	}
}

func (b *bbr) SetMTU(mtu protocol.ByteCount) {
	if mtu <= 0 {
		panic("BUG: congestion window for packets without size")
	}
	b.mtu = mtu
	if b.cwnd == b.initialWindow && b.delivered == 0 {
		b.cwnd = initialWindow(mtu)
	}
	b.initialWindow = initialWindow(mtu)
	b.cwnd = max(b.cwnd, minWindowPackets*mtu)
}

func (b *bbr) Window() protocol.ByteCount { return b.cwnd }

func (b *bbr) PacingRate(time.Duration) uint64 {
	if b.pacingRate == 0 {
		return b.initialPacingRate(bbrInitialPacingTime)
	}
	return b.pacingRate
}

func (b *bbr) Metrics() Metrics {
	m := b.metrics
	m.Window, m.SlowStartThresh = b.cwnd, protocol.MaxByteCount
	return m
}
