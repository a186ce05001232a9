package congestion

import (
	"testing"
	"time"

	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
)

// RFC 9002, Section 7.2: "Endpoints SHOULD use an initial congestion window of ten times the
// maximum datagram size (max_datagram_size), while limiting the window to the larger of
// 14,720 bytes or twice the maximum datagram size."
func TestInitialWindow(t *testing.T) {
	for _, tc := range []struct {
		name      string
		mtu, want protocol.ByteCount
	}{
		{"ten packets of the smallest MTU", 1200, 12000},
		{"ten packets of an Ethernet MTU", 1452, 14520},
		{"the last size of which ten fit", 1472, 14720},
		{"limited to 14,720 bytes", 1500, 14720},
		{"still limited to 14,720 bytes", 7360, 14720},
		{"two packets of a jumbo frame", 9000, 18000},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, c := range controllers {
				m := c.new(tc.mtu).Metrics()
				if m.Window != tc.want || m.SlowStartThresh != protocol.MaxByteCount || m.State != SlowStart {
					t.Errorf("%s: Metrics() = %+v, want window %d in slow start", c.name, m, tc.want)
				}
			}
		})
	}
}

// RFC 9002, Section 7.2: "If the maximum datagram size changes during the connection, the
// initial congestion window SHOULD be recalculated with the new size."
func TestSetMTU(t *testing.T) {
	forEachController(t, func(t *testing.T, f *flow, _ protocol.ByteCount) {
		f.c.SetMTU(1400)
		f.wantWindow(14000)
		f.c.SetMTU(testMTU)
		f.wantWindow(12000)
		f.ack(testMTU)
		f.c.SetMTU(1400)
		f.wantWindow(13200) // grown, so no longer the initial window
		for range 20 {
			f.lose()
		}
		f.wantWindow(2 * 1400)
		f.c.SetMTU(9000)
		f.wantWindow(2 * 9000)
	})
}

func TestMTUMustBePositive(t *testing.T) {
	for _, c := range controllers {
		for name, f := range map[string]func(){
			"new":    func() { c.new(0) },
			"SetMTU": func() { c.new(testMTU).SetMTU(0) },
		} {
			t.Run(c.name+" "+name, func(t *testing.T) {
				defer func() {
					if recover() == nil {
						t.Error("no panic for an MTU of 0")
					}
				}()
				f()
			})
		}
	}
}

// RFC 9002, Section 7.3.1: "While a sender is in slow start, the congestion window increases
// by the number of bytes acknowledged when each acknowledgment is processed."
func TestSlowStart(t *testing.T) {
	forEachController(t, func(t *testing.T, f *flow, _ protocol.ByteCount) {
		f.ack(1)
		f.wantWindow(12001)
		f.ack(testMTU)
		f.wantWindow(13201)
		f.round()
		f.wantWindow(13201 + 11*testMTU)
		f.wantState(SlowStart)
	})
}

// RFC 9002, Section 7.3.1: "The sender MUST exit slow start and enter a recovery period when a
// packet is lost or when the ECN-CE count reported by its peer increases." Section 7.3.2: "a
// sender MUST set the slow start threshold to half the value of the congestion window" (0.7 of
// it for CUBIC, RFC 9438, Section 4.6).
func TestEnterRecovery(t *testing.T) {
	for _, kind := range []CongestionKind{Loss, ECN} {
		t.Run(kind.String(), func(t *testing.T) {
			forEachController(t, func(t *testing.T, f *flow, beta protocol.ByteCount) {
				f.round()
				before := f.c.Window()
				f.c.OnCongestion(Congestion{Kind: kind, Now: f.now, SentAt: f.now.Add(-testRTT)})
				f.wantWindow(before * beta / 10)
				f.wantState(Recovery)
				m := f.c.Metrics()
				if m.SlowStartThresh != m.Window || m.CongestionEvents != 1 {
					t.Errorf("Metrics() = %+v, want one event and the threshold at the window", m)
				}
			})
		})
	}
}

// RFC 9002, Section 7.3.2: "during a recovery period, the congestion window does not change in
// response to new losses or increases in the ECN-CE count. A recovery period ends and the
// sender enters congestion avoidance when a packet sent during the recovery period is
// acknowledged."
func TestRecoveryPeriod(t *testing.T) {
	forEachController(t, func(t *testing.T, f *flow, beta protocol.ByteCount) {
		f.round()
		start := f.now
		f.c.OnCongestion(Congestion{Kind: Loss, Now: start, SentAt: start.Add(-testRTT), LostPackets: 1})
		reduced := f.c.Window()

		sentAt := []monotime.Time{start.Add(-testRTT), start.Add(-1), start}
		f.now = start.Add(testRTT / 2)
		for _, at := range sentAt {
			f.c.OnCongestion(Congestion{Kind: Loss, Now: f.now, SentAt: at, LostPackets: 1})
			f.c.OnCongestion(Congestion{Kind: ECN, Now: f.now, SentAt: at})
			b := f.batch(testMTU)
			b.LargestSentAt = at
			f.c.OnAcked(b)
		}
		f.wantWindow(reduced)
		f.wantState(Recovery)

		f.now = start.Add(testRTT + 1) // now packets sent after the start come back
		f.ack(testMTU)
		f.wantState(CongestionAvoidance)
		f.c.OnCongestion(Congestion{Kind: Loss, Now: f.now, SentAt: start.Add(1), LostPackets: 1})
		if got := f.c.Metrics().CongestionEvents; got != 2 {
			t.Errorf("CongestionEvents = %d after a loss in the next round, want 2", got)
		}
	})
}

// RFC 9002, Section 7.3.3: "limit the increase to the congestion window to at most one maximum
// datagram size for each congestion window that is acknowledged".
func TestNewRenoCongestionAvoidance(t *testing.T) {
	f := newFlow(t, NewNewReno(testMTU))
	for range 3 {
		f.round()
	}
	f.lose()
	for range 20 {
		before := f.c.Window()
		f.ack(before - 1)
		f.wantWindow(before)
		f.ack(1)
		f.wantWindow(before + testMTU)
	}
	f.wantState(CongestionAvoidance)
	before := f.c.Window()
	f.ack(5 * before)
	f.wantWindow(before + testMTU)
}

// RFC 9002, Section 7.6.2: "When persistent congestion is declared, the sender's congestion
// window MUST be reduced to the minimum congestion window (kMinimumWindow)".
func TestPersistentCongestion(t *testing.T) {
	for _, tc := range []struct {
		name  string
		kinds []CongestionKind
	}{
		{"reported alone", []CongestionKind{Persistent}},
		{"reported after the loss", []CongestionKind{Loss, Persistent}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			forEachController(t, func(t *testing.T, f *flow, beta protocol.ByteCount) {
				f.round()
				before := f.c.Window()
				for _, kind := range tc.kinds {
					f.c.OnCongestion(Congestion{Kind: kind, Now: f.now, SentAt: f.now, LostPackets: 1})
				}
				f.wantWindow(2 * testMTU)
				f.wantState(SlowStart)
				want := before * beta / 10
				m := f.c.Metrics()
				if m.SlowStartThresh != want || m.CongestionEvents != 1 || m.PersistentPeriods != 1 {
					t.Errorf("Metrics() = %+v, want threshold %d and one event", m, want)
				}
				// Slow start follows at once, up to the threshold, and no further.
				f.ack(testMTU)
				f.wantWindow(3 * testMTU)
				f.growTo(want)
				f.wantWindow(want)
				f.ack(testMTU)
				f.wantState(CongestionAvoidance)
			})
		})
	}
}

// RFC 9002, Section 7.2: "The minimum congestion window is the smallest value the congestion
// window can attain in response to loss, an increase in the peer-reported ECN-CE count, or
// persistent congestion."
func TestMinimumWindow(t *testing.T) {
	for _, kind := range []CongestionKind{Loss, ECN, Persistent} {
		t.Run(kind.String(), func(t *testing.T) {
			forEachController(t, func(t *testing.T, f *flow, _ protocol.ByteCount) {
				for range 50 {
					f.c.OnCongestion(Congestion{Kind: kind, Now: f.now, SentAt: f.now, LostPackets: 1})
					f.now = f.now.Add(testRTT)
				}
				f.wantWindow(2 * testMTU)
			})
		})
	}
}

// RFC 9002, Section 7.8: "When this occurs, the congestion window SHOULD NOT be increased in
// either slow start or congestion avoidance."
func TestUnderutilizedWindow(t *testing.T) {
	underutilized := map[string]func(*AckedBatch){
		"application limited": func(b *AckedBatch) { b.AppLimited = true },
		"less than half full": func(b *AckedBatch) { b.InFlightBefore = b.InFlightBefore/2 - 1 },
	}
	for name, change := range underutilized {
		for _, avoidance := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				forEachController(t, func(t *testing.T, f *flow, _ protocol.ByteCount) {
					f.round()
					if avoidance {
						f.lose()
					}
					before := f.c.Window()
					for range 1000 {
						f.now = f.now.Add(testRTT)
						b := f.batch(before)
						change(&b)
						f.c.OnAcked(b)
					}
					f.wantWindow(before)
					f.wantState(ApplicationLimited)
					f.now = f.now.Add(testRTT)
					f.ack(before)
					if f.c.Window() <= before {
						t.Errorf("Window() = %d after a full window, want more than %d", f.c.Window(), before)
					}
				})
			})
		}
	}
}

// The sender ran out of data just when the window was full.
func TestFullyUtilizedWindowOfALimitedSender(t *testing.T) {
	forEachController(t, func(t *testing.T, f *flow, _ protocol.ByteCount) {
		b := f.batch(testMTU)
		b.AppLimited, b.SentInFlight = true, f.c.Window()-testMTU
		f.c.OnAcked(b)
		f.wantWindow(12000)
		b.SentInFlight++
		f.c.OnAcked(b)
		f.wantWindow(13200)
	})
}

// RFC 9002, Section 7.7: "rate = N * congestion_window / smoothed_rtt" with N = 1.25.
func TestPacingRate(t *testing.T) {
	for _, tc := range []struct {
		name string
		size protocol.ByteCount
		srtt time.Duration
		want uint64
	}{
		{"no RTT yet", 12000, 0, 0},
		{"100 ms", 12000, 100 * time.Millisecond, 150000},
		{"rounded down", 12001, 7 * time.Second, 2143},
		{"at least one byte", 2400, 1<<63 - 1, 1},
		{"one nanosecond", 1 << 30, 1, (1 << 30) * 1250000000},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := window{size: tc.size}
			if got := w.pacingRate(tc.srtt); got != tc.want {
				t.Errorf("pacingRate(%s) = %d, want %d", tc.srtt, got, tc.want)
			}
		})
	}
}
