package wire

import "github.com/quic-go/quic-go/internal/protocol"

const (
	// minPacketNumberLen is one more than RFC 9000, Appendix A.2 needs at least, so that a packet
	// that overtakes a hundred others is still decoded right.
	minPacketNumberLen = 2
	maxPacketNumberLen = 4
)

// PacketNumberLen returns with how many bytes pn is sent when the peer acknowledged up to largestAcked,
// which is -1 if it acknowledged nothing (RFC 9000, Appendix A.2).
func PacketNumberLen(pn, largestAcked protocol.PacketNumber) int {
	// RFC 9000, Section 17.1: "The sender MUST use a packet number size able to represent more than
	// twice as large a range as the difference between the largest acknowledged packet number and
	// the packet number being sent."
	unacked := pn - largestAcked
	n := minPacketNumberLen
	for n < maxPacketNumberLen && unacked >= 1<<(8*n-1) {
		n++
	}
	return n
}

// DecodePacketNumber returns the packet number whose low pnLen bytes are truncated and that is closest to
// the one after largest, the largest number received or -1 (RFC 9000, Appendix A.3).
func DecodePacketNumber(largest, truncated protocol.PacketNumber, pnLen int) protocol.PacketNumber {
	expected := largest + 1
	window := protocol.PacketNumber(1) << (8 * pnLen)
	candidate := expected&^(window-1) | truncated
	switch {
	case candidate <= expected-window/2 && candidate < 1<<62-window:
		return candidate + window
	case candidate > expected+window/2 && candidate >= window:
		return candidate - window
	}
	return candidate
}

func appendPacketNumber(b []byte, pn protocol.PacketNumber, pnLen int) []byte {
	for i := pnLen - 1; i >= 0; i-- {
		b = append(b, byte(pn>>(8*i)))
	}
	return b
}

func checkPacketNumberLen(pnLen int) {
	if pnLen < 1 || pnLen > maxPacketNumberLen {
		panic("BUG: packet number length is not in 1..4")
	}
}
