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

// RecordEvent implements Recorder. After Close it does nothing.
func (w *Writer) RecordEvent(e Event) {
	if w.closed.Load() {
		return
	}
	select {
	case w.trace.events <- timedEvent{time: time.Now(), Event: e}:
	case <-w.trace.ended:
	}
}

// Close implements Recorder. Closing twice is fine.
func (w *Writer) Close() error {
	if !w.closed.Swap(true) {
		w.trace.removeProducer()
	}
	return nil
}
