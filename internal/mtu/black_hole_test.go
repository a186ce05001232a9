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

// lose loses n full packets while one of size bytes, sent later, arrives.
func (p *path) lose(n int, size protocol.ByteCount) {
	sentAt := p.now + 1
	p.now += rtt
	p.d.OnAcked(sentAt+1, size)
	for range n {
		p.d.OnLost(sentAt, p.d.Current())
	}
}

// probe sends the probe that is due and loses it if it is larger than the path. It returns its size.
func (p *path) probe() protocol.ByteCount {
	size := p.d.NextProbe(p.now, p.sent)
	if size == 0 {
		return 0
	}
	p.d.OnProbeSent(p.sent)
	p.now += rtt
	if size > p.mtu {
		p.d.OnProbeLost(p.now, size)
	} else {
		p.d.OnProbeAcked(p.now, size)
	}
	return size
}

func TestBlackHole(t *testing.T) {
	p := found(1472)
	p.lose(doubtPackets-1, 1200)
	if p.d.InDoubt() {
		t.Fatal("in doubt too early")
	}
	p.lose(1, 1200)
	if !p.d.InDoubt() || p.d.Current() != 1472 {
		t.Fatalf("InDoubt, Current = %t, %d, want true, 1472", p.d.InDoubt(), p.d.Current())
	}
	p.mtu = 1350
	for i := range doubtProbes {
		if got := p.d.Current(); got != 1472 {
			t.Fatalf("Current = %d after %d lost probes", got, i)
		}
		if size := p.probe(); size != 1472 {
			t.Fatalf("probe of %d bytes, want 1472", size)
		}
	}
	if p.d.InDoubt() || p.d.Current() != base {
		t.Fatalf("InDoubt, Current = %t, %d, want false, %d", p.d.InDoubt(), p.d.Current(), base)
	}
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

func TestDoubtIsDispelled(t *testing.T) {
	for _, tc := range []struct {
		name string
		f    func(p *path)
	}{
		{"by a probe", func(p *path) { p.probe() }},
		{"by a packet of that size", func(p *path) { p.d.OnAcked(p.now, p.d.Current()) }},
		{"by a packet while a probe is in flight", func(p *path) {
			p.d.OnProbeSent(p.sent)
			p.d.OnAcked(p.now, p.d.Current())
			p.d.OnProbeLost(p.now, p.d.Current())
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := found(1472)
			for range 2 * doubtProbes {
				p.lose(doubtPackets, 1200)
				if !p.d.InDoubt() {
					t.Fatal("not in doubt")
				}
				tc.f(p)
				if p.d.InDoubt() || p.d.Current() != 1472 {
					t.Fatalf("InDoubt, Current = %t, %d, want false, 1472", p.d.InDoubt(), p.d.Current())
				}
			}
		})
	}
}

func TestNoDoubt(t *testing.T) {
	for _, tc := range []struct {
		name string
		f    func(p *path)
	}{
		{"packets of that size arrive", func(p *path) { p.lose(10, p.d.Current()) }},
		{"one packet of that size arrives", func(p *path) {
			p.lose(doubtPackets-1, 60)
			p.d.OnAcked(p.now, p.d.Current())
		}},
		{"small packets are lost", func(p *path) { p.d.OnLost(p.now, 1200) }},
		{"losses of before the path was used", func(p *path) {
			p.d = New(p.now, 1472)
			for range 10 {
				p.d.OnLost(p.now-1, 1472)
			}
		}},
		{"losses of larger packets than there are", func(p *path) { p.d.OnLost(p.now, 1473) }},
		{"late news of a packet that a later one of its size has overtaken", func(p *path) {
			p.d.OnAcked(p.now+1, p.d.Current())
			p.d.OnAcked(p.now+2, 60)
			p.d.OnLost(p.now, p.d.Current())
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := found(1472)
			for range 100 {
				p.now += rtt
				tc.f(p)
			}
			if p.d.InDoubt() || p.d.Current() != 1472 {
				t.Errorf("InDoubt, Current = %t, %d, want false, 1472", p.d.InDoubt(), p.d.Current())
			}
		})
	}
}

// TestDoubtDuringSearch: what is probed for a larger size goes on afterwards.
func TestDoubtDuringSearch(t *testing.T) {
	p := newPath(1472, 1280, 1472)
	p.lose(doubtPackets, 1200)
	if size := p.probe(); size != 1280 {
		t.Fatalf("probe of %d bytes, want 1280", size)
	}
	p.search()
	if got := p.d.Current(); got != 1472 {
		t.Errorf("found %d, want 1472", got)
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
			p.randomRound(r)
			if p.d.Current() == base {
				falls++
				p.search()
			}
		}
		if falls > minutes {
			t.Errorf("seed %d: %d falls in %d minutes", seed, falls, minutes)
		}
	}
}

func (p *path) randomRound(r *rand.Rand) {
	const loss = 0.3
	sentAt := p.now + 1
	p.now += rtt
	if size := p.d.NextProbe(p.now, p.sent); size > 0 {
		p.d.OnProbeSent(p.sent)
		if r.Float64() < loss {
			p.d.OnProbeLost(p.now, size)
		} else {
			p.d.OnProbeAcked(p.now, size)
		}
		return
	}
	lost := 0
	for range 2 {
		if r.Float64() < loss {
			lost++
			continue
		}
		p.d.OnAcked(sentAt, p.d.Current())
	}
	if lost == 2 {
		p.now += 3 * rtt // PTO
		p.d.OnAcked(p.now-rtt, base)
	}
	for range lost {
		p.d.OnLost(sentAt, p.d.Current())
	}
}

func TestNoAllocations(t *testing.T) {
	p := found(1472)
	if n := testing.AllocsPerRun(100, func() {
		p.now += rtt
		p.d.NextProbe(p.now, p.sent)
		p.d.OnAcked(p.now, 1400)
		p.d.OnLost(p.now, 1450)
	}); n != 0 {
		t.Errorf("%v allocations per packet", n)
	}
}
