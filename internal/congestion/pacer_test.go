package congestion

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
)

const testStart = monotime.Time(time.Hour)

// RFC 9002, Section 7.7: "Senders SHOULD limit bursts to the initial congestion window".
func TestPacerBurst(t *testing.T) {
	for _, tc := range []struct {
		name string
		rate uint64
		want protocol.ByteCount
	}{
		{"ten packets at a low rate", 1, 12000},
		{"ten packets up to 6 MB/s", 6_000_000, 12000},
		{"two milliseconds at 1 Gbit/s", 125_000_000, 250_000},
		{"the limit at 10 Gbit/s", 1_250_000_000, 1 << 20},
		{"the limit at the highest rate", math.MaxUint64, 1 << 20},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := NewPacer()
			if got := p.Budget(testStart, tc.rate, testMTU); got != tc.want {
				t.Errorf("Budget() of a new pacer = %d, want %d", got, tc.want)
			}
			p.Take(testStart, tc.want, tc.rate, testMTU)
			if got := p.Budget(testStart, tc.rate, testMTU); got != 0 {
				t.Errorf("Budget() after taking all = %d, want 0", got)
			}
			if got := p.Budget(testStart.Add(10*365*24*time.Hour), tc.rate, testMTU); got != tc.want {
				t.Errorf("Budget() after years = %d, want %d", got, tc.want)
			}
		})
	}
}

func TestPacerWithoutRate(t *testing.T) {
	p := NewPacer()
	p.Take(testStart, 1<<40, 0, testMTU)
	if got := p.Budget(testStart, 0, testMTU); got != protocol.MaxByteCount {
		t.Errorf("Budget() without a rate = %d, want no limit", got)
	}
	if got := p.NextSend(testStart, 0, testMTU); !got.IsZero() {
		t.Errorf("NextSend() without a rate = %d, want 0", got)
	}
	// The bucket is full when pacing begins.
	if got := p.Budget(testStart, 1000, testMTU); got != 12000 {
		t.Errorf("Budget() = %d, want 12000", got)
	}
	p.Take(testStart, 12000, 1000, testMTU)
	p.Take(testStart, 1200, 0, testMTU)
	if got := p.Budget(testStart, 1000, testMTU); got != 12000 {
		t.Errorf("Budget() after a time without a rate = %d, want 12000", got)
	}
}

func TestPacerNextSend(t *testing.T) {
	for _, tc := range []struct {
		name string
		rate uint64
		take protocol.ByteCount
		want time.Duration
	}{
		{"budget left", 1_200_000, 10800, 0},
		{"less than a packet left", 1_200_000, 10801, 834},
		{"empty, one packet per millisecond", 1_200_000, 12000, time.Millisecond},
		{"empty, slow", 1200, 12000, time.Second},
		{"empty, one byte per second", 1, 12000, 1200 * time.Second},
		{"overdrawn by a probe", 1_200_000, 13200, 2 * time.Millisecond},
		{"empty, fast: wait for a batch", 12_000_000, 24000, time.Millisecond},
		{"empty, at the limit", 2 << 30, 1 << 20, 488282},
		{"empty, highest rate", math.MaxUint64, 1 << 20, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := NewPacer()
			p.Take(testStart, tc.take, tc.rate, testMTU)
			got := p.NextSend(testStart, tc.rate, testMTU)
			if tc.want == 0 {
				if !got.IsZero() {
					t.Errorf("NextSend() = %s from now, want 0", got.Sub(testStart))
				}
				return
			}
			if got.Sub(testStart) != tc.want {
				t.Fatalf("NextSend() = %s from now, want %s", got.Sub(testStart), tc.want)
			}
			if b := p.Budget(got.Add(-1), tc.rate, testMTU); b >= testMTU && tc.rate < 1_200_001 {
				t.Errorf("Budget() one nanosecond early = %d, want less than a packet", b)
			}
			if b := p.Budget(got, tc.rate, testMTU); b < testMTU {
				t.Errorf("Budget() in time = %d, want a packet", b)
			}
		})
	}
}

// The bucket is exact: whatever the steps, no byte is gained or lost to rounding.
func TestPacerIsExact(t *testing.T) {
	const seed = 1
	rnd := rand.New(rand.NewPCG(seed, seed))
	for range 200 {
		rate := rnd.Uint64N(6_000_000) + 1
		p, now := NewPacer(), testStart
		p.Take(now, 12000, rate, testMTU)
		taken := new(big.Int)
		for range 200 {
			now = now.Add(time.Duration(rnd.Int64N(int64(time.Millisecond))))
			b := p.Budget(now, rate, testMTU)
			p.Take(now, b, rate, testMTU)
			taken.Add(taken, big.NewInt(int64(b)))
		}
		want := new(big.Int).Mul(big.NewInt(int64(now.Sub(testStart))), new(big.Int).SetUint64(rate))
		want.Div(want, big.NewInt(int64(time.Second)))
		if taken.Cmp(want) != 0 {
			t.Fatalf("seed %d: %d bytes in %s at %d B/s, want %d", seed, taken, now.Sub(testStart), rate, want)
		}
	}
}

// A change of the rate holds from then on.
func TestPacerRateChange(t *testing.T) {
	p := NewPacer()
	p.Take(testStart, 12000, 1000, testMTU)
	now := testStart.Add(time.Second)
	if got := p.Budget(now, 1000, testMTU); got != 1000 {
		t.Errorf("Budget() after a second = %d, want 1000", got)
	}
	if got := p.Budget(now.Add(time.Second), 5000, testMTU); got != 6000 {
		t.Errorf("Budget() after another at 5000 B/s = %d, want 6000", got)
	}
	// A lower rate has a smaller bucket.
	p = NewPacer()
	p.Budget(testStart, 1<<30, testMTU)
	if got := p.Budget(testStart.Add(1), 1000, testMTU); got != 12000 {
		t.Errorf("Budget() of the smaller bucket = %d, want 12000", got)
	}
}

// The clock of the caller may stand still, and random steps never leave the bounds.
func TestPacerBounds(t *testing.T) {
	const seed = 2
	rnd := rand.New(rand.NewPCG(seed, seed))
	for range 200 {
		p, now := NewPacer(), monotime.Time(rnd.Int64()>>1)
		for range 200 {
			rate, mtu := rnd.Uint64()>>rnd.UintN(64), protocol.ByteCount(1200+rnd.IntN(64000))
			now = now.Add(time.Duration(rnd.Uint64() >> (20 + rnd.UintN(44))))
			b := p.Budget(now, rate, mtu)
			if rate != 0 && (b < 0 || b > max(10*mtu, maxBurst)) {
				t.Fatalf("seed %d: Budget(%d, %d) = %d", seed, rate, mtu, b)
			}
			next := p.NextSend(now, rate, mtu)
			if !next.IsZero() && !next.After(now) {
				t.Fatalf("seed %d: NextSend(%d, %d) = %s from now", seed, rate, mtu, next.Sub(now))
			}
			p.Take(now, protocol.ByteCount(rnd.Int64()>>(20+rnd.UintN(44))), rate, mtu)
		}
	}
}
