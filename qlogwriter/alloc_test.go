//go:build !race

// The race detector makes sync.Pool drop memory at random.

package qlogwriter

import "testing"

func TestRecordEventAllocatesNothing(t *testing.T) {
	trace := NewFileSeq(&countingFile{})
	go trace.Run()
	rec := trace.AddProducer()
	defer rec.Close()
	var e Event = textEvent("x")
	for range 1000 { // buffers grow
		rec.RecordEvent(e)
	}
	if n := testing.AllocsPerRun(10_000, func() { rec.RecordEvent(e) }); n != 0 {
		t.Errorf("%v allocations for an event, want none", n)
	}
}
