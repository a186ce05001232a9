package wire

import (
	"encoding/binary"
	"errors"

	"github.com/quic-go/quic-go/internal/protocol"
)

const (
	headerFormBit = 0x80 // RFC 8999, Section 5: set in long headers
	fixedBit      = 0x40 // RFC 9000, Section 17.2
)

const (
	versionLen         = 4
	longHeaderPrefix   = 1 + versionLen
	maxInvariantCIDLen = 255
)

// What is wrong with a header. The packet is dropped, so a reason is all there is to say.
var (
	errTruncatedHeader  = errors.New("truncated header")
	errNotLongHeader    = errors.New("not a long header")
	errConnectionIDLen  = protocol.ErrInvalidConnectionIDLen
	errNoVersions       = errors.New("version negotiation without a list of versions")
	errNotNegotiation   = errors.New("not a version negotiation packet")
	errUnknownVersion   = errors.New("unsupported version")
	errLengthTooLarge   = errors.New("packet is longer than the datagram")
	errTokenTooLong     = errors.New("token is longer than the datagram")
	errRetryWithoutData = errors.New("retry packet without a token")
)

// IsLongHeader reports whether a packet with this first byte has a long header (RFC 8999, Section 5.1).
func IsLongHeader(firstByte byte) bool { return firstByte&headerFormBit != 0 }

// IsVersionNegotiation reports whether b starts with a long header of version 0 (RFC 8999, Section 6).
func IsVersionNegotiation(b []byte) bool {
	return len(b) >= longHeaderPrefix && IsLongHeader(b[0]) && binary.BigEndian.Uint32(b[1:]) == 0
}

// ParseInvariantHeader parses the part of a long header that every version of QUIC shares
// (RFC 8999, Section 5.1). The connection IDs may have up to 255 bytes; they and rest alias b.
func ParseInvariantHeader(b []byte) (version protocol.Version, dst, src, rest []byte, err error) {
	if len(b) < longHeaderPrefix {
		return 0, nil, nil, nil, errTruncatedHeader
	}
	if !IsLongHeader(b[0]) {
		return 0, nil, nil, nil, errNotLongHeader
	}
	version = protocol.Version(binary.BigEndian.Uint32(b[1:]))
	dst, rest, ok := cutLengthPrefixed(b[longHeaderPrefix:])
	if !ok {
		return 0, nil, nil, nil, errTruncatedHeader
	}
	src, rest, ok = cutLengthPrefixed(rest)
	if !ok {
		return 0, nil, nil, nil, errTruncatedHeader
	}
	return version, dst, src, rest, nil
}

// cutLengthPrefixed splits b behind the bytes whose count its first byte gives.
func cutLengthPrefixed(b []byte) (value, rest []byte, ok bool) {
	if len(b) == 0 || len(b)-1 < int(b[0]) {
		return nil, nil, false
	}
	end := 1 + int(b[0])
	return b[1:end:end], b[end:], true
}

// ParseDestinationConnectionID returns the Destination Connection ID of a packet, by which a datagram
// finds its connection. The connection IDs of our short headers have shortHeaderConnIDLen bytes.
func ParseDestinationConnectionID(b []byte, shortHeaderConnIDLen int) (protocol.ConnectionID, error) {
	if len(b) == 0 {
		return protocol.ConnectionID{}, errTruncatedHeader
	}
	if !IsLongHeader(b[0]) {
		if len(b) < 1+shortHeaderConnIDLen {
			return protocol.ConnectionID{}, errTruncatedHeader
		}
		return protocol.ParseConnectionID(b[1 : 1+shortHeaderConnIDLen]), nil
	}
	if len(b) < longHeaderPrefix {
		return protocol.ConnectionID{}, errTruncatedHeader
	}
	dst, _, ok := cutLengthPrefixed(b[longHeaderPrefix:])
	if !ok {
		return protocol.ConnectionID{}, errTruncatedHeader
	}
	if len(dst) > protocol.MaxConnectionIDLen {
		return protocol.ConnectionID{}, errConnectionIDLen
	}
	return protocol.ParseConnectionID(dst), nil
}
