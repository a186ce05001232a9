package wire

import "fmt"

// A FrameType is the type of a frame (RFC 9000, Section 12.4).
type FrameType uint64

// Frame types.
const (
	FrameTypePadding            FrameType = 0x00
	FrameTypePing               FrameType = 0x01
	FrameTypeAck                FrameType = 0x02
	FrameTypeAckECN             FrameType = 0x03
	FrameTypeResetStream        FrameType = 0x04
	FrameTypeStopSending        FrameType = 0x05
	FrameTypeCrypto             FrameType = 0x06
	FrameTypeNewToken           FrameType = 0x07
	FrameTypeStream             FrameType = 0x08 // to 0x0f, with the flags below
	FrameTypeMaxData            FrameType = 0x10
	FrameTypeMaxStreamData      FrameType = 0x11
	FrameTypeMaxStreamsBidi     FrameType = 0x12
	FrameTypeMaxStreamsUni      FrameType = 0x13
	FrameTypeDataBlocked        FrameType = 0x14
	FrameTypeStreamDataBlocked  FrameType = 0x15
	FrameTypeStreamsBlockedBidi FrameType = 0x16
	FrameTypeStreamsBlockedUni  FrameType = 0x17
	FrameTypeNewConnectionID    FrameType = 0x18
	FrameTypeRetireConnectionID FrameType = 0x19
	FrameTypePathChallenge      FrameType = 0x1a
	FrameTypePathResponse       FrameType = 0x1b
	FrameTypeConnectionClose    FrameType = 0x1c
	FrameTypeApplicationClose   FrameType = 0x1d
	FrameTypeHandshakeDone      FrameType = 0x1e
	FrameTypeImmediateAck       FrameType = 0x1f // draft-ietf-quic-ack-frequency-12
	FrameTypeResetStreamAt      FrameType = 0x24 // draft-ietf-quic-reliable-stream-reset-10
	FrameTypeDatagram           FrameType = 0x30 // RFC 9221
	FrameTypeDatagramLen        FrameType = 0x31
	FrameTypeAckFrequency       FrameType = 0xaf // draft-ietf-quic-ack-frequency-12
)

// Flags in the type of a STREAM frame (RFC 9000, Section 19.8).
const (
	streamFlagFin FrameType = 0x01
	streamFlagLen FrameType = 0x02
	streamFlagOff FrameType = 0x04
	streamFlags             = streamFlagFin | streamFlagLen | streamFlagOff
)

// String returns the RFC's name of the frame type.
func (t FrameType) String() string {
	if row := t.row(); row.name != "" {
		return row.name
	}
	return fmt.Sprintf("unknown frame type %#x", uint64(t))
}

// IsAckEliciting reports whether a packet with such a frame asks for an acknowledgement
// (RFC 9000, Section 13.2).
func (t FrameType) IsAckEliciting() bool { return !t.row().notAckEliciting }

// IsProbing reports whether a packet with such frames alone does not make the peer follow to another path
// (RFC 9000, Section 9.1).
func (t FrameType) IsProbing() bool { return t.row().probing }
