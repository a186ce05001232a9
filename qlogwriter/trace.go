package qlogwriter

import (
	"time"

	"github.com/quic-go/quic-go/qlogwriter/jsontext"
)

// A Trace collects the events of one connection.
type Trace interface {
	// AddProducer returns a Recorder for one more layer. It returns nil once the trace is
	// closed, which it is when the last of its Recorders was closed.
	AddProducer() Recorder
}

// A Recorder takes the events of one layer. It is safe for concurrent use.
type Recorder interface {
	// RecordEvent records an event with the current time. It does not block, except for a Recorder of FileSeq whose
	// file has fallen far behind.
	RecordEvent(Event)
	// Close says that this layer records no more.
	Close() error
}

// An Event is one qlog event.
type Event interface {
	// Name returns the name of the event with its schema's prefix.
	Name() string
	// Encode writes the event's data as one JSON object.
	Encode(enc *jsontext.Encoder, eventTime time.Time) error
}
