package wire

import (
	"encoding/binary"
	"errors"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/quicvarint"
)

const (
	longPacketTypeShift = 4
	longPacketTypeMask  = 0x30

	// The Length field always takes two bytes: enough for 16 KiB, more than a packet that we send.
	lengthFieldLen  = 2
	lengthFieldMark = 0x4000
	maxLengthField  = 1<<14 - 1
)

// ErrFixedBit reports a long header whose fixed bit is 0. The header beside it is complete, for endpoints
// that advertised grease_quic_bit (RFC 9287, Section 3).
var ErrFixedBit = errors.New("fixed bit is not set")

// typesV1 and typesV2 are the values of the Long Packet Type field (RFC 9000, Section 17.2 and
// RFC 9369, Section 3.2).
var (
	typesV1 = [4]protocol.PacketType{
		protocol.PacketTypeInitial, protocol.PacketType0RTT, protocol.PacketTypeHandshake, protocol.PacketTypeRetry,
	}
	typesV2 = [4]protocol.PacketType{
		protocol.PacketTypeRetry, protocol.PacketTypeInitial, protocol.PacketType0RTT, protocol.PacketTypeHandshake,
	}
)

func longPacketTypes(v protocol.Version) *[4]protocol.PacketType {
	if v == protocol.Version2 {
		return &typesV2
	}
	return &typesV1
}

// A LongHeader is the header of an Initial, 0-RTT, Handshake or Retry packet (RFC 9000, Section 17.2)
// as far as it is not protected.
type LongHeader struct {
	Type           protocol.PacketType
	Version        protocol.Version
	DstCID, SrcCID protocol.ConnectionID
	Token          []byte   // Initial and Retry; aliases the packet
	RetryTag       [16]byte // Retry
	PNOffset       int      // where the packet number starts; 0 for Retry
	PacketLen      int      // length of the packet; what follows in the datagram is the next one
}

// ParseLongHeader parses the long header at the start of b, the rest of a datagram. A packet that it
// returns lies within b but may be too short for its packet number, which shows when it is opened.
// The caller drops the packet, and all that follows, on any error but ErrFixedBit.
func ParseLongHeader(b []byte) (LongHeader, error) {
	version, dst, src, rest, err := ParseInvariantHeader(b)
	if err != nil {
		return LongHeader{}, err
	}
	if version != protocol.Version1 && version != protocol.Version2 {
		return LongHeader{}, errUnknownVersion
	}
	// RFC 9000, Section 17.2: "Endpoints that receive a version 1 long header with a value larger
	// than 20 MUST drop the packet."
	if len(dst) > protocol.MaxConnectionIDLen || len(src) > protocol.MaxConnectionIDLen {
		return LongHeader{}, errConnectionIDLen
	}
	h := LongHeader{
		Type:    longPacketTypes(version)[b[0]&longPacketTypeMask>>longPacketTypeShift],
		Version: version,
		DstCID:  protocol.ParseConnectionID(dst),
		SrcCID:  protocol.ParseConnectionID(src),
	}
	if h.Type == protocol.PacketTypeRetry {
		err = h.parseRetry(b, rest)
	} else {
		err = h.parseLength(b, rest)
	}
	if err != nil {
		return LongHeader{}, err
	}
	// RFC 9000, Section 17.2: "Packets containing a zero value for this bit are not valid packets in
	// this version and MUST be discarded."
	if b[0]&fixedBit == 0 {
		return h, ErrFixedBit
	}
	return h, nil
}

// parseLength parses what follows the connection IDs of an Initial, 0-RTT or Handshake packet.
func (h *LongHeader) parseLength(b, rest []byte) error {
	if h.Type == protocol.PacketTypeInitial {
		tokenLen, n, err := quicvarint.Parse(rest)
		if err != nil {
			return errTruncatedHeader
		}
		rest = rest[n:]
		if tokenLen > uint64(len(rest)) {
			return errTokenTooLong
		}
		h.Token = rest[:tokenLen:tokenLen]
		rest = rest[tokenLen:]
	}
	length, n, err := quicvarint.Parse(rest)
	if err != nil {
		return errTruncatedHeader
	}
	rest = rest[n:]
	if length > uint64(len(rest)) {
		return errLengthTooLarge
	}
	h.PNOffset = len(b) - len(rest)
	h.PacketLen = h.PNOffset + int(length)
	return nil
}

// AppendLongHeader appends the long header of a packet to b, up to and including the truncated packet number
// of pnLen bytes. SetLongHeaderLength fills in the Length field once the packet's length is known.
// Eight parameters, because a struct of them would be built anew for each packet.
func AppendLongHeader(b []byte, t protocol.PacketType, v protocol.Version, dst, src protocol.ConnectionID,
	token []byte, pn protocol.PacketNumber, pnLen int,
) (out []byte, lengthOffset int) {
	checkPacketNumberLen(pnLen)
	b = appendLongHeaderStart(b, byte(pnLen-1), t, v)
	b = appendConnectionIDs(b, dst, src)
	if t == protocol.PacketTypeInitial {
		b = quicvarint.Append(b, uint64(len(token)))
		b = append(b, token...)
	}
	lengthOffset = len(b)
	b = append(b, 0, 0)
	return appendPacketNumber(b, pn, pnLen), lengthOffset
}

func appendLongHeaderStart(b []byte, lowBits byte, t protocol.PacketType, v protocol.Version) []byte {
	for bits, typ := range longPacketTypes(v) {
		if typ == t {
			b = append(b, headerFormBit|fixedBit|byte(bits)<<longPacketTypeShift|lowBits)
			return binary.BigEndian.AppendUint32(b, uint32(v))
		}
	}
	panic("BUG: packet type without a long header: " + t.String())
}

func appendConnectionIDs(b []byte, dst, src protocol.ConnectionID) []byte {
	b = append(b, uint8(dst.Len()))
	b = dst.Append(b)
	b = append(b, uint8(src.Len()))
	return src.Append(b)
}

// SetLongHeaderLength writes n, the number of bytes that follow the Length field: packet number, payload
// and AEAD tag.
func SetLongHeaderLength(b []byte, lengthOffset int, n int) {
	if n < 0 || n > maxLengthField {
		panic("BUG: length of a packet does not fit in two bytes")
	}
	binary.BigEndian.PutUint16(b[lengthOffset:], uint16(lengthFieldMark|n))
}

// LongHeaderLen returns how many bytes AppendLongHeader appends.
func LongHeaderLen(t protocol.PacketType, dst, src protocol.ConnectionID, tokenLen, pnLen int) int {
	n := longHeaderPrefix + 1 + dst.Len() + 1 + src.Len() + lengthFieldLen + pnLen
	if t == protocol.PacketTypeInitial {
		n += quicvarint.Len(uint64(tokenLen)) + tokenLen
	}
	return n
}
