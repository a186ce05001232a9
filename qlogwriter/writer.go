package qlogwriter

import (
	"sync/atomic"
	"time"
)

// A Writer is the Recorder of a FileSeq.
type Writer struct {
	trace  *FileSeq
	closed atomic.Bool
}

// RecordEvent implements Recorder. It keeps nothing of the event. After Close it does nothing.
func (w *Writer) RecordEvent(e Event) {
	if !w.closed.Load() {
		w.trace.record(e, time.Now())
	}
}

// Close implements Recorder. Closing twice is fine.
func (w *Writer) Close() error {
	if !w.closed.Swap(true) {
		w.trace.removeProducer()
	}
	return nil
}
