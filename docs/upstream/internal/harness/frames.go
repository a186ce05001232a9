package harness

import (
	"context"
	"sync"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/qlog"
	"github.com/quic-go/quic-go/qlogwriter"
)

// Frames records the packets that a connection sends, by the qlog events of Config.Tracer.
type Frames struct {
	mu      sync.Mutex
	packets [][]any
}

// Tracer returns a value for Config.Tracer.
func (f *Frames) Tracer() func(context.Context, bool, quic.ConnectionID) qlogwriter.Trace {
	return func(context.Context, bool, quic.ConnectionID) qlogwriter.Trace { return f }
}

// AddProducer implements qlogwriter.Trace.
func (f *Frames) AddProducer() qlogwriter.Recorder { return f }

// Close implements qlogwriter.Recorder.
func (f *Frames) Close() error { return nil }

// RecordEvent implements qlogwriter.Recorder.
func (f *Frames) RecordEvent(e qlogwriter.Event) {
	var sent qlog.PacketSent
	switch e := e.(type) {
	case qlog.PacketSent:
		sent = e
	case *qlog.PacketSent:
		sent = *e
	default:
		return
	}
	var frames []any
	for _, frame := range sent.Frames {
		frames = append(frames, frame.Frame)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.packets = append(f.packets, frames)
}

// Sent returns the packets in the order of sending.
func (f *Frames) Sent() [][]any {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([][]any(nil), f.packets...)
}
