package qlog

import (
	"context"
	"net/netip"
	"testing"

	"github.com/quic-go/quic-go/qlogwriter"
	"github.com/quic-go/quic-go/testutils/events"
)

func TestWithStreamStates(t *testing.T) {
	plain := func(context.Context, bool, ConnectionID) qlogwriter.Trace {
		return &events.Trace{Recorder: &events.Recorder{}}
	}
	none := func(context.Context, bool, ConnectionID) qlogwriter.Trace { return nil }
	redact := func(netip.AddrPort, bool) (string, bool) { return "", true }
	t.Setenv("QLOGDIR", t.TempDir())
	tests := []struct {
		name   string
		tracer func(context.Context, bool, ConnectionID) qlogwriter.Trace
		want   bool
	}{
		{"a trace", plain, false},
		{"no trace", none, false},
		{"with states", WithStreamStates(plain), true},
		{"with states of nothing", WithStreamStates(none), false},
		{"redacted", RedactIPs(WithStreamStates(plain), redact), true},
		{"redacted inside", WithStreamStates(RedactIPs(plain, redact)), true},
		{"redacted without states", RedactIPs(plain, redact), false},
		{"the default", DefaultConnectionTracer, false},
	}
	for _, test := range tests {
		trace := test.tracer(t.Context(), true, cid)
		if got := HasStreamStates(trace); got != test.want {
			t.Errorf("%s: HasStreamStates = %t, want %t", test.name, got, test.want)
		}
		if trace != nil {
			trace.AddProducer().Close()
		}
	}
	if WithStreamStates(nil) != nil {
		t.Error("WithStreamStates(nil) is a tracer")
	}
}

func TestStreamStatesByEnvironment(t *testing.T) {
	t.Setenv("QLOG_STREAM_STATES", "1")
	t.Setenv("QLOGDIR", "")
	if trace := DefaultConnectionTracer(t.Context(), true, cid); trace != nil {
		t.Errorf("DefaultConnectionTracer = %v without a directory, want nil", trace)
	}
	t.Setenv("QLOGDIR", t.TempDir())
	trace := DefaultConnectionTracer(t.Context(), true, cid)
	if !HasStreamStates(trace) {
		t.Error("no states although QLOG_STREAM_STATES is set")
	}
	trace.AddProducer().Close()
}
