package wire

import (
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/quicvarint"
)

// maxVarint is the largest integer on the wire.
const maxVarint = quicvarint.Max

type parameterSender uint8

const (
	sentByBoth parameterSender = iota
	sentByServer
)

// parameterMemory says what becomes of a parameter in 0-RTT (RFC 9000, Section 7.4.1).
type parameterMemory uint8

const (
	forgotten       parameterMemory = iota
	remembered                      // the server may choose any other value next time
	rememberedLimit                 // a server that accepts 0-RTT must not choose a smaller value
)

// A transportParameter is what there is to know about one transport parameter.
type transportParameter struct {
	id     uint64
	name   string
	sentBy parameterSender
	memory parameterMemory

	// Integers. Absence means def; smaller values than min are not sent, larger ones than max as max.
	min, max, def uint64
	integer       integerField

	opaque opaqueField // all others
}

// transportParameterTable has one row for each parameter that we know. It is only read.
var transportParameterTable = [...]transportParameter{
	{
		id: 0x00, name: "original_destination_connection_id", sentBy: sentByServer,
		opaque: connectionIDField(func(p *TransportParameters) *protocol.ConnectionID { return &p.OriginalDestinationConnectionID }),
	},
	{
		id: 0x01, name: "max_idle_timeout", memory: remembered, max: maxVarint,
		integer: milliseconds(func(p *TransportParameters) *time.Duration { return &p.MaxIdleTimeout }),
	},
	{
		id: 0x02, name: "stateless_reset_token", sentBy: sentByServer,
		opaque: opaqueField{appendStatelessResetToken, parseStatelessResetToken},
	},
	{
		id: 0x03, name: "max_udp_payload_size", memory: remembered, min: protocol.MinInitialPacketSize, max: maxVarint, def: protocol.MaxDatagramSize,
		integer: number(func(p *TransportParameters) *protocol.ByteCount { return &p.MaxUDPPayloadSize }),
	},
	{
		id: 0x04, name: "initial_max_data", memory: rememberedLimit, max: maxVarint,
		integer: number(func(p *TransportParameters) *protocol.ByteCount { return &p.InitialMaxData }),
	},
	{
		id: 0x05, name: "initial_max_stream_data_bidi_local", memory: rememberedLimit, max: maxVarint,
		integer: number(func(p *TransportParameters) *protocol.ByteCount { return &p.InitialMaxStreamDataBidiLocal }),
	},
	{
		id: 0x06, name: "initial_max_stream_data_bidi_remote", memory: rememberedLimit, max: maxVarint,
		integer: number(func(p *TransportParameters) *protocol.ByteCount { return &p.InitialMaxStreamDataBidiRemote }),
	},
	{
		id: 0x07, name: "initial_max_stream_data_uni", memory: rememberedLimit, max: maxVarint,
		integer: number(func(p *TransportParameters) *protocol.ByteCount { return &p.InitialMaxStreamDataUni }),
	},
	{
		id: 0x08, name: "initial_max_streams_bidi", memory: rememberedLimit, max: uint64(protocol.MaxStreamCount),
		integer: number(func(p *TransportParameters) *protocol.StreamNum { return &p.MaxBidiStreamNum }),
	},
	{
		id: 0x09, name: "initial_max_streams_uni", memory: rememberedLimit, max: uint64(protocol.MaxStreamCount),
		integer: number(func(p *TransportParameters) *protocol.StreamNum { return &p.MaxUniStreamNum }),
	},
	{
		id: 0x0a, name: "ack_delay_exponent", max: protocol.MaxAckDelayExponent, def: protocol.DefaultAckDelayExponent,
		integer: number(func(p *TransportParameters) *uint8 { return &p.AckDelayExponent }),
	},
	{
		id: 0x0b, name: "max_ack_delay", max: uint64(protocol.MaxMaxAckDelay / time.Millisecond), def: uint64(protocol.DefaultMaxAckDelay / time.Millisecond),
		integer: milliseconds(func(p *TransportParameters) *time.Duration { return &p.MaxAckDelay }),
	},
	{
		id: 0x0c, name: "disable_active_migration", memory: remembered,
		integer: flag(func(p *TransportParameters) *bool { return &p.DisableActiveMigration }),
	},
	{
		id: 0x0d, name: "preferred_address", sentBy: sentByServer,
		opaque: opaqueField{appendPreferredAddress, parsePreferredAddress},
	},
	{
		id: 0x0e, name: "active_connection_id_limit", memory: rememberedLimit, min: 2, max: maxVarint, def: 2,
		integer: number(func(p *TransportParameters) *uint64 { return &p.ActiveConnectionIDLimit }),
	},
	{
		id: 0x0f, name: "initial_source_connection_id",
		opaque: connectionIDField(func(p *TransportParameters) *protocol.ConnectionID { return &p.InitialSourceConnectionID }),
	},
	{
		id: 0x10, name: "retry_source_connection_id", sentBy: sentByServer,
		opaque: opaqueField{appendRetrySourceConnectionID, parseRetrySourceConnectionID},
	},
	{
		id: 0x11, name: "version_information", // RFC 9368, Section 3
		opaque: opaqueField{appendVersionInformation, parseVersionInformation},
	},
	{
		id: 0x1d, name: "reset_stream_at", memory: rememberedLimit, // draft-ietf-quic-reliable-stream-reset, Section 3
		integer: flag(func(p *TransportParameters) *bool { return &p.EnableResetStreamAt }),
	},
	{
		id: 0x20, name: "max_datagram_frame_size", memory: rememberedLimit, max: maxVarint, // RFC 9221, Section 3
		integer: number(func(p *TransportParameters) *protocol.ByteCount { return &p.MaxDatagramFrameSize }),
	},
	{
		id: 0x2ab2, name: "grease_quic_bit", // RFC 9287, Section 3; forgotten, so that we send it never too early
		integer: flag(func(p *TransportParameters) *bool { return &p.GreaseQuicBit }),
	},
	{
		id: 0xff04de1b, name: "min_ack_delay", // draft-ietf-quic-ack-frequency-12, Section 3: "MUST NOT remember the value"
		opaque: opaqueField{appendMinAckDelay, parseMinAckDelay},
	},
}

func findTransportParameter(id uint64) *transportParameter {
	for i := range transportParameterTable {
		if transportParameterTable[i].id == id {
			return &transportParameterTable[i]
		}
	}
	return nil
}

// append appends the whole parameter to b unless it is absent or has its default value.
func (row *transportParameter) append(b []byte, p *TransportParameters) []byte {
	switch {
	case row.opaque.append != nil:
		value, present := row.opaque.append(nil, p)
		if !present {
			return b
		}
		b = quicvarint.Append(b, row.id)
		b = quicvarint.Append(b, uint64(len(value)))
		return append(b, value...)
	case row.integer.valueless:
		if row.integer.get(p) == 0 {
			return b
		}
		b = quicvarint.Append(b, row.id)
		return quicvarint.Append(b, 0)
	}
	v := min(row.integer.get(p), row.max)
	if v < row.min || v == row.def {
		return b
	}
	b = quicvarint.Append(b, row.id)
	b = quicvarint.Append(b, uint64(quicvarint.Len(v)))
	return quicvarint.Append(b, v)
}

// parse stores the value in p and returns what is wrong with it, or "".
func (row *transportParameter) parse(value []byte, p *TransportParameters) string {
	if row.opaque.parse != nil {
		return row.opaque.parse(value, p)
	}
	if row.integer.valueless {
		if len(value) != 0 {
			return "has a value"
		}
		row.integer.set(p, 1)
		return ""
	}
	v, n, err := quicvarint.Parse(value)
	if err != nil || n != len(value) {
		return "not one integer"
	}
	if v < row.min || v > row.max {
		return "out of range"
	}
	row.integer.set(p, v)
	return ""
}
