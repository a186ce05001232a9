package qlog

import (
	"encoding/hex"
	"maps"
	"slices"

	"github.com/quic-go/quic-go"
)

// A Frame is one of the frame types of this package, as a value.
type Frame struct {
	Frame any
}

// A DataFrame is a DATA frame.
type DataFrame struct{}

// A HeadersFrame is a HEADERS frame.
type HeadersFrame struct {
	HeaderFields []HeaderField
}

// A HeaderField is a field of a header or trailer section. Names and values that are not valid are
// written in hexadecimal.
type HeaderField struct {
	Name         string
	Value        string
	InvalidName  bool
	InvalidValue bool
}

// A GoAwayFrame is a GOAWAY frame.
type GoAwayFrame struct {
	StreamID quic.StreamID
}

// A SettingsFrame is a SETTINGS frame. Negative values are absent.
type SettingsFrame struct {
	MaxFieldSectionSize int64
	Datagram            int64
	ExtendedConnect     int64
	Other               map[uint64]uint64
}

// A PriorityUpdateFrame is a PRIORITY_UPDATE frame (RFC 9218, Section 7.2).
type PriorityUpdateFrame struct {
	StreamID           quic.StreamID
	PriorityFieldValue string
}

// A PushPromiseFrame is a PUSH_PROMISE frame.
type PushPromiseFrame struct{}

// A CancelPushFrame is a CANCEL_PUSH frame.
type CancelPushFrame struct{}

// A MaxPushIDFrame is a MAX_PUSH_ID frame.
type MaxPushIDFrame struct{}

// A ReservedFrame is a frame of a type that is reserved to be ignored (RFC 9114, Section 7.2.8).
type ReservedFrame struct {
	Type uint64
}

// An UnknownFrame is a frame of an unknown type.
type UnknownFrame struct {
	Type uint64
}

// frame writes the members that tell the frame; none for a type that is not known.
func (o object) frame(f any) {
	switch f := f.(type) {
	case DataFrame:
		o.frameType("data")
	case HeadersFrame:
		o.frameType("headers")
		o.headerFields(f.HeaderFields)
	case GoAwayFrame:
		o.frameType("goaway")
		o.Int("id", int64(f.StreamID))
	case SettingsFrame:
		o.frameType("settings")
		o.settings(&f)
	case PriorityUpdateFrame:
		o.frameType("priority_update")
		o.Int("stream_id", int64(f.StreamID))
		o.Text("priority_field_value", f.PriorityFieldValue)
	case PushPromiseFrame:
		o.frameType("push_promise")
	case CancelPushFrame:
		o.frameType("cancel_push")
	case MaxPushIDFrame:
		o.frameType("max_push_id")
	case ReservedFrame:
		o.frameType("reserved")
		o.Uint("frame_type_bytes", f.Type)
	case UnknownFrame:
		o.frameType("unknown")
		o.Uint("frame_type_bytes", f.Type)
	}
}

func (o object) frameType(name string) { o.Text("frame_type", name) }

func (o object) headerFields(fields []HeaderField) {
	o.BeginArray("headers")
	for _, f := range fields {
		o.BeginObject("")
		o.textOrBytes("name", f.Name, f.InvalidName)
		o.textOrBytes("value", f.Value, f.InvalidValue)
		o.EndObject()
	}
	o.EndArray()
}

func (o object) textOrBytes(name, value string, invalid bool) {
	if invalid {
		o.Text(name+"_bytes", hex.EncodeToString([]byte(value)))
		return
	}
	o.Text(name, value)
}

func (o object) settings(f *SettingsFrame) {
	o.BeginArray("settings")
	o.optSetting("settings_max_field_section_size", f.MaxFieldSectionSize)
	o.optSetting("settings_h3_datagram", f.Datagram)
	o.optSetting("settings_enable_connect_protocol", f.ExtendedConnect)
	for _, id := range slices.Sorted(maps.Keys(f.Other)) {
		o.BeginObject("")
		o.Text("name", "unknown")
		o.Uint("name_bytes", id)
		o.Uint("value", f.Other[id])
		o.EndObject()
	}
	o.EndArray()
}

func (o object) optSetting(name string, value int64) {
	if value < 0 {
		return
	}
	o.BeginObject("")
	o.Text("name", name)
	o.Int("value", value)
	o.EndObject()
}
