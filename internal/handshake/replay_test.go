package handshake

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func replayID(i int) (id [16]byte) {
	binary.BigEndian.PutUint64(id[:], uint64(i))
	return id
}

func TestReplayFilter(t *testing.T) {
	f := NewReplayFilter(1000)
	start := time.Unix(1000, 0)
	at := func(i int) time.Time { return start.Add(time.Duration(i) * time.Second) }
	const n = 10_000
	for i := range n {
		if !f.FirstUse(replayID(i), at(i)) {
			t.Fatalf("first use of %d = false, want true", i)
		}
		if f.FirstUse(replayID(i), at(i)) {
			t.Fatalf("second use of %d = true, want false", i)
		}
		if got := len(f.cur.ids) + len(f.prev.ids); got > 1000 {
			t.Fatalf("%d entries, want at most 1000", got)
		}
	}
	for i := range n {
		if f.FirstUse(replayID(i), at(i)) {
			t.Fatalf("late second use of %d = true, want false", i)
		}
	}
	// What is as old as the forgotten ones is refused even if it is new to the filter.
	if f.FirstUse(replayID(n+1), at(0)) {
		t.Error("an old ID that may have been forgotten was accepted")
	}
	if !f.FirstUse(replayID(n+2), at(n-10)) {
		t.Error("a recent ID that was never seen was refused")
	}
}

func TestReplayFilterConcurrently(t *testing.T) {
	f := NewReplayFilter(100)
	var accepted atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 1000 {
				if f.FirstUse(replayID(i), time.Unix(int64(i), 0)) {
					accepted.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if got := accepted.Load(); got > 1000 {
		t.Errorf("%d accepted, want at most 1000", got)
	}
}
