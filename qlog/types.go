package qlog

import (
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"hash/crc32"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
)

// Values of the wire.
type (
	// ConnectionID is a connection ID.
	ConnectionID = protocol.ConnectionID
	// StreamID is the ID of a stream.
	StreamID = protocol.StreamID
	// PacketNumber is a packet number; negative if it is not known.
	PacketNumber = protocol.PacketNumber
	// Version is a QUIC version.
	Version = protocol.Version
	// TransportErrorCode is an error code of QUIC.
	TransportErrorCode = qerr.TransportErrorCode
	// ApplicationErrorCode is an error code of the application.
	ApplicationErrorCode = qerr.ApplicationErrorCode
)

// An ArbitraryLenConnectionID is a connection ID of a version that may allow more than 20 bytes
// (RFC 8999, Section 5.3).
type ArbitraryLenConnectionID []byte

// Bytes returns the bytes of the connection ID.
func (c ArbitraryLenConnectionID) Bytes() []byte { return c }

// Len returns the length in bytes.
func (c ArbitraryLenConnectionID) Len() int { return len(c) }

// String returns the bytes in hexadecimal, or "(empty)".
func (c ArbitraryLenConnectionID) String() string {
	if len(c) == 0 {
		return "(empty)"
	}
	return hex.EncodeToString(c)
}

// An EncryptionLevel names the keys that protect a packet (RFC 9001, Section 2.1). Zero is none.
type EncryptionLevel uint8

// Encryption levels.
const (
	EncryptionInitial   EncryptionLevel = 1
	EncryptionHandshake EncryptionLevel = 2
	Encryption0RTT      EncryptionLevel = 3
	Encryption1RTT      EncryptionLevel = 4
)

// String returns the name of the level.
func (l EncryptionLevel) String() string {
	switch l {
	case EncryptionInitial:
		return "Initial"
	case EncryptionHandshake:
		return "Handshake"
	case Encryption0RTT:
		return "0-RTT"
	case Encryption1RTT:
		return "1-RTT"
	}
	return "unknown"
}

// PacketNumberSpace returns the packet number space of the level's packets (RFC 9000, Section 12.3).
func (l EncryptionLevel) PacketNumberSpace() protocol.PacketNumberSpace {
	switch l {
	case EncryptionInitial:
		return protocol.SpaceInitial
	case EncryptionHandshake:
		return protocol.SpaceHandshake
	}
	return protocol.SpaceAppData
}

// ToTLSEncryptionLevel returns the level by which crypto/tls knows it.
func (l EncryptionLevel) ToTLSEncryptionLevel() tls.QUICEncryptionLevel {
	switch l {
	case EncryptionInitial:
		return tls.QUICEncryptionLevelInitial
	case EncryptionHandshake:
		return tls.QUICEncryptionLevelHandshake
	case Encryption0RTT:
		return tls.QUICEncryptionLevelEarly
	}
	return tls.QUICEncryptionLevelApplication
}

// spaceName returns the packet number space as qlog spells it.
func (l EncryptionLevel) spaceName() string {
	switch l {
	case EncryptionInitial:
		return "initial"
	case EncryptionHandshake:
		return "handshake"
	case Encryption0RTT, Encryption1RTT:
		return "application_data"
	}
	return "unknown encryption level"
}

// A PacketType is the type of a packet.
type PacketType string

// Packet types.
const (
	PacketTypeInitial            PacketType = "initial"
	PacketTypeHandshake          PacketType = "handshake"
	PacketTypeRetry              PacketType = "retry"
	PacketType0RTT               PacketType = "0RTT"
	PacketType1RTT               PacketType = "1RTT"
	PacketTypeVersionNegotiation PacketType = "version_negotiation"
	PacketTypeStatelessReset     PacketType = "stateless_reset"
	PacketTypeUnknown            PacketType = "unknown"
)

// hasNumber reports whether packets of the type have a packet number.
func (t PacketType) hasNumber() bool {
	switch t {
	case PacketTypeInitial, PacketTypeHandshake, PacketType0RTT, PacketType1RTT:
		return true
	}
	return false
}

// EncryptionLevelToPacketType returns the type of the packets of a level. It panics for levels that do
// not exist.
func EncryptionLevelToPacketType(l EncryptionLevel) PacketType {
	switch l {
	case EncryptionInitial:
		return PacketTypeInitial
	case EncryptionHandshake:
		return PacketTypeHandshake
	case Encryption0RTT:
		return PacketType0RTT
	case Encryption1RTT:
		return PacketType1RTT
	}
	panic(fmt.Sprintf("unknown encryption level: %d", l))
}

// A KeyPhase counts the key updates of a connection (RFC 9001, Section 6).
type KeyPhase uint64

// Bit returns the value of the Key Phase bit of packets in that phase.
func (p KeyPhase) Bit() KeyPhaseBit {
	if p%2 == 0 {
		return KeyPhaseZero
	}
	return KeyPhaseOne
}

// A KeyPhaseBit is the Key Phase bit of a packet with a short header, or zero for other packets.
type KeyPhaseBit uint8

// Values of the Key Phase bit.
const (
	KeyPhaseZero KeyPhaseBit = 1
	KeyPhaseOne  KeyPhaseBit = 2
)

// String returns "0", "1" or "undefined".
func (b KeyPhaseBit) String() string {
	switch b {
	case KeyPhaseZero:
		return "0"
	case KeyPhaseOne:
		return "1"
	}
	return "undefined"
}

// An ECN is an ECN codepoint.
type ECN string

// ECN codepoints.
const (
	ECNUnsupported ECN = ""
	ECTNot         ECN = "Not-ECT"
	ECT0           ECN = "ECT(0)"
	ECT1           ECN = "ECT(1)"
	ECNCE          ECN = "CE"
)

// An Initiator is the side that caused an event.
type Initiator string

// The two sides.
const (
	InitiatorLocal  Initiator = "local"
	InitiatorRemote Initiator = "remote"
)

// A Direction is the way that data goes.
type Direction string

// The two directions.
const (
	DirectionSending   Direction = "sending"
	DirectionReceiving Direction = "receiving"
)

// A DatagramPayloadChecksum is the CRC-32C of a UDP payload, by which the datagram of a packet can be found
// in a capture. Zero means that there is none.
type DatagramPayloadChecksum uint32

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// CalculateDatagramPayloadChecksum returns the checksum of a datagram.
func CalculateDatagramPayloadChecksum(b []byte) DatagramPayloadChecksum {
	return DatagramPayloadChecksum(crc32.Checksum(b, castagnoli))
}

// OmitLength is a length in a RawInfo that is not known.
const OmitLength = -1

// RawInfo holds the sizes of a packet or datagram.
type RawInfo struct {
	Length        int // all of it
	PayloadLength int // without header and authentication tag
}

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
