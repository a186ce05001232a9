package mtu

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
)

const second = monotime.Time(time.Second)

// A path carries packets of at most mtu bytes.
type path struct {
	d    *Discoverer
	mtu  protocol.ByteCount
	now  monotime.Time
	sent uint64
	// what search found
	probes, lost int
	probed       []protocol.ByteCount
}

func newPath(mtu, start, limit protocol.ByteCount) *path {
	p := &path{d: New(second, start), mtu: mtu, now: second}
	p.d.Search(limit)
	return p
}

// search answers probes until there are none, as much being sent as it takes.
func (p *path) search() {
	for range 200 {
		p.sent += 100 * protocol.MaxDatagramSize
		p.now += second / 10
		size := p.d.NextProbe(p.now, p.sent)
		if size == 0 {
			return
		}
		p.probes++
		p.probed = append(p.probed, size)
		p.d.OnProbeSent(p.sent)
		if size <= p.mtu {
			p.d.OnProbeAcked(p.now, size)
			continue
		}
		p.lost++
		p.d.OnProbeLost(p.now, size)
	}
	panic("the search has no end")
}

func TestSearchFindsCommonSizes(t *testing.T) {
	for _, tc := range []struct {
		mtu, start, limit protocol.ByteCount
		want              protocol.ByteCount
		probes            int
	}{
		{1200, 1200, 65487, 1200, 20},
		{1232, 1200, 65487, 1232, 18},
		{1280, 1280, 65487, 1280, 14},
		{1280, 1200, 65487, 1280, 16},
		{1350, 1280, 65487, 1350, 9},
		{1392, 1280, 65487, 1392, 8},
		{1452, 1280, 65487, 1452, 5},
		{1472, 1280, 65487, 1472, 18},
		{1472, 1280, 1472, 1472, 2},
		{1452, 1280, 1452, 1452, 1},
		{8952, 1280, 65487, 8952, 18},
		{16336, 1280, 65487, 16336, 19},
		{65487, 1280, 65487, 65487, 4},
		{65527, 1452, 65527, 65527, 3},
		{9000, 1280, 1400, 1400, 1},
	} {
		t.Run(fmt.Sprintf("%d bytes from %d up to %d", tc.mtu, tc.start, tc.limit), func(t *testing.T) {
			p := newPath(tc.mtu, tc.start, tc.limit)
			p.search()
			if got := p.d.Current(); got != tc.want {
				t.Errorf("found %d, want %d; probed %v", got, tc.want, p.probed)
			}
			if p.probes > tc.probes {
				t.Errorf("%d probes, want at most %d: %v", p.probes, tc.probes, p.probed)
			}
		})
	}
}

// TestSearchFindsAnySize holds for every size of a path: nothing larger is used, and not much is given away.
func TestSearchFindsAnySize(t *testing.T) {
	for mtu := protocol.ByteCount(1200); mtu < protocol.MaxDatagramSize; mtu += 1 + mtu/200 {
		p := newPath(mtu, base, protocol.MaxDatagramSize)
		p.search()
		got := p.d.Current()
		if got > mtu || got < mtu-mtu/tolerance(mtu)-1 {
			t.Errorf("found %d on a path of %d bytes; probed %v", got, mtu, p.probed)
		}
		if p.lost > 30 {
			t.Errorf("%d lost probes on a path of %d bytes", p.lost, mtu)
		}
	}
}

func tolerance(mtu protocol.ByteCount) protocol.ByteCount {
	if mtu <= 1472 {
		return fine
	}
	return coarse
}

func TestSearchSurvivesLostProbes(t *testing.T) {
	p := newPath(1452, 1280, 1452)
	for range maxProbes - 1 {
		if size := p.d.NextProbe(p.now, 0); size != 1452 {
			t.Fatalf("NextProbe = %d, want 1452", size)
		}
		p.d.OnProbeSent(0)
		if size := p.d.NextProbe(p.now, 0); size != 0 {
			t.Fatalf("NextProbe = %d while a probe is in flight", size)
		}
		p.d.OnProbeLost(p.now, 1452)
	}
	p.search()
	if got := p.d.Current(); got != 1452 {
		t.Errorf("found %d, want 1452", got)
	}
}

func TestNoSearchBeforeItsTime(t *testing.T) {
	d := New(second, 1280)
	if size := d.NextProbe(second, 1<<30); size != 0 {
		t.Errorf("NextProbe = %d before Search", size)
	}
	d.Search(1280)
	if size := d.NextProbe(second, 1<<30); size != 0 {
		t.Errorf("NextProbe = %d at the limit", size)
	}
}

func TestDeferredSearch(t *testing.T) {
	const sent = 3000
	until := second + second/10
	for _, tc := range []struct {
		name  string
		now   monotime.Time
		sent  uint64
		probe bool
	}{
		{"neither time nor bytes", until - 1, sent + deferredBytes - 1, false},
		{"time", until, sent, true},
		{"bytes", second, sent + deferredBytes, true},
	} {
		d := New(second, 1280)
		d.Search(1452)
		d.Defer(until, sent)
		if got := d.NextProbe(tc.now, tc.sent) != 0; got != tc.probe {
			t.Errorf("%s: probe: %t, want %t", tc.name, got, tc.probe)
		}
		want := until
		if tc.now == until {
			want = 0
		}
		if got := d.Deadline(tc.now); got != want {
			t.Errorf("%s: Deadline = %v, want %v", tc.name, got, want)
		}
	}
}

func TestLimitBelowCurrentSize(t *testing.T) {
	d := New(second, 1452)
	d.Search(1300)
	if got := d.Current(); got != 1300 {
		t.Errorf("Current = %d, want 1300", got)
	}
	d.Search(100)
	if got := d.Current(); got != base {
		t.Errorf("Current = %d, want %d", got, base)
	}
}

// TestLargeProbesAreEarned: probes of more than Ethernet carries are a small part of what is sent.
func TestLargeProbesAreEarned(t *testing.T) {
	p := newPath(65487, 1472, 65487)
	var sent uint64
	for _, size := range []protocol.ByteCount{8952, 65487} {
		if got := p.d.NextProbe(p.now, sent+probeShare*uint64(size)-1); got != 0 {
			t.Fatalf("NextProbe = %d too early", got)
		}
		sent += probeShare * uint64(size)
		if got := p.d.NextProbe(p.now, sent); got != size {
			t.Fatalf("NextProbe = %d, want %d", got, size)
		}
		p.d.OnProbeSent(sent)
		p.d.OnProbeAcked(p.now, size)
	}
}

func TestSearchIsRepeated(t *testing.T) {
	p := newPath(1400, 1280, 1452)
	p.search()
	found := p.d.Current()
	p.mtu = 1452
	p.now += monotime.Time(raiseInterval) - second
	p.search()
	if got := p.d.Current(); got != found {
		t.Errorf("Current = %d before the timer expired, want %d", got, found)
	}
	p.now += second
	p.search()
	if got := p.d.Current(); got != 1452 {
		t.Errorf("Current = %d after the path was raised, want 1452", got)
	}
	p.now += monotime.Time(raiseInterval)
	if p.probes = 0; p.d.NextProbe(p.now, p.sent) != 0 {
		t.Error("search at the limit")
	}
}

// A path that has not changed is searched again, each time with as many probes as for the first time.
func TestRepeatedSearchEnds(t *testing.T) {
	for _, mtu := range []protocol.ByteCount{1202, 1400, 1450, 9000, 30_000} {
		p := newPath(mtu, 1200, protocol.MaxDatagramSize)
		p.search()
		first := p.probes
		for range 3 {
			p.now += monotime.Time(raiseInterval)
			p.probes = 0
			p.search()
			if p.probes == 0 || p.probes > first {
				t.Errorf("MTU %d: %d probes, %d at first", mtu, p.probes, first)
			}
		}
	}
}

// TestForeignProbeResults: what comes late, or of another path, counts for nothing.
func TestForeignProbeResults(t *testing.T) {
	p := newPath(9000, 1280, 1452)
	if p.d.OnProbeAcked(p.now, 1452); p.d.Current() != 1280 {
		t.Error("a probe that was not sent counts")
	}
	p.d.OnProbeSent(0)
	if p.d.OnProbeAcked(p.now, 1400); p.d.Current() != 1280 {
		t.Error("a probe of another size counts")
	}
	p.d.OnProbeLost(p.now, 1400)
	if p.d.OnProbeAcked(p.now, 1452); p.d.Current() != 1452 {
		t.Errorf("Current = %d, want 1452", p.d.Current())
	}
}

func TestProbeTooLongForTheSystem(t *testing.T) {
	p := newPath(65487, 1280, 65487)
	for range 100 {
		p.sent += 100 * protocol.MaxDatagramSize
		size := p.d.NextProbe(p.now, p.sent)
		if size == 0 {
			break
		}
		if size > 1472 {
			p.lost++
			p.d.OnTooLong(p.now, size)
			continue
		}
		p.d.OnProbeSent(p.sent)
		p.d.OnProbeAcked(p.now, size)
	}
	if got := p.d.Current(); got != 1472 || p.lost > 8 {
		t.Errorf("Current = %d after %d refused probes, want 1472 after few", got, p.lost)
	}
}

func TestPacketTooLongForTheSystem(t *testing.T) {
	p := newPath(1452, 1280, 1452)
	p.search()
	if p.d.OnTooLong(p.now, 1452); p.d.Current() != base {
		t.Fatalf("Current = %d, want %d", p.d.Current(), base)
	}
	if p.d.OnTooLong(p.now, base); p.d.Current() != base {
		t.Errorf("Current = %d, want %d", p.d.Current(), base)
	}
	p.mtu = 1400
	p.search()
	if got := p.d.Current(); got != 1392 {
		t.Errorf("found %d, want 1392; probed %v", got, p.probed)
	}
}

func TestHandshakeFallsBack(t *testing.T) {
	d := New(second, 1280)
	if d.OnPTO(); d.Current() != 1280 {
		t.Errorf("Current = %d after one PTO, want 1280", d.Current())
	}
	for range 2 {
		if d.OnPTO(); d.Current() != base {
			t.Errorf("Current = %d after more PTOs, want %d", d.Current(), base)
		}
	}
	d.Search(1280)
	if got := d.NextProbe(second, 0); got != 1232 && got != 1280 {
		t.Errorf("NextProbe = %d, want another try", got)
	}
}

// TestRandomFates: whatever happens, the size stays in its bounds and the probe above it.
func TestRandomFates(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 0))
		limit := base + protocol.ByteCount(r.IntN(protocol.MaxDatagramSize-int(base)))
		start := base + protocol.ByteCount(r.IntN(int(limit-base)+1))
		p := newPath(0, start, limit)
		for range 500 {
			p.now += monotime.Time(r.Int64N(int64(time.Minute)))
			p.sent += uint64(r.IntN(1 << 20))
			size := p.d.NextProbe(p.now, p.sent)
			if low := p.d.Current(); size != 0 && (size < low || size == low && !p.d.InDoubt() || size > limit) {
				t.Fatalf("seed %d: probe of %d at %d, limit %d", seed, size, p.d.Current(), limit)
			}
			randomFate(r, p, size)
			if got := p.d.Current(); got < base || got > limit {
				t.Fatalf("seed %d: Current = %d, limit %d", seed, got, limit)
			}
		}
	}
}

func randomFate(r *rand.Rand, p *path, probe protocol.ByteCount) {
	size := base + protocol.ByteCount(r.IntN(int(p.d.limit-base)+1))
	if r.IntN(3) == 0 {
		size = p.d.Current()
	}
	sentAt := p.now - monotime.Time(r.IntN(int(second)))
	switch r.IntN(8) {
	case 0:
		p.d.OnAcked(sentAt, size)
	case 1, 2:
		p.d.OnLost(sentAt, size)
	case 3:
		p.d.OnTooLong(p.now, size)
	case 4:
		p.d.OnProbeAcked(p.now, size)
	case 5:
		p.d.OnProbeLost(p.now, size)
	default:
		if probe == 0 {
			return
		}
		p.d.OnProbeSent(p.sent)
		if r.IntN(2) == 0 {
			p.d.OnProbeAcked(p.now, probe)
		} else {
			p.d.OnProbeLost(p.now, probe)
		}
	}
}
