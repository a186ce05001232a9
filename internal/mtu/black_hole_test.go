package mtu

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
)

const rtt = second / 20

// found returns a path on which the search is over.
func found(mtu protocol.ByteCount) *path {
	p := newPath(mtu, 1280, mtu)
	p.search()
	return p
}

// round loses n full packets and then delivers one of size bytes. It reports whether the size has changed.
func (p *path) round(n int, size protocol.ByteCount) (changed bool) {
	sentAt := p.now + 1
	full := p.d.Current()
	p.now += rtt
	p.d.OnAcked(sentAt+1, size)
	for range n {
		changed = p.d.OnLost(p.now, sentAt, full) || changed
	}
	return changed
}

func TestBlackHole(t *testing.T) {
	p := found(1472)
	for i := range holeRounds {
		if changed := p.round(holePackets, 1200); changed != (i == holeRounds-1) {
			t.Fatalf("round %d: changed = %t", i, changed)
		}
	}
	if got := p.d.Current(); got != base {
		t.Fatalf("Current = %d, want %d", got, base)
	}
	p.mtu = 1350
	p.search()
	if got := p.d.Current(); got != 1350 {
		t.Errorf("found %d after the black hole, want 1350; probed %v", got, p.probed)
	}
	p.mtu = 1472
	p.now += monotime.Time(raiseInterval)
	p.search()
	if got := p.d.Current(); got != 1472 {
		t.Errorf("found %d at last, want 1472", got)
	}
}

func TestNoBlackHole(t *testing.T) {
	for _, tc := range []struct {
		name string
		f    func(p *path) (changed bool)
	}{
		{"a burst of losses", func(p *path) bool { return p.round(1000, 60) }},
		{"few packets", func(p *path) (changed bool) {
			for range holePackets - 1 {
				changed = p.round(1, 1200) || changed
			}
			return changed
		}},
		{"packets of that size arrive", func(p *path) (changed bool) {
			for range 100 {
				changed = p.round(10, p.d.Current()) || changed
			}
			return changed
		}},
		{"one packet of that size arrives", func(p *path) (changed bool) {
			for range 100 {
				changed = p.round(10, 60) || p.round(10, 60) || changed
				p.d.OnAcked(p.now, p.d.Current())
			}
			return changed
		}},
		{"small packets are lost", func(p *path) (changed bool) {
			for range 100 {
				p.now += rtt
				changed = p.d.OnLost(p.now, p.now-1, 1200) || changed
			}
			return changed
		}},
		{"losses of before the path was used", func(p *path) (changed bool) {
			p.d = New(p.now, 1452)
			for i := range monotime.Time(100) {
				changed = p.d.OnLost(p.now+i*rtt, p.now-1, 1452) || changed
			}
			return changed
		}},
		{"losses of larger packets than there are", func(p *path) (changed bool) {
			for i := range monotime.Time(100) {
				changed = p.d.OnLost(p.now+i*rtt, p.now+i*rtt-1, 1473) || changed
			}
			return changed
		}},
		{"late news of a packet that a later one of its size has overtaken", func(p *path) (changed bool) {
			for range 100 {
				sentAt := p.now + 1
				p.now += rtt
				p.d.OnAcked(sentAt+1, p.d.Current())
				p.d.OnAcked(sentAt+2, 60)
				changed = p.d.OnLost(p.now, sentAt, p.d.Current()) || changed
			}
			return changed
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := found(1472)
			if tc.f(p) || p.d.Current() < 1452 {
				t.Errorf("the size has fallen to %d", p.d.Current())
			}
		})
	}
}

// TestRandomLossIsNoBlackHole loses almost a third of all packets of a sender whose window is at its minimum: two full packets in a
// round trip, and small packets when both are lost.
func TestRandomLossIsNoBlackHole(t *testing.T) {
	const minutes = 100
	for seed := range uint64(4) {
		r := rand.New(rand.NewPCG(seed, 1))
		p := found(1472)
		falls := 0
		for end := p.now + minutes*monotime.Time(time.Minute); p.now < end; {
			falls += p.randomRound(r)
		}
		if falls > minutes {
			t.Errorf("seed %d: %d falls in %d minutes", seed, falls, minutes)
		}
	}
}

func (p *path) randomRound(r *rand.Rand) (falls int) {
	lost := 0
	full := p.d.Current()
	sentAt := p.now + 1
	for range 2 {
		if r.Float64() < 0.3 {
			lost++
			continue
		}
		p.d.OnAcked(sentAt, full)
	}
	p.now += rtt
	if lost == 2 {
		p.now += 3 * rtt // PTO
		p.d.OnAcked(p.now-rtt, base)
	}
	for range lost {
		if p.d.OnLost(p.now, sentAt, full) {
			falls++
			p.search()
		}
	}
	return falls
}

func TestNoAllocations(t *testing.T) {
	p := found(1472)
	if n := testing.AllocsPerRun(100, func() {
		p.now += rtt
		p.d.NextProbe(p.now, p.sent)
		p.d.OnAcked(p.now, 1400)
		p.d.OnLost(p.now, p.now, 1450)
	}); n != 0 {
		t.Errorf("%v allocations per packet", n)
	}
}
