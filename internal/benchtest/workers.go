package benchtest

import (
	"sync"
	"sync/atomic"
	"testing"
)

// Workers measures b.N calls of work by this many goroutines, each of which calls it with its number, from 0 on. The
// measured time begins with the call: what the benchmark has done before is not part of it.
func Workers(b *testing.B, workers int, work func(worker int) error) {
	b.Helper()
	var left atomic.Int64
	left.Store(int64(b.N))
	var wg sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	cpu := StartCPU()
	for i := range workers {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if err := work(i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	cpu.Report(b)
}
