package flowcontrol

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
)

const (
	start = monotime.Time(1000 * time.Second)
	rtt   = 100 * time.Millisecond
)

func checkPanics(t *testing.T, name string, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Errorf("%s: no panic", name)
		}
	}()
	f()
}

func TestSendWindow(t *testing.T) {
	var w SendWindow
	check := func(limit, used protocol.ByteCount) {
		t.Helper()
		if w.Limit() != limit || w.Used() != used || w.Available() != limit-used {
			t.Fatalf("Limit, Used, Available = %d, %d, %d, want %d, %d, %d", w.Limit(), w.Used(), w.Available(), limit, used, limit-used)
		}
	}
	check(0, 0)
	if w.Raise(0) {
		t.Error("Raise(0) of the zero value is an increase")
	}
	if !w.Raise(1000) {
		t.Error("Raise(1000) is no increase")
	}
	w.Take(600)
	check(1000, 600)
	if w.Raise(1000) || w.Raise(500) {
		t.Error("Raise lowered the limit or kept it and reports an increase")
	}
	check(1000, 600)
	w.Take(400)
	w.Take(0)
	check(1000, 1000)
	checkPanics(t, "more than available", func() { w.Take(1) })
	checkPanics(t, "less than nothing", func() { w.Take(-1) })
	w.Raise(protocol.MaxByteCount)
	w.Take(protocol.MaxByteCount - 1000)
	check(protocol.MaxByteCount, protocol.MaxByteCount)
}

func TestBlockedReportsOncePerLimit(t *testing.T) {
	var w SendWindow
	check := func(limit protocol.ByteCount, report bool) {
		t.Helper()
		if l, r := w.Blocked(); l != limit || r != report {
			t.Fatalf("Blocked() = %d, %t, want %d, %t", l, r, limit, report)
		}
	}
	check(0, true)
	check(0, false)
	w.Raise(100)
	check(100, false) // there is credit
	w.Take(100)
	check(100, true)
	check(100, false)
	w.Raise(100) // not raised
	check(100, false)
	w.Raise(101)
	check(101, false)
	w.Take(1)
	check(101, true)
	check(101, false)
}

func TestReceiveOnStream(t *testing.T) {
	w := NewReceiveWindow(1000, 4000)
	for _, test := range []struct {
		highest, newBytes protocol.ByteCount
		ok                bool
	}{{0, 0, true}, {400, 400, true}, {300, 0, true}, {400, 0, true}, {1001, 601, false}, {1000, 600, true}, {1000, 0, true}, {1001, 1, false}, {protocol.MaxByteCount, protocol.MaxByteCount - 1000, false}} {
		if n, ok := w.Receive(test.highest); ok != test.ok || n != test.newBytes {
			t.Errorf("Receive(%d) = %d, %t, want %d, %t", test.highest, n, ok, test.newBytes, test.ok)
		}
	}
}

func TestAddOnConnection(t *testing.T) {
	w := NewReceiveWindow(1000, 4000)
	for _, test := range []struct {
		n  protocol.ByteCount
		ok bool
	}{{0, true}, {999, true}, {2, false}, {1, true}, {1, false}, {protocol.MaxByteCount, false}} {
		if ok := w.Add(test.n); ok != test.ok {
			t.Errorf("Add(%d) = %t, want %t", test.n, ok, test.ok)
		}
	}
	w.Consume(1000)
	checkPanics(t, "more than received", func() { w.Consume(1) })
	checkPanics(t, "less than nothing", func() { w.Consume(-1) })
}

func TestUpdateIsDueAfterAQuarter(t *testing.T) {
	w := NewReceiveWindow(1000, 1000)
	w.Add(1000)
	for range 2 {
		w.Consume(249)
		if w.UpdateDue() {
			t.Error("due too early")
		}
		w.Consume(1)
		if !w.UpdateDue() {
			t.Error("not due after a quarter")
		}
		before := w.Limit()
		if got := w.Update(start, rtt, nil); got != before+250 || w.Limit() != got {
			t.Errorf("Update() = %d, Limit() = %d, want %d", got, w.Limit(), before+250)
		}
		if w.UpdateDue() {
			t.Error("due right after an update")
		}
	}
}

func TestWindowOfNothing(t *testing.T) {
	w := NewReceiveWindow(0, 0)
	if w.UpdateDue() {
		t.Error("an update of an empty window is due")
	}
	if _, ok := w.Receive(1); ok {
		t.Error("an empty window takes a byte")
	}
	if got := w.Update(start, rtt, nil); got != 0 {
		t.Errorf("Update() = %d, want 0", got)
	}
}

func TestMaximumBelowInitial(t *testing.T) {
	w := NewReceiveWindow(1000, 10)
	w.EnsureSize(2000)
	if w.Size() != 1000 {
		t.Errorf("Size() = %d, want 1000", w.Size())
	}
}

func TestLimitFitsAVarint(t *testing.T) {
	w := NewReceiveWindow(protocol.MaxByteCount, protocol.MaxByteCount)
	w.Add(protocol.MaxByteCount)
	w.Consume(protocol.MaxByteCount)
	if w.UpdateDue() {
		t.Error("an update beyond the largest offset is due")
	}
	if got := w.Update(start, rtt, nil); got != protocol.MaxByteCount {
		t.Errorf("Update() = %d, want %d", got, protocol.MaxByteCount)
	}
}

// step lets a quarter of the window be received and consumed within the time d.
func step(w *ReceiveWindow, now *monotime.Time, d time.Duration, mayGrow func(protocol.ByteCount) bool) {
	*now = now.Add(d)
	n := (w.Size() + 3) / 4
	w.Add(n)
	w.Consume(n)
	w.Update(*now, rtt, mayGrow)
}

func TestAutoTuning(t *testing.T) {
	for _, test := range []struct {
		name    string
		quarter time.Duration // in which a quarter of the window is consumed
		steps   int
		want    protocol.ByteCount
	}{
		{"half a window per 2 RTT", rtt, 3, 2000},
		{"a bit slower", rtt + 1, 100, 1000},
		{"fast", rtt / 10, 3, 2000},
		{"fast for long", rtt / 10, 5, 4000},
		{"up to the maximum", rtt / 10, 100, 5000},
		{"at once", 0, 100, 5000},
		{"slow", time.Minute, 100, 1000},
	} {
		t.Run(test.name, func(t *testing.T) {
			w, now := NewReceiveWindow(1000, 5000), start
			for range test.steps {
				step(&w, &now, test.quarter, nil)
			}
			if w.Size() != test.want {
				t.Errorf("Size() = %d, want %d", w.Size(), test.want)
			}
		})
	}
}

func TestNoGrowthWithoutRTT(t *testing.T) {
	w := NewReceiveWindow(1000, 5000)
	for range 20 {
		w.Add(250)
		w.Consume(250)
		w.Update(start, 0, nil)
	}
	if w.Size() != 1000 {
		t.Errorf("Size() = %d, want 1000", w.Size())
	}
}

// Times may be negative, so the time of the first update says nothing about the speed before it.
func TestFirstUpdateDoesNotGrow(t *testing.T) {
	for _, now := range []monotime.Time{-start, -1, 1, start} {
		w := NewReceiveWindow(1000, 5000)
		w.Add(1000)
		w.Consume(1000)
		w.Update(now, rtt, nil)
		if w.Size() != 1000 {
			t.Errorf("Size() = %d after the first update at %d, want 1000", w.Size(), now)
		}
	}
}

func TestGrowthAfterAPause(t *testing.T) {
	w, now := NewReceiveWindow(1000, 5000), start
	for range 3 {
		step(&w, &now, time.Hour, nil)
	}
	if w.Size() != 1000 {
		t.Fatalf("Size() = %d while idle, want 1000", w.Size())
	}
	for range 2 {
		step(&w, &now, rtt/2, nil)
	}
	if w.Size() != 2000 {
		t.Errorf("Size() = %d after half a window within an RTT, want 2000", w.Size())
	}
}

func TestGrowthNeedsPermission(t *testing.T) {
	w, now := NewReceiveWindow(1000, 3000), start
	var asked []protocol.ByteCount
	allow := false
	mayGrow := func(delta protocol.ByteCount) bool { asked = append(asked, delta); return allow }
	for range 10 {
		step(&w, &now, rtt/10, mayGrow)
	}
	if w.Size() != 1000 || len(asked) == 0 || asked[0] != 1000 {
		t.Errorf("Size() = %d, asked for %v", w.Size(), asked)
	}
	allow = true
	asked = nil
	for range 10 {
		step(&w, &now, rtt/10, mayGrow)
	}
	if w.Size() != 3000 || len(asked) != 2 || asked[0] != 1000 || asked[1] != 1000 {
		t.Errorf("Size() = %d, asked for %v, want 3000 and twice for 1000", w.Size(), asked)
	}
}

func TestEnsureSize(t *testing.T) {
	w := NewReceiveWindow(1000, 2000)
	w.EnsureSize(500)
	if w.Size() != 1000 || w.UpdateDue() {
		t.Errorf("Size() = %d after EnsureSize(500), want 1000 and no update", w.Size())
	}
	w.EnsureSize(1100)
	if w.Size() != 1100 || w.UpdateDue() {
		t.Errorf("Size() = %d after EnsureSize(1100), want 1100 and no update for so little", w.Size())
	}
	w.EnsureSize(5000)
	if w.Size() != 2000 || !w.UpdateDue() {
		t.Errorf("Size() = %d after EnsureSize(5000), want 2000 and an update", w.Size())
	}
	if got := w.Update(start, rtt, nil); got != 2000 {
		t.Errorf("Update() = %d, want 2000", got)
	}
}

// The peer sends as fast as it may, the reader reads at random: limits never shrink, the credit is
// never larger than the window, and the peer is never stuck.
func TestRandomWalk(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 3))
		w, now := NewReceiveWindow(1000, 16_000), start
		var send SendWindow
		send.Raise(1000)
		var consumed protocol.ByteCount
		for range 2000 {
			now = now.Add(time.Duration(rng.Int64N(int64(rtt))))
			n := protocol.ByteCount(rng.Int64N(int64(send.Available()) + 1))
			if send.Available() > 0 {
				send.Take(n)
			}
			if got, ok := w.Receive(send.Used()); got != n || !ok {
				t.Fatalf("seed %d: Receive(%d) = %d, %t, want %d, true", seed, send.Used(), got, ok, n)
			}
			if _, ok := w.Receive(send.Limit() + 1); ok {
				t.Fatalf("seed %d: byte %d is beyond the limit", seed, send.Limit()+1)
			}
			read := protocol.ByteCount(rng.Int64N(int64(send.Used()-consumed) + 1))
			w.Consume(read)
			consumed += read
			if w.UpdateDue() {
				if !send.Raise(w.Update(now, rtt, nil)) {
					t.Fatalf("seed %d: the limit %d is no increase", seed, w.Limit())
				}
			}
			if w.Limit()-consumed > w.Size() || w.Size() > 16_000 {
				t.Fatalf("seed %d: %d bytes of credit, window %d", seed, w.Limit()-consumed, w.Size())
			}
			if consumed == send.Used() && send.Available() == 0 {
				t.Fatalf("seed %d: stuck at %d", seed, consumed)
			}
		}
	}
}

func TestNoAllocations(t *testing.T) {
	w, now := NewReceiveWindow(100_000, 200_000), start
	var send SendWindow
	send.Raise(100_000)
	if allocs := testing.AllocsPerRun(1000, func() {
		now = now.Add(time.Millisecond)
		send.Take(1000)
		w.Receive(send.Used())
		w.Consume(1000)
		if w.UpdateDue() {
			send.Raise(w.Update(now, rtt, nil))
		}
	}); allocs != 0 {
		t.Errorf("%v allocations, want 0", allocs)
	}
}

func BenchmarkPacket(b *testing.B) {
	w, now := NewReceiveWindow(100_000, 200_000), start
	var send SendWindow
	send.Raise(100_000)
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(time.Millisecond)
		send.Take(1000)
		w.Receive(send.Used())
		w.Consume(1000)
		if w.UpdateDue() {
			send.Raise(w.Update(now, rtt, nil))
		}
	}
}
