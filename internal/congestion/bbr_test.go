package congestion

import (
	"slices"
	"testing"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
)

// The tests are those of draft-ietf-ccwg-bbr-06, Appendix A.

var bbrLink = link{rate: mbit(50), rtt: 40 * time.Millisecond, queue: 250_000}

func noQueueLimit(l link) link {
	l.queue = protocol.MaxByteCount
	return l
}

// A.1, A.3, A.8: Startup ends when the delivery rate no longer grows, Drain and ProbeBW_DOWN when the queue is empty.
func TestBBRStartupDrainCruise(t *testing.T) {
	s := newBBRSim(t, noQueueLimit(bbrLink))
	s.runUntil(time.Second, func() bool { return s.b.fullBW.count == 2 })
	s.wantState(bbrStartup)
	s.runUntilState(time.Second, bbrDrain)
	if share := s.bwShare(); share < 0.98 || share > 1.02 {
		t.Errorf("max_bw is %.3f of the rate", share)
	}
	if f := s.b.fullBW; f.count != 3 || !f.now || !f.reached {
		t.Errorf("full bandwidth estimator: %+v", f)
	}
	if gain := bbrGains[s.b.state].pacing; gain != 0.5 {
		t.Errorf("pacing gain of Drain = %g", gain)
	}
	entered := s.now
	s.runUntil(time.Second, func() bool { return s.b.state != bbrDrain })
	if s.b.inFlight > s.b.inflightFor(s.b.model.bw) || s.now.Sub(entered) > 3*s.link.rtt {
		t.Errorf("Drain ended with %d bytes in flight after %v", s.b.inFlight, s.now.Sub(entered))
	}
	s.runUntilState(10*time.Second, bbrProbeUp)
	s.runUntilState(time.Second, bbrProbeDown)
	if want := uint64(0.9 * 0.99 * float64(s.b.model.bw)); s.b.PacingRate(0) != want {
		t.Errorf("pacing rate of ProbeBW_DOWN = %d, want %d", s.b.PacingRate(0), want)
	}
	s.runUntilState(time.Second, bbrProbeCruise)
	if s.b.inFlight > s.b.inflightFor(s.b.model.max()) {
		t.Errorf("ProbeBW_DOWN ended with %d bytes in flight", s.b.inFlight)
	}
	if m := s.b.Metrics(); m.State != CongestionAvoidance || m.CongestionEvents != 0 {
		t.Errorf("Metrics() = %+v", m)
	}
}

// A.2: much loss ends Startup, also if the application limits the rate.
func TestBBRStartupEndsByLoss(t *testing.T) {
	l := bbrLink
	l.lossRate = 0.1
	s := newBBRSim(t, l)
	s.limitApp(l.rate / 2)
	s.runUntilState(3*time.Second, bbrDrain)
	if f := s.b.fullBW; !f.now || !f.reached || s.b.model.inflightLongterm == bbrInfiniteInflight {
		t.Errorf("full bandwidth estimator: %+v, inflight_longterm %d", f, s.b.model.inflightLongterm)
	}
}

// A.7, A.20: without loss the application's limit says nothing about the path; ProbeRTT returns to Startup.
func TestBBRStaysInStartupWhileAppLimited(t *testing.T) {
	s := newBBRSim(t, bbrLink)
	s.limitApp(s.link.rate / 10)
	s.run(12 * time.Second)
	want := []bbrState{bbrStartup, bbrProbeRTT, bbrStartup, bbrProbeRTT, bbrStartup}
	if !slices.Equal(s.states, want) {
		t.Errorf("states = %v, want %v", s.states, want)
	}
	s.appRate = 0
	s.runUntilState(time.Second, bbrDrain)
	if share := s.bwShare(); share < 0.98 || share > 1.02 {
		t.Errorf("max_bw is %.3f of the rate", share)
	}
}

// A.4: Drain lasts three round trips at most.
func TestBBRDrainEndsByTime(t *testing.T) {
	s := newBBRSim(t, noQueueLimit(bbrLink))
	s.runUntilState(time.Second, bbrDrain)
	round := s.b.round.count
	s.link.rate /= 10
	s.runUntilState(5*time.Second, bbrProbeDown)
	if got := s.b.round.count - round; got != 4 || s.b.inFlight <= s.b.inflightFor(s.b.model.bw) {
		t.Errorf("Drain ended after %d rounds with %d bytes in flight", got, s.b.inFlight)
	}
}

// A.5: ProbeBW goes through its states in turn, every two to three seconds or 63 round trips, and stops probing when
// the delivery rate does not grow for three round trips.
func TestBBRCycle(t *testing.T) {
	s := newBBRSim(t, noQueueLimit(bbrLink))
	s.runUntilState(time.Second, bbrProbeCruise)
	for range 8 {
		s.runUntil(7*time.Second, func() bool { return s.b.state == bbrProbeRefill || s.b.state == bbrProbeRTT })
		if s.b.state == bbrProbeRTT {
			s.runUntilState(time.Second, bbrProbeCruise)
			continue
		}
		cycle := s.now.Sub(s.b.probe.cycleStamp)
		if rounds := s.b.probe.roundsSinceUp; (cycle < 2*time.Second || cycle > 3*time.Second) && rounds < 62 {
			t.Errorf("probe after %v and %d round trips", cycle, rounds)
		}
		s.runUntilState(time.Second, bbrProbeUp)
		round := s.b.round.count
		s.runUntil(time.Second, func() bool { return s.b.state != bbrProbeUp })
		if s.b.state == bbrProbeRTT {
			continue
		}
		if got := s.b.round.count - round; got < 3 || got > 5 || s.b.probe.tooHigh {
			t.Errorf("ProbeBW_UP lasted %d rounds", got)
		}
		s.runUntilState(time.Second, bbrProbeCruise)
	}
	next := map[bbrState]bbrState{
		bbrStartup: bbrDrain, bbrProbeDown: bbrProbeCruise, bbrProbeCruise: bbrProbeRefill, bbrProbeRefill: bbrProbeUp,
		bbrProbeUp: bbrProbeDown, bbrProbeRTT: bbrProbeCruise,
	}
	for i, state := range s.states[1:] {
		if last := s.states[i]; state != bbrProbeRTT && last != bbrDrain && state != next[last] {
			t.Errorf("state %d comes after %d", state, last)
		}
	}
	if got := s.share(10 * time.Second); got < 0.95 {
		t.Errorf("%.3f of the link used, want 0.95", got)
	}
}

// A.6, A.21: loss above the threshold ends a probe and sets inflight_longterm to what was in flight, but not below 0.7
// of the target. The next probe is a precautionary one.
func TestBBRProbeEndsByLoss(t *testing.T) {
	s := newBBRSim(t, link{rate: mbit(50), rtt: 40 * time.Millisecond, queue: 25_000})
	s.runUntil(10*time.Second, func() bool { return s.b.probe.tooHigh })
	s.wantState(bbrProbeDown)
	longterm := s.b.model.inflightLongterm
	if longterm < s.bdp()*7/10 || longterm > 2*s.bdp() {
		t.Errorf("inflight_longterm = %d, want about the BDP %d", longterm, s.bdp())
	}
	s.runUntilState(10*time.Second, bbrProbeCruise)
	if w := s.b.Window(); w > longterm-longterm/10 {
		t.Errorf("window = %d in ProbeBW_CRUISE, want headroom below %d", w, longterm)
	}
	s.runUntilState(10*time.Second, bbrProbeUp)
	s.runUntil(10*time.Second, func() bool { return s.b.state != bbrProbeUp })
	if !s.b.probe.precautionary && !s.b.probe.tooHigh {
		t.Errorf("probe = %+v, want it to be precautionary", s.b.probe)
	}
	if got := s.share(20 * time.Second); got < 0.8 {
		t.Errorf("%.3f of the link used, want 0.8", got)
	}
	if rate := float64(s.droppedOrMarked) / float64(s.sentPackets); rate > 0.03 {
		t.Errorf("%.3f of the packets lost", rate)
	}
}

// A.6: what the application limits does not set inflight_longterm.
func TestBBRAppLimitedLossKeepsLongterm(t *testing.T) {
	s := newBBRSim(t, noQueueLimit(bbrLink))
	s.runUntilState(10*time.Second, bbrProbeUp)
	s.b.OnCongestion(Congestion{Kind: Loss, Now: s.now, SentAt: s.now, LostPackets: 1, LostRanges: 1, Lost: []LostPacket{
		{Size: testMTU, SentInFlight: 10 * testMTU, LostSinceSent: testMTU, AppLimited: true},
	}})
	s.wantState(bbrProbeDown)
	if s.b.model.inflightLongterm != bbrInfiniteInflight || !s.b.probe.tooHigh {
		t.Errorf("inflight_longterm = %d", s.b.model.inflightLongterm)
	}
}

// Section 5.5.10.2: the threshold may be crossed in the middle of what was lost.
func TestBBRInflightAtLoss(t *testing.T) {
	for _, tc := range []struct {
		p    LostPacket
		want protocol.ByteCount
	}{
		{LostPacket{Size: 1000, SentInFlight: 100_000, LostSinceSent: 3000}, 98_979}, // 99,000 + (1980-2000)/0.98
		{LostPacket{Size: 50_000, SentInFlight: 100_000, LostSinceSent: 50_000}, 51_020},
		{LostPacket{Size: 1000, SentInFlight: 1000, LostSinceSent: 5000}, 0},
	} {
		if got := inflightAtLoss(&tc.p); got != tc.want {
			t.Errorf("inflightAtLoss(%+v) = %d, want %d", tc.p, got, tc.want)
		}
	}
}

// A.9: ProbeBW_DOWN does not wait for ever for the queue to empty.
func TestBBRProbeDownEndsByTime(t *testing.T) {
	s := newBBRSim(t, noQueueLimit(bbrLink))
	s.runUntilState(10*time.Second, bbrProbeUp)
	s.runUntilState(time.Second, bbrProbeDown)
	s.b.inFlight = maxWindow
	r := bbrSample{now: s.now.Add(s.b.probe.wait)}
	s.b.updateProbeBWCyclePhase(&r)
	s.wantState(bbrProbeDown)
	r.now++
	s.b.updateProbeBWCyclePhase(&r)
	s.wantState(bbrProbeRefill)
}

// A.10: after 5 seconds without a lower RTT, ProbeRTT halves what is in flight for 200 ms and a round trip.
func TestBBRProbeRTT(t *testing.T) {
	s := newBBRSim(t, noQueueLimit(bbrLink))
	s.runUntilState(6*time.Second, bbrProbeRTT)
	if d := s.now.Sub(testStart); d < 5*time.Second {
		t.Errorf("ProbeRTT after %v", d)
	}
	bw := s.b.model.max()
	s.runUntil(time.Second, func() bool { return !s.b.rtt.doneStamp.IsZero() })
	if w := s.b.Window(); w > s.bdp()/2+4*testMTU || s.b.inFlight > w {
		t.Errorf("window = %d with %d in flight in ProbeRTT, want half of %d", w, s.b.inFlight, s.bdp())
	}
	start := s.now
	s.runUntilState(time.Second, bbrProbeCruise)
	if d := s.now.Sub(start); d < 200*time.Millisecond || d > 300*time.Millisecond {
		t.Errorf("ProbeRTT lasted %v", d)
	}
	if s.b.Window() < s.bdp() {
		t.Errorf("window = %d after ProbeRTT, want that of before", s.b.Window())
	}
	next := s.now
	s.run(100 * time.Millisecond)
	if s.b.model.max() != bw {
		t.Errorf("max_bw = %d after ProbeRTT, want %d", s.b.model.max(), bw)
	}
	s.runUntilState(6*time.Second, bbrProbeRTT)
	if d := s.now.Sub(next); d < 4900*time.Millisecond {
		t.Errorf("next ProbeRTT after %v", d)
	}
}

// The RTT of a path that became longer is found within two intervals.
func TestBBRHigherRTT(t *testing.T) {
	s := newBBRSim(t, noQueueLimit(bbrLink))
	s.run(3 * time.Second)
	s.link.rtt *= 2
	s.run(20 * time.Second)
	if got := s.b.rtt.min; got < s.link.rtt || got > s.link.rtt+s.link.rtt/4 {
		t.Errorf("min_rtt = %v, want %v", got, s.link.rtt)
	}
	if got := s.share(5 * time.Second); got < 0.9 {
		t.Errorf("%.3f of the link used, want 0.9", got)
	}
}

// A.11: an idle application has emptied the queue already. Section 5.4.1: the pace after it is that of the path.
func TestBBRIdleSkipsProbeRTT(t *testing.T) {
	s := newBBRSim(t, noQueueLimit(bbrLink))
	s.runUntilState(10*time.Second, bbrProbeUp)
	s.pause(6 * time.Second)
	if s.inFlight != 0 {
		t.Fatalf("%d bytes in flight", s.inFlight)
	}
	n := len(s.states)
	s.send()
	if want := uint64(0.99 * float64(s.b.model.bw)); !s.b.idleRestart || s.b.PacingRate(0) != want {
		t.Errorf("restart = %t with a rate of %d, want %d", s.b.idleRestart, s.b.PacingRate(0), want)
	}
	s.run(time.Second)
	if slices.Contains(s.states[n:], bbrProbeRTT) || s.b.idleRestart {
		t.Errorf("states after the pause = %v", s.states[n:])
	}
}

// Section 5.4.1: a connection that fell idle in ProbeRTT leaves it when it sends again.
func TestBBRIdleInProbeRTT(t *testing.T) {
	s := newBBRSim(t, noQueueLimit(bbrLink))
	s.runUntilState(6*time.Second, bbrProbeRTT)
	s.runUntil(time.Second, func() bool { return !s.b.rtt.doneStamp.IsZero() })
	s.pause(time.Second)
	s.send()
	s.wantState(bbrProbeCruise)
	if s.b.Window() < s.bdp() {
		t.Errorf("window = %d, want that of before", s.b.Window())
	}
}

// A.12, A.13: the window makes up for acknowledgements that come in bursts.
func TestBBRAggregation(t *testing.T) {
	s := newBBRSim(t, noQueueLimit(bbrLink))
	s.ackEvery = 30 * time.Millisecond
	s.runUntilState(2*time.Second, bbrProbeCruise)
	if share := s.bwShare(); share < 0.95 || share > 1.3 {
		t.Errorf("max_bw is %.3f of the rate", share)
	}
	if extra := s.b.aggregation.extra; extra < s.bdp()/4 {
		t.Errorf("extra_acked = %d", extra)
	}
	if w := s.b.Window(); w <= 2*s.bdp() {
		t.Errorf("window = %d, want more than two BDPs of %d", w, s.bdp())
	}
	if got := s.share(10 * time.Second); got < 0.93 {
		t.Errorf("%.3f of the link used, want 0.93", got)
	}
	s.ackEvery = 0
	s.run(20 * time.Second)
	if extra := s.b.aggregation.extra; extra > s.bdp()/4 {
		t.Errorf("extra_acked = %d long after the last aggregate", extra)
	}
}

func TestRoundFilter(t *testing.T) {
	var f roundFilter
	for _, tc := range []struct {
		round uint64
		value protocol.ByteCount
		n     int
		want  protocol.ByteCount
	}{
		{0, 5, 10, 5}, {0, 3, 10, 5}, {1, 2, 10, 5}, {1, 2, 1, 2}, {9, 1, 10, 5}, {10, 1, 10, 2}, {11, 0, 10, 1},
		{1000, 0, 10, 0}, {1000, 7, 1, 7},
	} {
		if got := f.update(tc.round, tc.value, tc.n); got != tc.want {
			t.Errorf("update(%d, %d, %d) = %d, want %d", tc.round, tc.value, tc.n, got, tc.want)
		}
	}
}

// A.14: a path of less than a packet.
func TestBBRSubPacketBDP(t *testing.T) {
	s := newBBRSim(t, link{rate: 12_500, rtt: 50 * time.Millisecond, queue: 20_000})
	s.runUntilState(20*time.Second, bbrProbeCruise)
	if w := s.b.Window(); w < 4*testMTU || w > 8*testMTU {
		t.Errorf("window = %d", w)
	}
	if got := s.share(20 * time.Second); got < 0.9 {
		t.Errorf("%.3f of the link used, want 0.9", got)
	}
}

// A.15: ten times as much bandwidth is found.
func TestBBRMoreBandwidth(t *testing.T) {
	s := newBBRSim(t, link{rate: mbit(10), rtt: 40 * time.Millisecond, queue: 50_000})
	s.runUntilState(10*time.Second, bbrProbeCruise)
	s.link.rate, s.link.queue = mbit(100), 500_000
	s.runUntil(12*time.Second, func() bool { return s.bwShare() > 0.9 })
}

// Section 5.3.3.5: inflight_longterm grows by 1, 2, 4, 8... packets per round trip.
func TestBBRLongtermGrowsFaster(t *testing.T) {
	b := newBBRSim(t, bbrLink).b
	b.state, b.cwnd, b.model.inflightLongterm = bbrProbeUp, 64*testMTU, 64*testMTU
	b.raiseInflightLongtermSlope()
	for _, want := range []protocol.ByteCount{1, 2, 4, 8} {
		before := b.model.inflightLongterm
		for i := range 64 {
			b.cwndLimited[1], b.cwnd = true, b.model.inflightLongterm
			b.round.start = i == 63
			b.probeInflightLongtermUpward(&bbrSample{newlyAcked: testMTU})
		}
		if got := (b.model.inflightLongterm - before) / testMTU; got < want*3/4 || got > want {
			t.Errorf("inflight_longterm grew by %d packets, want %d", got, want)
		}
	}
	before := b.model.inflightLongterm
	b.cwndLimited = [2]bool{}
	b.probeInflightLongtermUpward(&bbrSample{newlyAcked: maxWindow})
	if b.model.inflightLongterm != before {
		t.Error("inflight_longterm grew though the window was not used")
	}
}

// A.16: loss lowers the short-term model at once, and the filter forgets the old bandwidth after two cycles.
func TestBBRLessBandwidth(t *testing.T) {
	s := newBBRSim(t, link{rate: mbit(100), rtt: 40 * time.Millisecond, queue: 500_000})
	s.runUntilState(10*time.Second, bbrProbeCruise)
	s.link.rate, s.link.queue = mbit(10), 50_000
	s.run(time.Second)
	if bw := s.b.model.bw; bw > mbit(25) {
		t.Errorf("bw = %d a second after the rate fell to %d", bw, s.link.rate)
	}
	s.run(12 * time.Second)
	if share := s.bwShare(); share < 0.9 || share > 1.1 {
		t.Errorf("max_bw is %.3f of the rate", share)
	}
}

// A.17: a policer without a queue.
func TestBBRPolicer(t *testing.T) {
	s := newBBRSim(t, link{rate: mbit(20), rtt: 40 * time.Millisecond, queue: 10 * testMTU})
	s.run(10 * time.Second)
	s.sentPackets, s.droppedOrMarked = 0, 0
	if got := s.share(20 * time.Second); got < 0.75 {
		t.Errorf("%.3f of the link used, want 0.75", got)
	}
	if rate := float64(s.droppedOrMarked) / float64(s.sentPackets); rate > 0.02 {
		t.Errorf("%.3f of the packets lost", rate)
	}
}

// One percent of random loss is below BBR.LossThresh.
func TestBBRRandomLoss(t *testing.T) {
	l := bbrLink
	l.lossRate = 0.01
	s := newBBRSim(t, l)
	s.run(2 * time.Second)
	if got := s.share(20 * time.Second); got < 0.7 {
		t.Errorf("%.3f of the link used, want 0.7", got)
	}
}

// lose declares n packets lost that were sent now, more than a probe bears.
func (s *bbrSim) lose(n int) {
	c := Congestion{Kind: Loss, Now: s.now, SentAt: s.now, LostPackets: n, LostRanges: n, Delivered: s.delivered}
	for i := range protocol.ByteCount(n) {
		c.Lost = append(c.Lost, LostPacket{Size: testMTU, SentInFlight: s.bdp(), LostSinceSent: (i + 1) * testMTU})
	}
	s.b.OnCongestion(c)
}

// A.18: what spurious losses did to a probe is undone, when all of them have turned out to be spurious.
func TestBBRUndo(t *testing.T) {
	s := newBBRSim(t, noQueueLimit(bbrLink))
	s.runUntilState(10*time.Second, bbrProbeUp)
	before, window := s.b.model, s.b.Window()
	s.lose(20)
	s.wantState(bbrProbeDown)
	if s.b.model.inflightLongterm == before.inflightLongterm {
		t.Fatal("the losses changed nothing")
	}
	sentAt := s.now
	for range 19 {
		s.b.OnSpurious(s.now, sentAt)
	}
	s.wantState(bbrProbeDown)
	s.b.OnSpurious(s.now, sentAt)
	s.wantState(bbrProbeRefill)
	if s.b.model != before || s.b.Window() < window {
		t.Errorf("model = %+v, want %+v", s.b.model, before)
	}
	if m := s.b.Metrics(); m.SpuriousEvents != 1 || m.State == Recovery {
		t.Errorf("Metrics() = %+v", m)
	}
}

// A.19: what ended Startup is undone too, if need be after ProbeRTT.
func TestBBRUndoReturnsToStartup(t *testing.T) {
	for _, probing := range []bool{false, true} {
		s := newBBRSim(t, noQueueLimit(bbrLink))
		s.run(200 * time.Millisecond)
		s.wantState(bbrStartup)
		s.lose(6)
		s.b.endStartup()
		s.b.checkStartupDone(&bbrSample{})
		s.wantState(bbrDrain)
		if probing {
			s.b.state = bbrProbeRTT
		}
		for range 6 {
			s.b.OnSpurious(s.now, s.now)
		}
		if s.b.fullBW.reached || s.b.model.inflightLongterm != bbrInfiniteInflight {
			t.Errorf("full bandwidth: %+v, model: %+v", s.b.fullBW, s.b.model)
		}
		if probing {
			s.wantState(bbrProbeRTT)
			s.b.exitProbeRTT(s.now)
		}
		s.wantState(bbrStartup)
	}
}

func TestBBRDoesNotUndo(t *testing.T) {
	for name, then := range map[string]func(s *bbrSim){
		"after an ECN-CE mark": func(s *bbrSim) {
			s.b.OnCongestion(Congestion{Kind: ECN, Now: s.now, SentAt: s.now})
			s.b.OnSpurious(s.now, s.now)
		},
		"after persistent congestion": func(s *bbrSim) {
			s.b.OnCongestion(Congestion{Kind: Persistent, Now: s.now, SentAt: s.now})
			s.b.OnSpurious(s.now, s.now)
		},
		"for a packet of a later time": func(s *bbrSim) { s.b.OnSpurious(s.now, s.now+1) },
		"for a packet of an earlier period": func(s *bbrSim) {
			first := s.now
			s.now++
			s.lose(1)
			s.b.OnSpurious(s.now, first)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newBBRSim(t, noQueueLimit(bbrLink))
			s.runUntilState(10*time.Second, bbrProbeUp)
			s.lose(1)
			then(s)
			if m := s.b.Metrics(); m.SpuriousEvents != 0 {
				t.Errorf("Metrics() = %+v", m)
			}
		})
	}
}

// A.22: a pause during ProbeBW_REFILL does not lower the bandwidth.
func TestBBRAppLimitedRefill(t *testing.T) {
	s := newBBRSim(t, noQueueLimit(bbrLink))
	s.runUntilState(10*time.Second, bbrProbeRefill)
	bw := s.b.model.max()
	s.limitApp(s.link.rate / 20)
	s.runUntilState(time.Second, bbrProbeUp)
	if s.b.model.max() != bw {
		t.Errorf("max_bw = %d, want %d", s.b.model.max(), bw)
	}
	s.run(time.Second)
	s.wantState(bbrProbeUp) // A.7
	s.appRate = 0
	s.runUntilState(time.Second, bbrProbeDown)
}

// Section 3.7: "the congestion controller response MUST treat any CE marks as congestion."
func TestBBRCongestionExperienced(t *testing.T) {
	s := newBBRSim(t, noQueueLimit(bbrLink))
	s.markAt = 10 * time.Millisecond
	s.runUntilState(time.Second, bbrDrain)
	if s.b.fullBW.count == fullBWRounds || s.b.model.inflightLongterm == bbrInfiniteInflight {
		t.Errorf("Startup ended by %+v, not by marks", s.b.fullBW)
	}
	s.runUntilState(10*time.Second, bbrProbeUp)
	s.runUntilState(10*time.Second, bbrProbeDown)
	if !s.b.probe.tooHigh || s.b.Metrics().CongestionEvents == 0 {
		t.Errorf("the probe did not end by marks: %+v", s.b.probe)
	}
	s.sentPackets, s.droppedOrMarked = 0, 0
	if got := s.share(20 * time.Second); got < 0.85 {
		t.Errorf("%.3f of the link used, want 0.85", got)
	}
	if rate := float64(s.droppedOrMarked) / float64(s.sentPackets); rate > 0.03 {
		t.Errorf("%.3f of the packets marked", rate)
	}

	s.runUntilState(10*time.Second, bbrProbeCruise)
	s.b.resetShortTermModel()
	s.b.OnCongestion(Congestion{Kind: ECN, Now: s.now, SentAt: s.now, Delivered: s.delivered})
	s.run(3 * s.link.rtt)
	if s.b.model.bwShortterm == bbrInfiniteBW || s.b.model.inflightShortterm == bbrInfiniteInflight {
		t.Error("a mark in ProbeBW_CRUISE changed nothing")
	}
}

// RFC 9002, Section 7.6.2: "When persistent congestion is declared, the sender's congestion window MUST be reduced to
// the minimum congestion window (kMinimumWindow)".
func TestBBRPersistentCongestion(t *testing.T) {
	s := newBBRSim(t, noQueueLimit(bbrLink))
	s.run(3 * time.Second)
	s.b.OnCongestion(Congestion{Kind: Persistent, Now: s.now, SentAt: s.now, LostPackets: 9})
	if m := s.b.Metrics(); m.Window != 2*testMTU || m.PersistentPeriods != 1 || m.State == Recovery {
		t.Errorf("Metrics() = %+v", m)
	}
	s.run(2 * s.link.rtt)
	if w := s.b.Window(); w < 4*testMTU {
		t.Errorf("window = %d, want it to grow again", w)
	}
	s.run(time.Second)
	if w := s.b.Window(); w < s.bdp() {
		t.Errorf("window = %d a second later", w)
	}
}

// Section 5.6.2: the first pace is that of the initial window in an RTT, times 2.77.
func TestBBRInitialPace(t *testing.T) {
	s := newBBRSim(t, bbrLink)
	if got, want := s.b.PacingRate(0), uint64(2.77*12_000*1000); got != want {
		t.Errorf("pacing rate = %d before the first sample, want %d", got, want)
	}
	b := s.b
	b.setPacingRate(&bbrSample{rtt: 40 * time.Millisecond})
	if got, want := b.PacingRate(0), uint64(2.77*12_000*25); got != want {
		t.Errorf("pacing rate = %d, want %d", got, want)
	}
	b.model.bw = 1000
	b.setPacingRate(&bbrSample{rtt: 40 * time.Millisecond})
	if got, want := b.PacingRate(0), uint64(2.77*12_000*25); got != want {
		t.Errorf("pacing rate = %d before the path was full, want %d", got, want)
	}
}

func TestBBRSetMTU(t *testing.T) {
	b := NewBBR(testMTU, nil)
	if b.Window() != 12_000 {
		t.Errorf("window = %d", b.Window())
	}
	b.SetMTU(1400)
	if b.Window() != 14_000 {
		t.Errorf("window = %d after a change of the MTU", b.Window())
	}
	for name, f := range map[string]func(){"new": func() { NewBBR(0, nil) }, "SetMTU": func() { b.SetMTU(0) }} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic for an MTU of 0", name)
				}
			}()
			f()
		}()
	}
}
