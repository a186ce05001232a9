package protocol

import "time"

// A ByteCount counts bytes, of a packet, a stream or a connection.
type ByteCount int64

// MaxByteCount is the largest byte count that fits a variable-length integer (RFC 9000, Section 16).
const MaxByteCount ByteCount = 1<<62 - 1

// A PacketNumber is a full, decoded packet number (RFC 9000, Section 12.3).
type PacketNumber int64

// Packet numbers with a meaning of their own.
const (
	InvalidPacketNumber PacketNumber = -1
	MaxPacketNumber     PacketNumber = 1<<62 - 1
)

// A PacketType is the type of a long header packet (RFC 9000, Section 17.2), or PacketType1RTT.
type PacketType uint8

// Packet types.
const (
	PacketTypeInitial PacketType = 1 + iota
	PacketTypeRetry
	PacketTypeHandshake
	PacketType0RTT
	PacketTypeVersionNegotiation
	PacketType1RTT
)

// String returns the RFC's name of the packet type.
func (t PacketType) String() string {
	switch t {
	case PacketTypeInitial:
		return "Initial"
	case PacketTypeRetry:
		return "Retry"
	case PacketTypeHandshake:
		return "Handshake"
	case PacketType0RTT:
		return "0-RTT"
	case PacketTypeVersionNegotiation:
		return "Version Negotiation"
	case PacketType1RTT:
		return "1-RTT"
	}
	return "unknown packet type"
}

// An EncryptionLevel names the keys that protect a packet (RFC 9001, Section 2.1).
type EncryptionLevel uint8

// Encryption levels in the order in which a connection uses them.
const (
	EncryptionInitial EncryptionLevel = iota
	Encryption0RTT
	EncryptionHandshake
	Encryption1RTT
	NumEncryptionLevels = 4
)

// String returns the RFC's name of the level.
func (l EncryptionLevel) String() string {
	switch l {
	case EncryptionInitial:
		return "Initial"
	case Encryption0RTT:
		return "0-RTT"
	case EncryptionHandshake:
		return "Handshake"
	case Encryption1RTT:
		return "1-RTT"
	}
	return "unknown encryption level"
}

// Space returns the packet number space of packets of this level (RFC 9000, Section 12.3).
func (l EncryptionLevel) Space() PacketNumberSpace {
	switch l {
	case EncryptionInitial:
		return SpaceInitial
	case EncryptionHandshake:
		return SpaceHandshake
	case Encryption0RTT, Encryption1RTT:
	}
	return SpaceAppData
}

// A PacketNumberSpace is one of the three packet number spaces (RFC 9000, Section 12.3).
type PacketNumberSpace uint8

// Packet number spaces.
const (
	SpaceInitial PacketNumberSpace = iota
	SpaceHandshake
	SpaceAppData
	NumPacketNumberSpaces = 3
)

// String returns the RFC's name of the space.
func (s PacketNumberSpace) String() string {
	switch s {
	case SpaceInitial:
		return "Initial"
	case SpaceHandshake:
		return "Handshake"
	case SpaceAppData:
		return "Application Data"
	}
	return "unknown packet number space"
}

// An ECN is the ECN codepoint of an IP header (RFC 3168, Section 5).
type ECN uint8

// ECN codepoints, with the values they have in the IP header.
const (
	ECNNon ECN = 0b00
	ECT1   ECN = 0b01
	ECT0   ECN = 0b10
	ECNCE  ECN = 0b11
)

// A KeyPhase counts the key updates of a connection (RFC 9001, Section 6).
type KeyPhase uint64

// TimerGranularity is kGranularity of RFC 9002, Section 6.1.2.
const TimerGranularity = time.Millisecond
