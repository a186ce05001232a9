package qlog

import (
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/qlogwriter"
	"github.com/quic-go/quic-go/qlogwriter/jsontext"
)

// EventSchema is the schema of the events of this package.
const EventSchema = "urn:ietf:params:qlog:events:http3-14"

func init() { qlogwriter.RegisterEventSchema(EventSchema) }

// An Initiator is the side that opened a stream.
type Initiator string

// The two sides.
const (
	InitiatorLocal  Initiator = "local"
	InitiatorRemote Initiator = "remote"
)

// A StreamType is the type of a unidirectional stream (RFC 9114, Section 6.2).
type StreamType string

// Types of streams.
const (
	StreamTypeControl     StreamType = "control"
	StreamTypePush        StreamType = "push"
	StreamTypeQPACKEncode StreamType = "qpack_encode"
	StreamTypeQPACKDecode StreamType = "qpack_decode"
	StreamTypeUnknown     StreamType = "unknown"
)

// OmitLength is a length in a RawInfo that is not known.
const OmitLength = -1

// RawInfo holds the sizes of a frame or datagram.
type RawInfo struct {
	Length        int // all of it
	PayloadLength int // without its header
}

// HasValues reports whether one of the sizes is known.
func (r RawInfo) HasValues() bool { return r.Length != OmitLength || r.PayloadLength != OmitLength }

// An object is the JSON of an event.
type object struct{ *jsontext.Object }

func begin(enc *jsontext.Encoder) object { return object{enc.Object()} }

func (o object) raw(r RawInfo) {
	o.BeginObject("raw")
	if r.Length != OmitLength {
		o.Int("length", int64(r.Length))
	}
	if r.PayloadLength != OmitLength {
		o.Int("payload_length", int64(r.PayloadLength))
	}
	o.EndObject()
}

// FrameCreated is the event frame_created: a frame was written to a stream.
type FrameCreated struct {
	StreamID quic.StreamID
	Raw      RawInfo
	Frame    Frame
}

// Name implements qlogwriter.Event.
func (FrameCreated) Name() string { return "http3:frame_created" }

// Encode implements qlogwriter.Event.
func (e FrameCreated) Encode(enc *jsontext.Encoder, _ time.Time) error {
	return encodeFrame(enc, e.StreamID, e.Raw, e.Frame)
}

// FrameParsed is the event frame_parsed: a frame was read from a stream.
type FrameParsed struct {
	StreamID quic.StreamID
	Raw      RawInfo
	Frame    Frame
}

// Name implements qlogwriter.Event.
func (FrameParsed) Name() string { return "http3:frame_parsed" }

// Encode implements qlogwriter.Event.
func (e FrameParsed) Encode(enc *jsontext.Encoder, _ time.Time) error {
	return encodeFrame(enc, e.StreamID, e.Raw, e.Frame)
}

func encodeFrame(enc *jsontext.Encoder, id quic.StreamID, raw RawInfo, f Frame) error {
	o := begin(enc)
	o.Int("stream_id", int64(id))
	o.BeginObject("frame")
	if raw.HasValues() {
		o.raw(raw)
	}
	o.frame(f.Frame)
	o.EndObject()
	return o.End()
}

// DatagramCreated is the event datagram_created: an HTTP datagram was sent.
type DatagramCreated struct {
	QuarterStreamID uint64
	Raw             RawInfo
}

// Name implements qlogwriter.Event.
func (DatagramCreated) Name() string { return "http3:datagram_created" }

// Encode implements qlogwriter.Event.
func (e DatagramCreated) Encode(enc *jsontext.Encoder, _ time.Time) error {
	return encodeDatagram(enc, e.QuarterStreamID, e.Raw)
}

// DatagramParsed is the event datagram_parsed: an HTTP datagram was received.
type DatagramParsed struct {
	QuarterStreamID uint64
	Raw             RawInfo
}

// Name implements qlogwriter.Event.
func (DatagramParsed) Name() string { return "http3:datagram_parsed" }

// Encode implements qlogwriter.Event.
func (e DatagramParsed) Encode(enc *jsontext.Encoder, _ time.Time) error {
	return encodeDatagram(enc, e.QuarterStreamID, e.Raw)
}

func encodeDatagram(enc *jsontext.Encoder, quarterStreamID uint64, raw RawInfo) error {
	o := begin(enc)
	o.Uint("quarter_stream_id", quarterStreamID)
	o.raw(raw)
	return o.End()
}

// StreamTypeSet is the event stream_type_set: a stream has a type.
type StreamTypeSet struct {
	Initiator       Initiator
	StreamID        quic.StreamID
	StreamType      StreamType
	StreamTypeBytes uint64 // the number of an unknown type
}

// Name implements qlogwriter.Event.
func (StreamTypeSet) Name() string { return "http3:stream_type_set" }

// Encode implements qlogwriter.Event.
func (e StreamTypeSet) Encode(enc *jsontext.Encoder, _ time.Time) error {
	o := begin(enc)
	o.Text("initiator", string(e.Initiator))
	o.Int("stream_id", int64(e.StreamID))
	o.Text("stream_type", string(e.StreamType))
	if e.StreamType == StreamTypeUnknown {
		o.Uint("stream_type_bytes", e.StreamTypeBytes)
	}
	return o.End()
}
