package wire

import "github.com/quic-go/quic-go/internal/protocol"

const retryTagLen = 16

// retryUnusedBits fill the Unused field with what the sample of RFC 9001, Appendix A.4 has there.
const retryUnusedBits = 0x0f

// parseRetry parses what follows the connection IDs of a Retry packet (RFC 9000, Section 17.2.5), which
// is always the rest of its datagram.
func (h *LongHeader) parseRetry(b, rest []byte) error {
	if len(rest) < retryTagLen {
		return errTruncatedHeader
	}
	// RFC 9000, Section 17.2.5.2: "A client MUST discard a Retry packet with a zero-length Retry
	// Token field."
	tokenLen := len(rest) - retryTagLen
	if tokenLen == 0 {
		return errRetryWithoutData
	}
	h.Token = rest[:tokenLen:tokenLen]
	h.RetryTag = [retryTagLen]byte(rest[tokenLen:])
	h.PacketLen = len(b)
	return nil
}

// AppendRetry appends a Retry packet to b, but for the integrity tag that must follow.
func AppendRetry(b []byte, v protocol.Version, dst, src protocol.ConnectionID, token []byte) []byte {
	b = appendLongHeaderStart(b, retryUnusedBits, protocol.PacketTypeRetry, v)
	b = appendConnectionIDs(b, dst, src)
	return append(b, token...)
}
