package congestion

import (
	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
)

// bbrLossThresh is BBR.LossThresh (draft-ietf-ccwg-bbr-06, Section 2.8).
const bbrLossThresh = 0.02

// A bbrRecovery is a recovery period, which lasts until a packet that was sent in it is acknowledged
// (RFC 9002, Section 7.3.2), and what to restore if it proves to be spurious.
type bbrRecovery struct {
	active   bool
	start    monotime.Time // of the latest one; zero before the first
	previous monotime.Time // start of the one before
	lost     int           // packets of the latest one that are still believed lost
	undoable bool          // lost packets alone caused it
	undo     bbrUndo
}

// A bbrUndo is draft-ietf-ccwg-bbr-06, Section 2.15.
type bbrUndo struct {
	state             bbrState // to return to, if stateChanged
	stateChanged      bool
	bwShortterm       uint64
	inflightShortterm protocol.ByteCount
	inflightLongterm  protocol.ByteCount
}

func (b *bbr) OnCongestion(c Congestion) {
	b.delivered = max(b.delivered, c.Delivered)
	r := &b.recovery
	if r.start.IsZero() || c.SentAt.After(r.start) {
		b.enterRecovery(c.Now)
	}
	if !b.signals.lossInRound {
		b.signals.lossRoundDelivered = b.delivered
	}
	b.signals.lossInRound = true
	if c.Kind == ECN {
		r.undoable = false
		b.marked = true
		return
	}
	r.lost += c.LostPackets
	b.signals.lostRanges += c.LostRanges
	for i := range c.Lost {
		b.handleLostPacket(&c.Lost[i], c.Now)
	}
	if c.Kind == Persistent {
		b.collapse()
	}
}

// enterRecovery is SaveStateUponLoss.
//
// Deviation from draft-ietf-ccwg-bbr-06, Section 5.5.10.2: NoteLoss saves once per recovery period and
// not whenever is_loss_in_round was reset, which the end of a probe does in the middle of losses, so
// that an undo would bring back what the first of them had lowered.
func (b *bbr) enterRecovery(now monotime.Time) {
	b.saveCwnd()
	r, m := &b.recovery, &b.model
	*r = bbrRecovery{active: true, start: now, previous: r.start, undoable: true, undo: bbrUndo{
		bwShortterm: m.bwShortterm, inflightShortterm: m.inflightShortterm, inflightLongterm: m.inflightLongterm,
	}}
	b.metrics.CongestionEvents++
	b.metrics.State = Recovery
}

// collapse: "When persistent congestion is declared, the sender's congestion window MUST be
// reduced to the minimum congestion window (kMinimumWindow)". RFC 9002, Section 7.6.2.
func (b *bbr) collapse() {
	b.cwnd = minWindowPackets * b.mtu
	b.priorCwnd = b.cwnd // the end of recovery does not undo it
	b.recovery.active, b.recovery.undoable = false, false
	b.recovery.start = 0
	b.metrics.PersistentPeriods++
	b.noteState(false)
}

func isInflightTooHigh(s *bbrSample) bool {
	return float64(s.lost) > float64(s.txInFlight)*bbrLossThresh
}

// handleLostPacket lowers inflight_longterm if a probe for bandwidth lost too much
// (draft-ietf-ccwg-bbr-06, Section 5.5.10.2).
func (b *bbr) handleLostPacket(p *LostPacket, now monotime.Time) {
	if !b.probe.sampling {
		return
	}
	s := bbrSample{now: now, txInFlight: p.SentInFlight, lost: p.LostSinceSent, appLimited: p.AppLimited}
	if isInflightTooHigh(&s) {
		s.txInFlight = inflightAtLoss(p)
		b.handleInflightTooHigh(&s)
	}
}

// inflightAtLoss returns how much was in flight when the losses crossed the threshold.
func inflightAtLoss(p *LostPacket) protocol.ByteCount {
	inflightPrev := float64(p.SentInFlight - p.Size)
	lostPrev := float64(p.LostSinceSent - p.Size)
	lostPrefix := (bbrLossThresh*inflightPrev - lostPrev) / (1 - bbrLossThresh)
	return protocol.ByteCount(max(inflightPrev+lostPrefix, 0))
}

func (b *bbr) handleInflightTooHigh(s *bbrSample) {
	b.probe.tooHigh = true
	b.probe.sampling = false // "only react once per bw probe"
	if !s.appLimited {
		b.model.inflightLongterm = min(max(s.txInFlight, scale(b.targetInflight(), bbrBeta)), maxWindow)
	}
	if b.state == bbrProbeUp {
		b.recovery.undo.state, b.recovery.undo.stateChanged = bbrProbeUp, true
		b.startProbeDown(s.now)
	}
}

// respondToMarks treats ECN-CE marks like too much loss, without a threshold: they are no noise.
func (b *bbr) respondToMarks(s *bbrSample) {
	if !b.marked {
		return
	}
	b.marked = false
	switch {
	case b.state == bbrStartup:
		b.endStartup()
	case b.probe.sampling:
		b.handleInflightTooHigh(s)
	}
}

// OnSpurious undoes the latest recovery period once all that it took for lost has been acknowledged
// (draft-ietf-ccwg-bbr-06, Section 5.5.11.2).
func (b *bbr) OnSpurious(_, sentAt monotime.Time) {
	r := &b.recovery
	before := !r.previous.IsZero() && !sentAt.After(r.previous)
	if !r.undoable || before || sentAt.After(r.start) {
		return
	}
	r.lost--
	if r.lost > 0 {
		return
	}
	r.undoable, r.active = false, false
	b.metrics.SpuriousEvents++
	b.restoreCwnd()
	b.signals.lossInRound = false
	b.fullBW.restart(0)
	m, u := &b.model, r.undo
	m.bwShortterm = max(m.bwShortterm, u.bwShortterm)
	m.inflightShortterm = max(m.inflightShortterm, u.inflightShortterm)
	m.inflightLongterm = max(m.inflightLongterm, u.inflightLongterm)
	if u.stateChanged {
		b.returnTo(u.state)
	}
	b.noteState(false)
}

// returnTo goes back to the state in which the losses were taken for the sign of a full path.
func (b *bbr) returnTo(s bbrState) {
	b.recovery.undo.stateChanged = false
	switch {
	case s == b.state:
	case s == bbrStartup:
		b.fullBW.reached = false
		if b.state != bbrProbeRTT {
			b.enterStartup()
		}
	case b.state != bbrProbeRTT:
		b.startProbeRefill()
	}
}

// saveCwnd and restoreCwnd remember the window without the effects of recovery and ProbeRTT.
func (b *bbr) saveCwnd() {
	if b.recovery.active || b.state == bbrProbeRTT {
		b.priorCwnd = max(b.priorCwnd, b.cwnd)
		return
	}
	b.priorCwnd = b.cwnd
}

func (b *bbr) restoreCwnd() { b.cwnd = max(b.cwnd, b.priorCwnd) }
