package qlog

import (
	"fmt"
	"time"

	"github.com/quic-go/quic-go/qlogwriter/jsontext"
)

// StreamStateUpdated is the event stream_state_updated: a half of a stream entered a state.
type StreamStateUpdated struct {
	StreamID StreamID
	State    string
	Side     Direction // the half
}

// Name implements qlogwriter.Event.
func (StreamStateUpdated) Name() string { return "quic:stream_state_updated" }

// Encode implements qlogwriter.Event.
func (e StreamStateUpdated) Encode(enc *jsontext.Encoder, _ time.Time) error {
	o := begin(enc)
	o.Int("stream_id", int64(e.StreamID))
	o.Text("stream_type", streamTypeName(e.StreamID.Type()))
	o.Text("new", e.State)
	o.optText("stream_side", string(e.Side))
	return o.End()
}

// StreamPriorityUpdated is the event priority_updated: a stream got another priority (RFC 9218).
type StreamPriorityUpdated struct {
	StreamID    StreamID
	Urgency     int8
	Incremental bool
}

// Name implements qlogwriter.Event.
func (StreamPriorityUpdated) Name() string { return "transport:priority_updated" }

// Encode implements qlogwriter.Event.
func (e StreamPriorityUpdated) Encode(enc *jsontext.Encoder, _ time.Time) error {
	o := begin(enc)
	o.Int("stream_id", int64(e.StreamID))
	priority := fmt.Sprintf("u=%d", e.Urgency)
	if e.Incremental {
		priority += ", i"
	}
	o.Text("new", priority)
	return o.End()
}
