package congestion

import "testing"

func TestNoAllocations(t *testing.T) {
	for _, tc := range allControllers {
		t.Run(tc.name, func(t *testing.T) {
			f, p := newFlow(t, tc.new(testMTU)), NewPacer()
			f.lose()
			lost := []LostPacket{{Size: testMTU, SentInFlight: testMTU, LostSinceSent: testMTU}}
			allocs := testing.AllocsPerRun(1000, func() {
				f.now = f.now.Add(testRTT)
				rate := f.c.PacingRate(testRTT)
				p.Budget(f.now, rate, testMTU)
				p.Take(f.now, testMTU, rate, testMTU)
				p.NextSend(f.now, rate, testMTU)
				f.c.OnSent(Sent{Now: f.now, Size: testMTU})
				f.ack(testMTU)
				f.c.OnSpurious(f.now, f.now)
				f.c.OnCongestion(Congestion{Kind: Loss, Now: f.now, SentAt: f.now, LostPackets: 1, Lost: lost})
				f.c.Metrics()
			})
			if allocs != 0 {
				t.Errorf("%g allocations per packet, want 0", allocs)
			}
		})
	}
}

func BenchmarkOnAcked(b *testing.B) {
	for _, tc := range allControllers {
		b.Run(tc.name, func(b *testing.B) {
			f := newFlow(nil, tc.new(testMTU))
			f.lose()
			b.ReportAllocs()
			for b.Loop() {
				f.now = f.now.Add(testRTT / 1000)
				f.ack(testMTU)
			}
		})
	}
}

func BenchmarkPacer(b *testing.B) {
	p, now := NewPacer(), testStart
	b.ReportAllocs()
	for b.Loop() {
		now++
		if p.Budget(now, 125_000_000, testMTU) >= testMTU {
			p.Take(now, testMTU, 125_000_000, testMTU)
		}
	}
}
