package qlog

import (
	"context"

	"github.com/quic-go/quic-go/qlogwriter"
)

// WithStreamStates returns a quic.Config.Tracer whose connections also record StreamStateUpdated, into the traces of tracer:
// one event for each state that each half of each stream enters. Without it they do not: quic-go v0.65.0 has no such
// event, and short streams have more states than packets. Without a tracer it returns nil.
func WithStreamStates(
	tracer func(ctx context.Context, isClient bool, connID ConnectionID) qlogwriter.Trace,
) func(ctx context.Context, isClient bool, connID ConnectionID) qlogwriter.Trace {
	if tracer == nil {
		return nil
	}
	return func(ctx context.Context, isClient bool, connID ConnectionID) qlogwriter.Trace {
		trace := tracer(ctx, isClient, connID)
		if trace == nil {
			return nil
		}
		return streamStateTrace{trace}
	}
}

type streamStateTrace struct{ qlogwriter.Trace }

// HasStreamStates reports whether a trace comes from WithStreamStates. A trace around another one shows it with a
// method Unwrap() qlogwriter.Trace, as those of RedactIPs do.
func HasStreamStates(trace qlogwriter.Trace) bool {
	for trace != nil {
		if _, ok := trace.(streamStateTrace); ok {
			return true
		}
		around, ok := trace.(interface{ Unwrap() qlogwriter.Trace })
		if !ok {
			return false
		}
		trace = around.Unwrap()
	}
	return false
}
