package wire

import "github.com/quic-go/quic-go/internal/protocol"

// AppendShortHeader appends a short header (RFC 9000, Section 17.3.1) with a truncated packet number of pnLen
// bytes. The spin bit and the key phase bit are 0; who protects the packet sets the latter.
func AppendShortHeader(b []byte, dst protocol.ConnectionID, pn protocol.PacketNumber, pnLen int) []byte {
	checkPacketNumberLen(pnLen)
	b = append(b, fixedBit|byte(pnLen-1))
	b = dst.Append(b)
	return appendPacketNumber(b, pn, pnLen)
}
