package congestion

import (
	"math"
	"testing"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
)

// cubicAt brings a CUBIC flow to a window of n packets in slow start.
func cubicAt(t *testing.T, n int) *flow {
	f := newFlow(t, NewCubic(testMTU))
	f.ack(protocol.ByteCount(n)*testMTU - f.c.Window())
	f.wantWindow(protocol.ByteCount(n) * testMTU)
	return f
}

// packets returns the window in packets.
func (f *flow) packets() float64 { return float64(f.c.Window()) / float64(testMTU) }

// RFC 9438, Figures 1 and 2. In the concave region and beyond, the window after t seconds is
// W_cubic(t) = C*(t-K)^3 + W_max with K = cbrt((W_max-cwnd_epoch)/C).
func TestCubicFollowsTheCurve(t *testing.T) {
	const wMax = 1000
	f := cubicAt(t, wMax)
	f.lose()
	f.ack(1) // starts the congestion avoidance stage
	epoch := f.now
	k := math.Cbrt(wMax * (1 - 0.7) / 0.4)
	var sawConcave, sawPlateau, sawConvex bool
	for range 180 {
		f.round()
		sec := f.now.Sub(epoch).Seconds()
		want := 0.4*math.Pow(sec-k, 3) + wMax
		if got := f.packets(); math.Abs(got-want) > 0.005*want {
			t.Fatalf("window after %.1f s = %.1f packets, want %.1f", sec, got, want)
		}
		sawConcave = sawConcave || want < 0.9*wMax
		sawPlateau = sawPlateau || math.Abs(want-wMax) < 1
		sawConvex = sawConvex || want > 1.2*wMax
	}
	if !sawConcave || !sawPlateau || !sawConvex {
		t.Errorf("regions seen: concave %t, plateau %t, convex %t", sawConcave, sawPlateau, sawConvex)
	}
}

// A cubicReference is RFC 9438, Section 4 in the units of the RFC, segments and seconds.
type cubicReference struct {
	cwnd, ssthresh, cwndPrior, wMax, k, wEst, epoch float64
	inStage                                         bool
}

func (r *cubicReference) curve(t float64) float64 { return 0.4*math.Pow(t-r.k, 3) + r.wMax }

func (r *cubicReference) ack(now, rtt, segmentsAcked float64) {
	if r.cwnd < r.ssthresh {
		n := math.Min(segmentsAcked, r.ssthresh-r.cwnd)
		r.cwnd += n
		segmentsAcked -= n
	}
	if segmentsAcked == 0 {
		return
	}
	if !r.inStage {
		r.inStage, r.epoch, r.wEst, r.k = true, now, r.cwnd, 0
		if r.cwnd < r.wMax {
			r.k = math.Cbrt((r.wMax - r.cwnd) / 0.4)
		} else {
			r.wMax = r.cwnd
		}
	}
	alpha := 3 * (1 - 0.7) / (1 + 0.7)
	if r.wEst >= r.cwndPrior {
		alpha = 1
	}
	r.wEst += alpha * segmentsAcked / r.cwnd
	t := now - r.epoch
	if r.curve(t) < r.wEst {
		r.cwnd = math.Max(r.cwnd, r.wEst)
		return
	}
	target := math.Max(r.cwnd, math.Min(1.5*r.cwnd, r.curve(t+rtt)))
	r.cwnd += (target - r.cwnd) / r.cwnd * segmentsAcked
}

func (r *cubicReference) congestion() {
	r.cwndPrior = r.cwnd
	if r.cwnd < r.wMax {
		r.wMax = r.cwnd * (1 + 0.7) / 2
	} else {
		r.wMax = r.cwnd
	}
	r.ssthresh = math.Max(r.cwnd*0.7, 2)
	r.cwnd = r.ssthresh
	r.inStage = false
}

// The window equals that of the formulas in floating point after every ACK, in every region.
func TestCubicEqualsReference(t *testing.T) {
	for _, tc := range []struct {
		name    string
		packets int
		rounds  []int // between losses
	}{
		{"Reno-friendly region of a small window", 12, []int{30, 10, 60}},
		{"concave region with fast convergence", 400, []int{20, 20, 20}},
		{"convex region after a long time", 200, []int{150, 5, 40}},
		{"minimum window", 10, []int{0, 0, 0, 0, 0, 0, 20, 0, 15}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := cubicAt(t, max(tc.packets, 10))
			ref := &cubicReference{cwnd: float64(tc.packets), ssthresh: math.Inf(1)}
			for _, rounds := range tc.rounds {
				f.lose()
				ref.congestion()
				for range rounds {
					compareRound(t, f, ref)
				}
			}
		})
	}
}

func compareRound(t *testing.T, f *flow, ref *cubicReference) {
	t.Helper()
	start, n := f.now, int(f.c.Window()/testMTU)
	for i := range n {
		f.now = start.Add(testRTT * time.Duration(i+1) / time.Duration(n))
		f.ack(testMTU)
		ref.ack(time.Duration(f.now).Seconds(), testRTT.Seconds(), 1)
		if got := f.packets(); math.Abs(got-ref.cwnd) > 0.01 {
			t.Fatalf("window = %.4f packets, want %.4f", got, ref.cwnd)
		}
	}
}

// RFC 9438, Section 4.2: target is at most 1.5*cwnd, so that the increase stays below that of
// slow start, also when an ACK comes after a long silence.
func TestCubicTargetIsBounded(t *testing.T) {
	f := cubicAt(t, 100)
	f.lose()
	f.ack(1)
	before := f.c.Window()
	f.now = f.now.Add(24 * time.Hour)
	f.ack(before)
	if got := f.c.Window(); got < before+before/2-1 || got > before+before/2+1 {
		t.Errorf("Window() = %d after one round, want 1.5 times %d", got, before)
	}
}

// An ACK of more than a window, as after a reduction, counts as one window.
func TestCubicLargeAck(t *testing.T) {
	f, large := cubicAt(t, 100), cubicAt(t, 100)
	for _, flow := range []*flow{f, large} {
		flow.lose()
		flow.ack(1)
		flow.now = flow.now.Add(time.Second)
	}
	f.ack(f.c.Window())
	large.ack(3 * large.c.Window())
	large.wantWindow(f.c.Window())
}

// RFC 9438, Section 4.2: "The elapsed time t in Figure 1 MUST NOT include periods during which
// cwnd has not been updated due to application-limited behavior".
func TestCubicClockStandsStillWhileLimited(t *testing.T) {
	for _, tc := range []struct {
		name  string
		pause func(f *flow)
	}{
		{"while application limited", func(f *flow) {
			for range 60 {
				f.now = f.now.Add(time.Second)
				b := f.batch(testMTU)
				b.AppLimited = true
				f.c.OnAcked(b)
			}
		}},
		{"while idle", func(f *flow) {
			f.now = f.now.Add(time.Minute)
			f.c.OnSent(Sent{Now: f.now, Size: testMTU})
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f, undisturbed := cubicAt(t, 500), cubicAt(t, 500)
			for _, flow := range []*flow{f, undisturbed} {
				flow.lose()
				for range 30 {
					flow.round()
				}
			}
			tc.pause(f)
			f.round()
			undisturbed.round()
			f.wantWindow(undisturbed.c.Window())
		})
	}
}

// A sender that keeps data in flight does not stop the clock.
func TestCubicClockRunsWhileBusy(t *testing.T) {
	f, undisturbed := cubicAt(t, 500), cubicAt(t, 500)
	for _, flow := range []*flow{f, undisturbed} {
		flow.lose()
		flow.round()
	}
	for range 10 {
		f.c.OnSent(Sent{Now: f.now, InFlight: 1, Size: testMTU})
		f.round()
		undisturbed.round()
	}
	f.wantWindow(undisturbed.c.Window())
}

// RFC 9438, Section 4.7: with fast convergence W_max becomes cwnd*(1+beta)/2 if cwnd < W_max.
func TestCubicFastConvergence(t *testing.T) {
	f := cubicAt(t, 100)
	f.lose() // W_max 100, cwnd 70
	f.lose() // 70 < 100: W_max 59.5, cwnd 49
	if got, want := f.c.(*cubic).curve.wMax, 59.5*float64(testMTU); math.Abs(got-want) > 1 {
		t.Errorf("W_max = %.1f, want %.1f", got, want)
	}
	f.wantWindow(49 * testMTU)
}

// RFC 9438, Section 4.8: "During the first congestion avoidance stage after a timeout, [...] K
// is set to 0, and W_max is set to the congestion window size at the beginning of the current
// congestion avoidance stage."
func TestCubicAfterPersistentCongestion(t *testing.T) {
	f := cubicAt(t, 100)
	f.c.OnCongestion(Congestion{Kind: Persistent, Now: f.now, SentAt: f.now, LostPackets: 9})
	f.growTo(70 * testMTU)
	f.ack(1)
	c := f.c.(*cubic)
	if c.curve.k != 0 || c.curve.wMax != float64(70*testMTU) || c.curve.epoch != f.now {
		t.Errorf("curve = %+v, want K 0 and W_max %d from now on", c.curve, 70*testMTU)
	}
}

// RFC 9438, Section 4.9.2: "Restoring the original values ensures that CUBIC's performance is
// similar to what it would be without spurious losses."
func TestCubicUndo(t *testing.T) {
	f := cubicAt(t, 200)
	f.lose()
	f.round()
	before, window := *f.c.(*cubic), f.c.Window()

	sentAt := f.now
	f.c.OnCongestion(Congestion{Kind: Loss, Now: f.now, SentAt: sentAt, LostPackets: 2})
	f.now = f.now.Add(testRTT / 2)
	f.c.OnCongestion(Congestion{Kind: Loss, Now: f.now, SentAt: sentAt, LostPackets: 1})
	reduced := f.c.Window()
	f.c.OnSpurious(f.now, sentAt)
	f.c.OnSpurious(f.now, sentAt)
	f.wantWindow(reduced)
	f.c.OnSpurious(f.now, sentAt)
	f.wantWindow(window)
	after := f.c.(*cubic)
	if after.curve != before.curve || after.ssthresh != before.ssthresh || after.recoveryStart != before.recoveryStart {
		t.Errorf("state after the undo = %+v, want %+v", after, before)
	}
	if m := f.c.Metrics(); m.SpuriousEvents != 1 || m.State != CongestionAvoidance {
		t.Errorf("Metrics() = %+v, want one spurious event in congestion avoidance", m)
	}
	f.c.OnSpurious(f.now, sentAt) // nothing is left to undo
	f.wantWindow(window)
}

// The time during which the window was not used is not part of the restored curve either.
func TestCubicUndoAfterPause(t *testing.T) {
	f := cubicAt(t, 200)
	f.lose()
	f.round()
	before, sentAt := f.c.(*cubic).curve.epoch, f.now
	f.lose()
	lastAck := f.c.(*cubic).lastAck
	f.now = f.now.Add(time.Minute)
	f.c.OnSent(Sent{Now: f.now, Size: testMTU})
	f.c.OnSpurious(f.now, sentAt)
	if got, want := f.c.(*cubic).curve.epoch, before.Add(f.now.Sub(lastAck)); got != want {
		t.Errorf("t_epoch after the undo = %d, want %d", got, want)
	}
}

func TestCubicUndoReturnsToSlowStart(t *testing.T) {
	f := cubicAt(t, 200)
	f.c.OnCongestion(Congestion{Kind: Loss, Now: f.now, SentAt: f.now, LostPackets: 1})
	f.c.OnSpurious(f.now, f.now)
	f.wantWindow(200 * testMTU)
	f.wantState(SlowStart)
	f.ack(testMTU)
	f.wantWindow(201 * testMTU)
}

func TestCubicDoesNotUndo(t *testing.T) {
	loss := Congestion{Kind: Loss, LostPackets: 1}
	for _, tc := range []struct {
		name string
		then func(f *flow)
	}{
		{"if packets are still lost", func(f *flow) {
			f.c.OnCongestion(Congestion{Kind: Loss, Now: f.now, SentAt: f.now.Add(-1), LostPackets: 1})
			f.c.OnSpurious(f.now, f.now)
		}},
		{"if the path marked ECN-CE as well", func(f *flow) {
			f.c.OnCongestion(Congestion{Kind: ECN, Now: f.now, SentAt: f.now})
			f.c.OnSpurious(f.now, f.now)
		}},
		{"after persistent congestion", func(f *flow) {
			f.c.OnCongestion(Congestion{Kind: Persistent, Now: f.now, SentAt: f.now})
			f.c.OnSpurious(f.now, f.now)
		}},
		{"for a packet of a later time", func(f *flow) { f.c.OnSpurious(f.now, f.now.Add(1)) }},
		{"for a packet of an earlier recovery period", func(f *flow) {
			first := f.now
			f.now = f.now.Add(testRTT)
			f.lose()
			f.c.OnSpurious(f.now, first)
		}},
		{"after a change of the MTU", func(f *flow) {
			f.c.SetMTU(testMTU + 1)
			f.c.OnSpurious(f.now, f.now)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := cubicAt(t, 200)
			c := loss
			c.Now, c.SentAt = f.now, f.now
			f.c.OnCongestion(c)
			tc.then(f)
			if m := f.c.Metrics(); m.SpuriousEvents != 0 || m.Window > 140*testMTU {
				t.Errorf("Metrics() = %+v, want no spurious event", m)
			}
		})
	}
}

// RFC 9438, Section 4.9.2: when "the current cwnd is already higher than cwnd_prior, CUBIC
// SHOULD continue to use the current and the most recent values of these variables".
func TestCubicDoesNotUndoAfterRegrowth(t *testing.T) {
	f := cubicAt(t, 20)
	sentAt := f.now
	f.lose()
	f.growTo(20*testMTU + 1)
	grown := f.c.Window()
	f.c.OnSpurious(f.now, sentAt)
	f.wantWindow(grown)
}

// RFC 9002 leaves the answer to spurious losses open; NewReno's is that of CUBIC.
func TestNewRenoUndo(t *testing.T) {
	f := newFlow(t, NewNewReno(testMTU))
	f.growTo(100 * testMTU)
	f.lose()
	f.round()
	before, sentAt := f.c.Metrics(), f.now
	f.c.OnCongestion(Congestion{Kind: Loss, Now: f.now, SentAt: sentAt, LostPackets: 2})
	f.c.OnSpurious(f.now, sentAt)
	f.wantWindow(before.Window / 2)
	f.c.OnSpurious(f.now, sentAt)
	before.CongestionEvents, before.SpuriousEvents = 2, 1
	if got := f.c.Metrics(); got != before {
		t.Errorf("Metrics() after the undo = %+v, want %+v", got, before)
	}
	f.c.OnCongestion(Congestion{Kind: Loss, Now: f.now, SentAt: sentAt, LostPackets: 1})
	f.c.OnCongestion(Congestion{Kind: ECN, Now: f.now, SentAt: sentAt})
	f.c.OnSpurious(f.now, sentAt)
	f.wantWindow(before.Window / 2)
}
