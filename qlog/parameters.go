package qlog

import (
	"net/netip"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/qlogwriter/jsontext"
)

// ParametersSet is the event parameters_set: the transport parameters of one side.
type ParametersSet struct {
	Initiator Initiator
	SentBy    protocol.Perspective

	// Only servers send these three.
	OriginalDestinationConnectionID ConnectionID
	InitialSourceConnectionID       ConnectionID
	RetrySourceConnectionID         ConnectionID
	StatelessResetToken             *protocol.StatelessResetToken

	DisableActiveMigration         bool
	MaxIdleTimeout                 time.Duration
	MaxUDPPayloadSize              protocol.ByteCount
	AckDelayExponent               uint8
	MaxAckDelay                    time.Duration
	ActiveConnectionIDLimit        uint64
	InitialMaxData                 protocol.ByteCount
	InitialMaxStreamDataBidiLocal  protocol.ByteCount
	InitialMaxStreamDataBidiRemote protocol.ByteCount
	InitialMaxStreamDataUni        protocol.ByteCount
	InitialMaxStreamsBidi          int64
	InitialMaxStreamsUni           int64
	PreferredAddress               *PreferredAddress
	MaxDatagramFrameSize           protocol.ByteCount // negative: absent
	EnableResetStreamAt            bool
}

// A PreferredAddress is the transport parameter preferred_address.
type PreferredAddress struct {
	IPv4, IPv6          netip.AddrPort
	ConnectionID        ConnectionID
	StatelessResetToken protocol.StatelessResetToken
	// Texts that replace the addresses, see RedactIPs.
	RedactedIPv4, RedactedIPv6 *string
}

// Name implements qlogwriter.Event.
func (ParametersSet) Name() string { return "transport:parameters_set" }

// Encode implements qlogwriter.Event.
func (e ParametersSet) Encode(enc *jsontext.Encoder, _ time.Time) error {
	o := begin(enc)
	o.Text("initiator", string(e.Initiator))
	if e.SentBy == protocol.PerspectiveServer {
		o.connectionID("original_destination_connection_id", e.OriginalDestinationConnectionID)
		if e.StatelessResetToken != nil {
			o.Hex("stateless_reset_token", e.StatelessResetToken[:])
		}
		o.optConnectionID("retry_source_connection_id", e.RetrySourceConnectionID)
	}
	o.connectionID("initial_source_connection_id", e.InitialSourceConnectionID)
	o.Bool("disable_active_migration", e.DisableActiveMigration)
	o.optInt("max_idle_timeout", e.MaxIdleTimeout.Milliseconds())
	o.optInt("max_udp_payload_size", int64(e.MaxUDPPayloadSize))
	o.Int("ack_delay_exponent", int64(e.AckDelayExponent))
	o.optInt("max_ack_delay", e.MaxAckDelay.Milliseconds())
	o.limits(e.limits())
	if p := e.PreferredAddress; p != nil {
		o.BeginObject("preferred_address")
		o.optAddress("address_v4", p.IPv4, p.RedactedIPv4)
		o.optAddress("address_v6", p.IPv6, p.RedactedIPv6)
		o.connectionID("connection_id", p.ConnectionID)
		o.Hex("stateless_reset_token", p.StatelessResetToken[:])
		o.EndObject()
	}
	o.extensions(e.MaxDatagramFrameSize, e.EnableResetStreamAt)
	return o.End()
}

// limits returns what a client remembers of a server's parameters.
func (e *ParametersSet) limits() *ParametersRestored {
	return &ParametersRestored{
		ActiveConnectionIDLimit:        e.ActiveConnectionIDLimit,
		InitialMaxData:                 e.InitialMaxData,
		InitialMaxStreamDataBidiLocal:  e.InitialMaxStreamDataBidiLocal,
		InitialMaxStreamDataBidiRemote: e.InitialMaxStreamDataBidiRemote,
		InitialMaxStreamDataUni:        e.InitialMaxStreamDataUni,
		InitialMaxStreamsBidi:          e.InitialMaxStreamsBidi,
		InitialMaxStreamsUni:           e.InitialMaxStreamsUni,
	}
}

// ParametersRestored is the event parameters_restored: the remembered transport parameters of a server,
// for 0-RTT (RFC 9000, Section 7.4.1).
type ParametersRestored struct {
	ActiveConnectionIDLimit        uint64
	InitialMaxData                 protocol.ByteCount
	InitialMaxStreamDataBidiLocal  protocol.ByteCount
	InitialMaxStreamDataBidiRemote protocol.ByteCount
	InitialMaxStreamDataUni        protocol.ByteCount
	InitialMaxStreamsBidi          int64
	InitialMaxStreamsUni           int64
	MaxDatagramFrameSize           protocol.ByteCount // negative: absent
	EnableResetStreamAt            bool
}

// Name implements qlogwriter.Event.
func (ParametersRestored) Name() string { return "transport:parameters_restored" }

// Encode implements qlogwriter.Event.
func (e ParametersRestored) Encode(enc *jsontext.Encoder, _ time.Time) error {
	o := begin(enc)
	o.limits(&e)
	o.extensions(e.MaxDatagramFrameSize, e.EnableResetStreamAt)
	return o.End()
}

func (o object) limits(p *ParametersRestored) {
	o.optInt("active_connection_id_limit", int64(p.ActiveConnectionIDLimit))
	o.optInt("initial_max_data", int64(p.InitialMaxData))
	o.optInt("initial_max_stream_data_bidi_local", int64(p.InitialMaxStreamDataBidiLocal))
	o.optInt("initial_max_stream_data_bidi_remote", int64(p.InitialMaxStreamDataBidiRemote))
	o.optInt("initial_max_stream_data_uni", int64(p.InitialMaxStreamDataUni))
	o.optInt("initial_max_streams_bidi", p.InitialMaxStreamsBidi)
	o.optInt("initial_max_streams_uni", p.InitialMaxStreamsUni)
}

func (o object) extensions(maxDatagramFrameSize protocol.ByteCount, resetStreamAt bool) {
	if maxDatagramFrameSize >= 0 {
		o.Int("max_datagram_frame_size", int64(maxDatagramFrameSize))
	}
	o.optBool("reset_stream_at", resetStreamAt)
}
