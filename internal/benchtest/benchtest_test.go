package benchtest

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

func TestMemoryCountsWhatIsHeld(t *testing.T) {
	const size = 8 << 20
	before := Memory()
	held := make([]byte, size)
	during := Memory() - before
	runtime.KeepAlive(held)
	after := Memory() - before
	if during < size*9/10 || during > size*11/10 || after > size/10 {
		t.Errorf("%d bytes while %d are held, %d afterwards", during, size, after)
	}
}

func TestAllocationsCountsObjects(t *testing.T) {
	const objects = 10_000
	var sink *[100]int
	before := Allocations()
	for range objects {
		sink = new([100]int)
	}
	if n := Allocations() - before; n < objects || n > objects+1000 {
		t.Errorf("%d allocations, want %d", n, objects)
	}
	runtime.KeepAlive(sink)
}

func TestProcessCPUGrows(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // nothing is counted
	}
	start := processCPU()
	if start <= 0 {
		t.Fatalf("a process that runs has used %s", start)
	}
	for end := time.Now().Add(10 * time.Second); processCPU() == start; {
		if time.Now().After(end) {
			t.Fatal("the CPU time does not grow")
		}
	}
}

func TestWorkersShareTheOperations(t *testing.T) {
	const workers = 3
	var calls [workers]atomic.Int64
	b := &testing.B{N: 1000}
	Workers(b, workers, func(worker int) error {
		calls[worker].Add(1)
		return nil
	})
	if n := calls[0].Load() + calls[1].Load() + calls[2].Load(); n != 1000 {
		t.Errorf("%d calls, want 1000", n)
	}
}
