package congestion

import (
	"testing"
	"time"

	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
)

// roundOf acknowledges n packets of one round trip, each with an RTT sample of rtt.
func (f *flow) roundOf(rtt time.Duration, n int) {
	f.now = f.now.Add(rtt)
	for range n {
		b := f.batch(testMTU)
		b.LargestSentAt, b.RTT = f.now.Add(-rtt), rtt
		f.c.OnAcked(b)
	}
}

// growth returns by how much a packet without RTT sample makes the window grow.
func (f *flow) growth() protocol.ByteCount {
	before := f.c.Window()
	b := f.batch(testMTU)
	b.RTT, b.LargestSentAt = 0, f.now.Add(-1)
	f.c.OnAcked(b)
	return f.c.Window() - before
}

// RFC 9406, Section 4.2: "if (currentRoundMinRTT >= (lastRoundMinRTT + RttThresh)) [...] exit slow start and enter
// CSS" with RttThresh = max(MIN_RTT_THRESH, min(lastRoundMinRTT / MIN_RTT_DIVISOR, MAX_RTT_THRESH)).
func TestHyStartDelayIncrease(t *testing.T) {
	for _, tc := range []struct {
		name         string
		last, higher time.Duration
		samples      int
		css          bool
	}{
		{"an eighth more", 100 * time.Millisecond, 112500 * time.Microsecond, 8, true},
		{"less than an eighth more", 100 * time.Millisecond, 112499 * time.Microsecond, 8, false},
		{"too few samples", 100 * time.Millisecond, 200 * time.Millisecond, 7, false},
		{"a short RTT needs 4 ms", 8 * time.Millisecond, 12 * time.Millisecond, 8, true},
		{"less than 4 ms", 8 * time.Millisecond, 11999 * time.Microsecond, 8, false},
		{"a long RTT needs 16 ms", time.Second, 1016 * time.Millisecond, 8, true},
		{"less than 16 ms", time.Second, 1015 * time.Millisecond, 8, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			forEachController(t, func(t *testing.T, f *flow, _ protocol.ByteCount) {
				f.roundOf(tc.last, 8)
				f.roundOf(tc.higher, tc.samples)
				want := testMTU
				if tc.css {
					want /= cssGrowthDivisor
				}
				if got := f.growth(); got != want {
					t.Errorf("the window grows by %d per packet, want %d", got, want)
				}
				f.wantState(SlowStart)
			})
		})
	}
}

// The minimum of a round counts, and of the first round nothing is known to compare it with.
func TestHyStartComparesMinima(t *testing.T) {
	forEachController(t, func(t *testing.T, f *flow, _ protocol.ByteCount) {
		f.roundOf(300*time.Millisecond, 20)
		f.roundOf(100*time.Millisecond, 20)
		f.roundOf(105*time.Millisecond, 1)
		for range 20 {
			b := f.batch(testMTU)
			b.RTT, b.LargestSentAt = 500*time.Millisecond, f.now.Add(-1)
			f.c.OnAcked(b)
		}
		if got := f.growth(); got != testMTU {
			t.Errorf("the window grows by %d per packet, want %d", got, testMTU)
		}
	})
}

// RFC 9406, Section 4.2: "If CSS_ROUNDS rounds are complete, enter congestion avoidance by setting the ssthresh to
// the current cwnd." "If the transition into CSS happens in the middle of a round, that partial round counts
// towards the limit."
func TestHyStartEndsSlowStart(t *testing.T) {
	forEachController(t, func(t *testing.T, f *flow, _ protocol.ByteCount) {
		f.roundOf(100*time.Millisecond, 8)
		for i := range 5 {
			f.roundOf(120*time.Millisecond, 8)
			if got := f.c.Metrics().SlowStartThresh; got != protocol.MaxByteCount {
				t.Fatalf("ssthresh = %d in round %d, want none", got, i)
			}
		}
		window := f.c.Window()
		f.roundOf(120*time.Millisecond, 1)
		f.wantState(CongestionAvoidance)
		m := f.c.Metrics()
		if m.SlowStartThresh != window || m.CongestionEvents != 0 {
			t.Errorf("Metrics() = %+v, want a threshold of %d and no congestion", m, window)
		}
	})
}

// RFC 9406, Section 4.2: "if (currentRoundMinRTT < cssBaselineMinRtt) cssBaselineMinRtt = infinity, resume slow
// start including HyStart++".
func TestHyStartResumes(t *testing.T) {
	forEachController(t, func(t *testing.T, f *flow, _ protocol.ByteCount) {
		for range 2 {
			f.roundOf(100*time.Millisecond, 8)
			f.roundOf(130*time.Millisecond, 8)
			f.roundOf(130*time.Millisecond, 8)
			if got := f.growth(); got != testMTU/cssGrowthDivisor {
				t.Fatalf("the window grows by %d per packet in CSS, want %d", got, testMTU/cssGrowthDivisor)
			}
			f.roundOf(129*time.Millisecond, 8)
			if got := f.growth(); got != testMTU {
				t.Errorf("the window grows by %d per packet after a spurious exit, want %d", got, testMTU)
			}
		}
	})
}

// RFC 9406, Section 4.3: "An implementation SHOULD use HyStart++ only for the initial slow start".
func TestHyStartOnlyInFirstSlowStart(t *testing.T) {
	forEachController(t, func(t *testing.T, f *flow, _ protocol.ByteCount) {
		f.growTo(1000 * testMTU)
		f.c.OnCongestion(Congestion{Kind: Persistent, Now: f.now, SentAt: f.now, LostPackets: 9})
		f.roundOf(100*time.Millisecond, 8)
		f.roundOf(200*time.Millisecond, 8)
		f.wantState(SlowStart)
		if got := f.growth(); got != testMTU {
			t.Errorf("the window grows by %d per packet, want %d", got, testMTU)
		}
	})
}

// A lossCounter counts lost packets, and may hide RTT samples from its Controller.
type lossCounter struct {
	Controller
	hideRTT bool
	lost    int
}

func (c *lossCounter) OnAcked(a AckedBatch) {
	if c.hideRTT {
		a.RTT = 0
	}
	c.Controller.OnAcked(a)
}

func (c *lossCounter) OnCongestion(e Congestion) {
	c.lost += e.LostPackets
	c.Controller.OnCongestion(e)
}

// RFC 9406, Section 5: "across a variety of tests on a 100 Mbps link with a bottleneck buffer size of bandwidth-delay
// product, HyStart++ reduces bytes retransmitted by 50%".
func TestHyStartAvoidsOvershoot(t *testing.T) {
	for _, c := range controllers {
		t.Run(c.name, func(t *testing.T) {
			var lost [2]int
			for i := range lost {
				counter := &lossCounter{Controller: c.new(testMTU), hideRTT: i == 0}
				s := &simulation{
					t: t, c: counter, p: NewPacer(), now: monotime.Time(time.Hour), rnd: newTestRand(1),
					link: link{rate: 12_500_000, rtt: 50 * time.Millisecond, queue: 625_000},
				}
				s.run(2 * time.Second)
				lost[i] = counter.lost
			}
			t.Logf("%d packets lost without, %d with HyStart++", lost[0], lost[1])
			if lost[0] == 0 || lost[1] > lost[0]/2 {
				t.Errorf("%d packets lost without, %d with HyStart++; want half as many at most", lost[0], lost[1])
			}
		})
	}
}
