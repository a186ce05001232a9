package congestion

import (
	"time"

	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
)

// Constants of draft-ietf-ccwg-bbr-06, Section 2.16.
const (
	minRTTFilterLen  = 10 * time.Second
	probeRTTDuration = 200 * time.Millisecond
	// "To allow coordination with other BBR flows, each BBR flow MUST use the standard
	// BBR.ProbeRTTInterval of 5 secs." draft-ietf-ccwg-bbr-06, Section 5.3.4.2.
	probeRTTInterval = 5 * time.Second
)

// A bbrRTT estimates the RTT of an empty path, and says when to empty it for that. RTTs of 0 are infinite.
type bbrRTT struct {
	min           time.Duration
	minStamp      monotime.Time
	probeMin      time.Duration // probe_rtt_min_delay
	probeMinStamp monotime.Time
	probeExpired  bool

	// ProbeRTT
	doneStamp monotime.Time // zero until the path is empty enough
	roundDone bool
	// Packets sent after limitedFrom, and when less was delivered than limitedTo, are as if the
	// application had limited them (MarkConnectionAppLimited).
	limitedFrom monotime.Time
	limitedTo   protocol.ByteCount
}

// limited reports whether ProbeRTT limited the delivery rate.
func (r *bbrRTT) limited(a *AckedBatch) bool {
	return !r.limitedFrom.IsZero() && a.LargestSentAt.After(r.limitedFrom) && a.PriorDelivered <= r.limitedTo
}

// updateMinRTT is draft-ietf-ccwg-bbr-06, Section 5.3.4.3.
func (b *bbr) updateMinRTT(s *bbrSample) {
	r := &b.rtt
	r.probeExpired = s.now.After(r.probeMinStamp.Add(probeRTTInterval))
	if s.rtt > 0 && (r.probeMin == 0 || s.rtt < r.probeMin || r.probeExpired) {
		r.probeMin, r.probeMinStamp = s.rtt, s.now
	}
	expired := s.now.After(r.minStamp.Add(minRTTFilterLen))
	if r.probeMin > 0 && (r.min == 0 || r.probeMin < r.min || expired) {
		r.min, r.minStamp = r.probeMin, r.probeMinStamp
	}
}

func (b *bbr) checkProbeRTT(s *bbrSample) {
	if b.state != bbrProbeRTT && b.rtt.probeExpired && !b.idleRestart {
		b.state = bbrProbeRTT
		b.saveCwnd()
		b.rtt.doneStamp = 0
		b.rtt.limitedFrom = s.now
		b.probe.ackPhase = acksProbeStopping
		b.startRound()
	}
	if b.state == bbrProbeRTT {
		b.handleProbeRTT(s.now)
	}
	if s.delivered > 0 {
		b.idleRestart = false
	}
}

func (b *bbr) handleProbeRTT(now monotime.Time) {
	r := &b.rtt
	r.limitedTo = b.delivered + b.inFlight
	if r.doneStamp.IsZero() {
		if b.inFlight <= b.probeRTTCwnd() {
			r.doneStamp = now.Add(probeRTTDuration)
			r.roundDone = false
			b.startRound()
		}
		return
	}
	r.roundDone = r.roundDone || b.round.start
	if r.roundDone {
		b.checkProbeRTTDone(now)
	}
}

func (b *bbr) checkProbeRTTDone(now monotime.Time) {
	if b.rtt.doneStamp.IsZero() || !now.After(b.rtt.doneStamp) {
		return
	}
	b.rtt.probeMinStamp = now // schedules the next one
	b.restoreCwnd()
	b.exitProbeRTT(now)
}

// exitProbeRTT is draft-ietf-ccwg-bbr-06, Section 5.3.4.4.
func (b *bbr) exitProbeRTT(now monotime.Time) {
	b.resetShortTermModel()
	if !b.fullBW.reached {
		b.enterStartup()
		return
	}
	b.startProbeDown(now)
	b.state = bbrProbeCruise
}
