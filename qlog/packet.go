package qlog

import (
	"strconv"
	"time"

	"github.com/quic-go/quic-go/qlogwriter/jsontext"
)

// A PacketHeader is what the header of a packet says. Fields without a value are left out.
type PacketHeader struct {
	PacketType       PacketType
	KeyPhaseBit      KeyPhaseBit
	PacketNumber     PacketNumber
	Version          Version
	SrcConnectionID  ConnectionID
	DestConnectionID ConnectionID
	Token            *Token
}

// A Token is a token of an Initial or Retry packet.
type Token struct {
	Raw []byte
}

func (o object) header(h *PacketHeader) {
	o.BeginObject("header")
	typ := h.PacketType
	if typ == "" {
		typ = PacketTypeUnknown
	}
	o.Text("packet_type", string(typ))
	if typ.hasNumber() && h.PacketNumber >= 0 {
		o.Int("packet_number", int64(h.PacketNumber))
	}
	if h.Version != 0 {
		o.Text("version", versionName(h.Version))
	}
	// RFC 9000, Section 17.3: a short header has no Source Connection ID.
	if typ != PacketType1RTT {
		o.optConnectionID("scid", h.SrcConnectionID)
	}
	o.optConnectionID("dcid", h.DestConnectionID)
	if h.KeyPhaseBit != 0 {
		o.Bool("key_phase_bit", h.KeyPhaseBit == KeyPhaseOne)
	}
	if h.Token != nil {
		o.tokenObject(h.Token.Raw)
	}
	o.EndObject()
}

func versionName(v Version) string { return strconv.FormatUint(uint64(v), 16) }

func (o object) versions(name string, versions []Version) {
	o.BeginArray(name)
	for _, v := range versions {
		o.Text("", versionName(v))
	}
	o.EndArray()
}

func (o object) optChecksum(c DatagramPayloadChecksum) {
	o.optInt("datagram_payload_checksum", int64(c))
}

func (o object) optFrames(frames []Frame) {
	if len(frames) == 0 {
		return
	}
	o.BeginArray("frames")
	for _, f := range frames {
		o.BeginObject("")
		o.frame(f.Frame)
		o.EndObject()
	}
	o.EndArray()
}

// PacketSent is the event packet_sent.
type PacketSent struct {
	Header                  PacketHeader
	Raw                     RawInfo
	DatagramPayloadChecksum DatagramPayloadChecksum
	Frames                  []Frame
	ECN                     ECN
	Trigger                 string
	SupportedVersions       []Version // not written; see VersionNegotiationSent
	IsMTUProbePacket        bool
	Tuple                   string // TupleID of a TupleAssigned
}

// Name implements qlogwriter.Event.
func (PacketSent) Name() string { return "transport:packet_sent" }

// Encode implements qlogwriter.Event.
func (e PacketSent) Encode(enc *jsontext.Encoder, _ time.Time) error {
	o := begin(enc)
	o.header(&e.Header)
	o.raw(e.Raw)
	o.optChecksum(e.DatagramPayloadChecksum)
	o.optFrames(e.Frames)
	o.optText("ecn", string(e.ECN))
	o.optText("trigger", e.Trigger)
	o.optBool("is_mtu_probe_packet", e.IsMTUProbePacket)
	o.optText("tuple", e.Tuple)
	return o.End()
}

// PacketReceived is the event packet_received.
type PacketReceived struct {
	Header                  PacketHeader
	Raw                     RawInfo
	DatagramPayloadChecksum DatagramPayloadChecksum
	Frames                  []Frame
	ECN                     ECN
	Trigger                 string
	Tuple                   string // TupleID of a TupleAssigned
}

// Name implements qlogwriter.Event.
func (PacketReceived) Name() string { return "transport:packet_received" }

// Encode implements qlogwriter.Event.
func (e PacketReceived) Encode(enc *jsontext.Encoder, _ time.Time) error {
	o := begin(enc)
	o.header(&e.Header)
	o.raw(e.Raw)
	o.optChecksum(e.DatagramPayloadChecksum)
	o.optFrames(e.Frames)
	o.optText("ecn", string(e.ECN))
	o.optText("trigger", e.Trigger)
	o.optText("tuple", e.Tuple)
	return o.End()
}

// PacketBuffered is the event packet_buffered: the keys of a received packet are not there yet.
type PacketBuffered struct {
	Header                  PacketHeader
	Raw                     RawInfo
	DatagramPayloadChecksum DatagramPayloadChecksum
}

// Name implements qlogwriter.Event.
func (PacketBuffered) Name() string { return "transport:packet_buffered" }

// Encode implements qlogwriter.Event.
func (e PacketBuffered) Encode(enc *jsontext.Encoder, _ time.Time) error {
	o := begin(enc)
	o.header(&e.Header)
	o.raw(e.Raw)
	o.optChecksum(e.DatagramPayloadChecksum)
	o.Text("trigger", "keys_unavailable")
	return o.End()
}

// PacketDropped is the event packet_dropped.
type PacketDropped struct {
	Header                  PacketHeader
	Raw                     RawInfo
	DatagramPayloadChecksum DatagramPayloadChecksum
	Trigger                 PacketDropReason
}

// A PacketDropReason says why a received packet was dropped.
type PacketDropReason string

// Reasons to drop a packet.
const (
	PacketDropKeysUnavailable              PacketDropReason = "keys_unavailable"
	PacketDropUnknownConnectionID          PacketDropReason = "unknown_connection_id"
	PacketDropHeaderParseError             PacketDropReason = "header_parse_error"
	PacketDropPayloadDecryptError          PacketDropReason = "payload_decrypt_error"
	PacketDropProtocolViolation            PacketDropReason = "protocol_violation"
	PacketDropDOSPrevention                PacketDropReason = "dos_prevention"
	PacketDropUnsupportedVersion           PacketDropReason = "unsupported_version"
	PacketDropUnexpectedPacket             PacketDropReason = "unexpected_packet"
	PacketDropUnexpectedSourceConnectionID PacketDropReason = "unexpected_source_connection_id"
	PacketDropUnexpectedVersion            PacketDropReason = "unexpected_version"
	PacketDropDuplicate                    PacketDropReason = "duplicate"
)

// trigger returns the draft's word for the reason.
func (r PacketDropReason) trigger() string {
	switch r {
	case PacketDropKeysUnavailable, PacketDropDuplicate:
		return string(r)
	case PacketDropUnknownConnectionID:
		return "connection_unknown"
	case PacketDropPayloadDecryptError:
		return "decryption_failure"
	case PacketDropDOSPrevention:
		return "rejected"
	case PacketDropUnsupportedVersion:
		return "unsupported"
	case PacketDropHeaderParseError, PacketDropProtocolViolation, PacketDropUnexpectedPacket,
		PacketDropUnexpectedSourceConnectionID, PacketDropUnexpectedVersion:
		return "invalid"
	}
	return "general"
}

// Name implements qlogwriter.Event.
func (PacketDropped) Name() string { return "transport:packet_dropped" }

// Encode implements qlogwriter.Event.
func (e PacketDropped) Encode(enc *jsontext.Encoder, _ time.Time) error {
	o := begin(enc)
	o.header(&e.Header)
	o.raw(e.Raw)
	o.optChecksum(e.DatagramPayloadChecksum)
	trigger := e.Trigger.trigger()
	o.Text("trigger", trigger)
	if trigger != string(e.Trigger) {
		o.BeginObject("details")
		o.Text("reason", string(e.Trigger))
		o.EndObject()
	}
	return o.End()
}

// A PacketHeaderVersionNegotiation is the header of a Version Negotiation packet.
type PacketHeaderVersionNegotiation struct {
	SrcConnectionID  ArbitraryLenConnectionID
	DestConnectionID ArbitraryLenConnectionID
}

// VersionNegotiationSent is the event packet_sent for a Version Negotiation packet.
type VersionNegotiationSent struct {
	Header            PacketHeaderVersionNegotiation
	SupportedVersions []Version
}

// Name implements qlogwriter.Event.
func (VersionNegotiationSent) Name() string { return PacketSent{}.Name() }

// Encode implements qlogwriter.Event.
func (e VersionNegotiationSent) Encode(enc *jsontext.Encoder, _ time.Time) error {
	return encodeVersionNegotiation(enc, e.Header, e.SupportedVersions)
}

// VersionNegotiationReceived is the event packet_received for a Version Negotiation packet.
type VersionNegotiationReceived struct {
	Header            PacketHeaderVersionNegotiation
	SupportedVersions []Version
}

// Name implements qlogwriter.Event.
func (VersionNegotiationReceived) Name() string { return PacketReceived{}.Name() }

// Encode implements qlogwriter.Event.
func (e VersionNegotiationReceived) Encode(enc *jsontext.Encoder, _ time.Time) error {
	return encodeVersionNegotiation(enc, e.Header, e.SupportedVersions)
}

func encodeVersionNegotiation(enc *jsontext.Encoder, h PacketHeaderVersionNegotiation, versions []Version) error {
	o := begin(enc)
	o.BeginObject("header")
	o.Text("packet_type", string(PacketTypeVersionNegotiation))
	o.Hex("scid", h.SrcConnectionID)
	o.Hex("dcid", h.DestConnectionID)
	o.EndObject()
	o.versions("supported_versions", versions)
	return o.End()
}
