package protect

import "github.com/quic-go/quic-go/internal/protocol"

func decodePacketNumber(largest, truncated protocol.PacketNumber, pnLen int) protocol.PacketNumber {
	expected := largest + 1
	win := protocol.PacketNumber(1) << (8 * pnLen)
	candidate := expected&^(win-1) | truncated
	switch {
	case candidate <= expected-win/2 && candidate < 1<<62-win:
		return candidate + win
	case candidate > expected+win/2 && candidate >= win:
		return candidate - win
	}
	return candidate
}
