package congestion

import "github.com/quic-go/quic-go/internal/monotime"

const (
	fullBWGrowth = 1.25 // what counts as growth, draft-ietf-ccwg-bbr-06, Section 5.3.1.2
	fullBWRounds = 3    // without growth
	// startupFullLossRanges is BBRStartupFullLossCnt (draft-ietf-ccwg-bbr-06, Section 5.3.1.3).
	startupFullLossRanges = 6
	maxDrainRounds        = 3 // draft-ietf-ccwg-bbr-06, Section 5.3.2
)

// A bbrFullBW looks for a plateau of the delivery rate (draft-ietf-ccwg-bbr-06, Section 5.3.1.2).
type bbrFullBW struct {
	reached bool   // ever
	now     bool   // since it last began to look
	bw      uint64 // the baseline
	count   int    // round trips without growth
}

// restart begins to look, from a baseline.
func (f *bbrFullBW) restart(bw uint64) { *f = bbrFullBW{reached: f.reached, bw: bw} }

func (b *bbr) checkFullBWReached(s *bbrSample) {
	f := &b.fullBW
	if f.now || !b.round.start || s.appLimited || s.rate == 0 {
		return
	}
	if float64(s.rate) >= fullBWGrowth*float64(f.bw) {
		f.restart(s.rate)
		return
	}
	f.count++
	f.now = f.count >= fullBWRounds
	f.reached = f.reached || f.now
}

func (b *bbr) enterStartup() { b.state = bbrStartup }

func (b *bbr) checkStartupDone(s *bbrSample) {
	b.checkStartupHighLoss(s)
	if b.state == bbrStartup && b.fullBW.reached {
		b.state = bbrDrain
		b.drainStartRound = b.round.count
	}
}

// checkStartupHighLoss ends Startup after a round trip with much loss, in many places. A round trip
// of losses begins with the first of them, so that recovery has lasted for as long.
func (b *bbr) checkStartupHighLoss(s *bbrSample) {
	if !b.signals.lossRoundStart {
		return
	}
	ranges := b.signals.lostRanges
	b.signals.lostRanges = 0
	if b.state == bbrStartup && ranges >= startupFullLossRanges && isInflightTooHigh(s) {
		b.endStartup()
	}
}

// endStartup notes that the path carries too much.
func (b *bbr) endStartup() {
	b.recovery.undo.state, b.recovery.undo.stateChanged = bbrStartup, true
	b.fullBW.now, b.fullBW.reached = true, true
	b.model.inflightLongterm = max(b.bdpMultiple(b.model.bw, 1), b.signals.inflightLatest)
}

func (b *bbr) checkDrainDone(now monotime.Time) {
	if b.state != bbrDrain {
		return
	}
	if b.inFlight <= b.inflightFor(b.model.bw) || b.round.count > b.drainStartRound+maxDrainRounds {
		b.startProbeDown(now)
	}
}
