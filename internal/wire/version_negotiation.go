package wire

import (
	"crypto/rand"
	"encoding/binary"

	"github.com/quic-go/quic-go/internal/protocol"
)

// ParseVersionNegotiation parses a Version Negotiation packet (RFC 9000, Section 17.2.1), which is
// always a whole datagram. The connection IDs alias b.
func ParseVersionNegotiation(b []byte) (dst, src []byte, versions []protocol.Version, err error) {
	if !IsVersionNegotiation(b) {
		return nil, nil, nil, errNotNegotiation
	}
	_, dst, src, rest, err := ParseInvariantHeader(b)
	if err != nil {
		return nil, nil, nil, err
	}
	if len(rest) == 0 || len(rest)%versionLen != 0 {
		return nil, nil, nil, errNoVersions
	}
	return dst, src, parseVersions(rest), nil
}

func parseVersions(b []byte) []protocol.Version {
	versions := make([]protocol.Version, 0, len(b)/versionLen)
	for ; len(b) >= versionLen; b = b[versionLen:] {
		versions = append(versions, protocol.Version(binary.BigEndian.Uint32(b)))
	}
	return versions
}

// AppendVersionNegotiation appends a Version Negotiation packet that offers versions and, somewhere
// between them, one reserved version (RFC 9000, Section 6.3). dst and src have at most 255 bytes.
func AppendVersionNegotiation(b []byte, dst, src []byte, versions []protocol.Version) []byte {
	if len(dst) > maxInvariantCIDLen || len(src) > maxInvariantCIDLen {
		panic("BUG: connection ID of more than 255 bytes")
	}
	var random [6]byte
	rand.Read(random[:])
	// RFC 9000, Section 17.2.1: "servers SHOULD set the most significant bit of this field (0x40) to 1".
	b = append(b, headerFormBit|fixedBit|random[0]&0x3f, 0, 0, 0, 0)
	b = append(b, uint8(len(dst)))
	b = append(b, dst...)
	b = append(b, uint8(len(src)))
	b = append(b, src...)
	reservedAt := int(random[1]) % (len(versions) + 1)
	reserved := binary.BigEndian.Uint32(random[2:])&0xf0f0f0f0 | 0x0a0a0a0a
	for _, v := range versions[:reservedAt] {
		b = binary.BigEndian.AppendUint32(b, uint32(v))
	}
	b = binary.BigEndian.AppendUint32(b, reserved)
	for _, v := range versions[reservedAt:] {
		b = binary.BigEndian.AppendUint32(b, uint32(v))
	}
	return b
}
