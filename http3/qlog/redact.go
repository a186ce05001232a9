package qlog

import (
	"context"
	"net/http"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/qlogwriter"
)

// RedactHeaders returns a quic.Config.Tracer that replaces the values of header fields in the HEADERS
// frames that it hands on to the traces of tracer. redact gets the name of each field in canonical form,
// and its value, and returns what is to be logged. Without a tracer or without a redact it returns tracer.
func RedactHeaders(
	tracer func(ctx context.Context, isClient bool, connID quic.ConnectionID) qlogwriter.Trace,
	redact func(name, value string) string,
) func(ctx context.Context, isClient bool, connID quic.ConnectionID) qlogwriter.Trace {
	if tracer == nil || redact == nil {
		return tracer
	}
	return func(ctx context.Context, isClient bool, connID quic.ConnectionID) qlogwriter.Trace {
		trace := tracer(ctx, isClient, connID)
		if trace == nil {
			return nil
		}
		return &redactingTrace{trace, redact}
	}
}

type redactingTrace struct {
	qlogwriter.Trace
	redact func(name, value string) string
}

// Unwrap returns the trace that is redacted.
func (t *redactingTrace) Unwrap() qlogwriter.Trace { return t.Trace }

// AddProducer implements qlogwriter.Trace.
func (t *redactingTrace) AddProducer() qlogwriter.Recorder {
	r := t.Trace.AddProducer()
	if r == nil {
		return nil
	}
	return &redactingRecorder{r, t.redact}
}

type redactingRecorder struct {
	qlogwriter.Recorder
	redact func(name, value string) string
}

// RecordEvent implements qlogwriter.Recorder.
func (r *redactingRecorder) RecordEvent(event qlogwriter.Event) {
	switch e := event.(type) {
	case FrameCreated:
		e.Frame = r.frame(e.Frame)
		event = e
	case FrameParsed:
		e.Frame = r.frame(e.Frame)
		event = e
	}
	r.Recorder.RecordEvent(event)
}

// frame returns a copy of a HEADERS frame, and other frames as they are.
func (r *redactingRecorder) frame(f Frame) Frame {
	h, ok := f.Frame.(HeadersFrame)
	if !ok {
		return f
	}
	fields := make([]HeaderField, len(h.HeaderFields))
	for i, field := range h.HeaderFields {
		value := r.redact(http.CanonicalHeaderKey(field.Name), field.Value)
		if value != field.Value {
			field.Value, field.InvalidValue = value, false
		}
		fields[i] = field
	}
	return Frame{HeadersFrame{fields}}
}
