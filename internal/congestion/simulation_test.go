package congestion

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
)

// A link is a bottleneck with a tail-drop queue, fed by one paced sender.
type link struct {
	rate     uint64 // bytes per second
	rtt      time.Duration
	queue    protocol.ByteCount
	lossRate float64
}

// A simulation runs a controller and a pacer over a link, packet by packet.
type simulation struct {
	t        *testing.T
	link     link
	c        Controller
	p        *Pacer
	rnd      *rand.Rand
	now      monotime.Time
	busy     monotime.Time // when the bottleneck has sent what it holds
	inFlight protocol.ByteCount
	pending  []simPacket // in the order in which their fate becomes known
	received protocol.ByteCount
}

type simPacket struct {
	sentAt, knownAt monotime.Time
	lost            bool
}

func (s *simulation) run(d time.Duration) {
	end := s.now.Add(d)
	srtt := s.link.rtt
	for s.now.Before(end) {
		rate := s.c.PacingRate(srtt)
		for s.inFlight+testMTU <= s.c.Window() && s.p.Budget(s.now, rate, testMTU) >= testMTU {
			s.send(rate)
		}
		next := s.pending[0].knownAt
		if s.inFlight+testMTU <= s.c.Window() {
			next = monotime.Earliest(next, s.p.NextSend(s.now, rate, testMTU))
		}
		s.now = max(s.now, next)
		for len(s.pending) > 0 && !s.pending[0].knownAt.After(s.now) {
			srtt += (s.settle() - srtt) / 8
		}
		s.check()
	}
}

func (s *simulation) send(rate uint64) {
	s.c.OnSent(Sent{Now: s.now, InFlight: s.inFlight, Size: testMTU})
	s.p.Take(s.now, testMTU, rate, testMTU)
	s.inFlight += testMTU
	s.busy = max(s.busy, s.now)
	held := protocol.ByteCount(s.busy.Sub(s.now).Seconds() * float64(s.link.rate))
	lost := held > s.link.queue || s.rnd.Float64() < s.link.lossRate
	if !lost {
		s.busy = s.busy.Add(time.Duration(uint64(testMTU) * uint64(time.Second) / s.link.rate))
	}
	s.pending = append(s.pending, simPacket{sentAt: s.now, knownAt: s.busy.Add(s.link.rtt), lost: lost})
}

// settle reports the fate of the oldest packet and returns the RTT it saw.
func (s *simulation) settle() time.Duration {
	p := s.pending[0]
	s.pending = s.pending[1:]
	rtt := p.knownAt.Sub(p.sentAt)
	if p.lost {
		s.c.OnCongestion(Congestion{Kind: Loss, Now: s.now, SentAt: p.sentAt, LostBytes: testMTU, LostPackets: 1, InFlight: s.inFlight})
	} else {
		s.received += testMTU
		s.c.OnAcked(AckedBatch{
			Now: s.now, Bytes: testMTU, LargestSentAt: p.sentAt, InFlightBefore: s.inFlight,
			RTT: rtt, MinRTT: s.link.rtt, SmoothedRTT: rtt,
		})
	}
	s.inFlight -= testMTU
	return rtt
}

func (s *simulation) check() {
	if w := s.c.Window(); w < 2*testMTU || w > maxWindow {
		s.t.Fatalf("Window() = %d, want %d to %d", w, 2*testMTU, maxWindow)
	}
}

// A single flow must fill the pipe if the queue allows it, and survive loss.
func TestSimulatedLinks(t *testing.T) {
	for _, tc := range []struct {
		name  string
		link  link
		share [2]float64 // of the rate that NewReno and CUBIC reach at least
	}{
		{"10 Mbit/s with a full BDP of queue", link{rate: 1_250_000, rtt: 50 * time.Millisecond, queue: 62_500}, [2]float64{0.95, 0.95}},
		{"100 Mbit/s with a full BDP of queue", link{rate: 12_500_000, rtt: 50 * time.Millisecond, queue: 625_000}, [2]float64{0.95, 0.95}},
		{"100 Mbit/s with a shallow queue", link{rate: 12_500_000, rtt: 50 * time.Millisecond, queue: 60_000}, [2]float64{0.6, 0.7}},
		{"100 Mbit/s with 0.01 % loss", link{rate: 12_500_000, rtt: 20 * time.Millisecond, queue: 250_000, lossRate: 1e-4}, [2]float64{0.5, 0.7}},
		{"tiny queue and heavy loss", link{rate: 125_000, rtt: 100 * time.Millisecond, queue: 2_400, lossRate: 0.05}, [2]float64{0.2, 0.3}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for i, c := range controllers {
				const seed, duration = 3, 30 * time.Second
				s := &simulation{
					t: t, link: tc.link, c: c.new(testMTU), p: NewPacer(),
					rnd: rand.New(rand.NewPCG(seed, seed)), now: testStart,
				}
				s.run(duration)
				share := float64(s.received) / float64(tc.link.rate) / duration.Seconds()
				t.Logf("%s: %.3f of the rate, %+v", c.name, share, s.c.Metrics())
				if share < tc.share[i] || share > 1.01 {
					t.Errorf("seed %d: %s reaches %.3f of the rate, want %.2f to 1", seed, c.name, share, tc.share[i])
				}
			}
		})
	}
}

func newTestRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, seed)) }

// Whatever order of events and values, the window stays between two packets and the limit.
func TestRandomEvents(t *testing.T) {
	for _, c := range allControllers {
		t.Run(c.name, func(t *testing.T) {
			for seed := range uint64(200) {
				walk(t, c.new(testMTU), seed)
			}
		})
	}
}

func walk(t *testing.T, c Controller, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 4))
	now, mtu := testStart, testMTU
	amount := func() protocol.ByteCount { return protocol.ByteCount(rnd.Uint64() >> (2 + rnd.UintN(60))) }
	past := func() monotime.Time { return now.Add(-time.Duration(rnd.Int64N(int64(time.Second)))) }
	for range 2000 {
		now = now.Add(time.Duration(rnd.Uint64() >> (30 + rnd.UintN(34))))
		switch rnd.IntN(10) {
		case 0:
			kind := CongestionKind(rnd.IntN(3))
			c.OnCongestion(Congestion{
				Kind: kind, Now: now, SentAt: past(), LostBytes: amount(), LostPackets: rnd.IntN(5), LostRanges: rnd.IntN(9),
				Delivered: amount(), Lost: []LostPacket{{Size: mtu, SentInFlight: amount(), LostSinceSent: amount()}},
			})
		case 1:
			c.OnSpurious(now, past())
		case 2:
			mtu = protocol.ByteCount(1200 + rnd.IntN(64000))
			c.SetMTU(mtu)
		case 3:
			c.OnSent(Sent{Now: now, InFlight: amount() * protocol.ByteCount(rnd.IntN(2)), Size: mtu, AppLimited: rnd.IntN(2) == 0})
		default:
			c.OnAcked(AckedBatch{
				Now: now, Bytes: amount(), LargestSentAt: past(), InFlightBefore: amount(), AppLimited: rnd.IntN(8) == 0,
				SentInFlight: amount(), InFlight: amount(), RateAppLimited: rnd.IntN(8) == 0, LostSinceSent: amount(),
				PriorDelivered: amount(), Delivered: amount(), DeliveryInterval: time.Duration(amount()),
				RTT: time.Duration(amount()), MinRTT: time.Duration(amount()) % time.Second,
				SmoothedRTT: time.Duration(rnd.Uint64() >> (1 + rnd.UintN(63))),
			})
		}
		m := c.Metrics()
		if m.Window < 2*mtu || m.Window > maxWindow || m.SlowStartThresh < 2*1200 || m.Window != c.Window() {
			t.Fatalf("seed %d: Metrics() = %+v with an MTU of %d", seed, m, mtu)
		}
		if c.PacingRate(time.Duration(rnd.Uint64()>>(1+rnd.UintN(62)))+1) == 0 {
			t.Fatalf("seed %d: PacingRate() = 0", seed)
		}
	}
}
