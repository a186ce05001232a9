package qlog

import (
	"context"
	"net/netip"

	"github.com/quic-go/quic-go/qlogwriter"
)

// RedactIPs returns a quic.Config.Tracer that replaces IP addresses in the events that it hands on to the
// traces of tracer. redact is asked for each address, of the local side or not, by which text to replace
// it; false keeps the address. Without a tracer or without a redact it returns tracer.
//
// Only events of this package are known. Texts, such as the reason of a CONNECTION_CLOSE, are kept.
func RedactIPs(
	tracer func(ctx context.Context, isClient bool, connID ConnectionID) qlogwriter.Trace,
	redact func(addr netip.AddrPort, isLocal bool) (string, bool),
) func(ctx context.Context, isClient bool, connID ConnectionID) qlogwriter.Trace {
	if tracer == nil || redact == nil {
		return tracer
	}
	return func(ctx context.Context, isClient bool, connID ConnectionID) qlogwriter.Trace {
		trace := tracer(ctx, isClient, connID)
		if trace == nil {
			return nil
		}
		return &redactingTrace{trace, redact}
	}
}

type redactingTrace struct {
	qlogwriter.Trace
	redact func(addr netip.AddrPort, isLocal bool) (string, bool)
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
	redact func(addr netip.AddrPort, isLocal bool) (string, bool)
}

// RecordEvent implements qlogwriter.Recorder.
func (r *redactingRecorder) RecordEvent(event qlogwriter.Event) {
	switch e := event.(type) {
	case StartedConnection:
		e.RedactedLocal = r.endpoint(e.Local, true)
		e.RedactedRemote = r.endpoint(e.Remote, false)
		event = e
	case TupleAssigned:
		e.RedactedLocal = r.endpoint(e.Local, true)
		e.RedactedRemote = r.endpoint(e.Remote, false)
		event = e
	case ParametersSet:
		if e.PreferredAddress != nil {
			isLocal := e.Initiator == InitiatorLocal
			p := *e.PreferredAddress
			p.RedactedIPv4 = r.address(p.IPv4, isLocal)
			p.RedactedIPv6 = r.address(p.IPv6, isLocal)
			e.PreferredAddress = &p
		}
		event = e
	}
	r.Recorder.RecordEvent(event)
}

// endpoint returns the one text that stands for both addresses.
func (r *redactingRecorder) endpoint(e TupleEndpointInfo, isLocal bool) *string {
	if text := r.address(e.IPv4, isLocal); text != nil {
		return text
	}
	return r.address(e.IPv6, isLocal)
}

func (r *redactingRecorder) address(a netip.AddrPort, isLocal bool) *string {
	if !a.IsValid() {
		return nil
	}
	if text, ok := r.redact(a, isLocal); ok {
		return &text
	}
	return nil
}
