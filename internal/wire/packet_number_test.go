package wire

import (
	"testing"

	"github.com/quic-go/quic-go/internal/protocol"
)

func TestPacketNumberLen(t *testing.T) {
	for _, test := range []struct {
		name      string
		pn, acked protocol.PacketNumber
		want      int
	}{
		{name: "first packet", pn: 0, acked: -1, want: 2},
		{name: "first sample of RFC 9000, Appendix A.2", pn: 0xac5c02, acked: 0xabe8b3, want: 2},
		{name: "second sample of RFC 9000, Appendix A.2", pn: 0xace8fe, acked: 0xabe8b3, want: 3},
		{name: "largest range of two bytes", pn: 1<<15 - 1, acked: 0, want: 2},
		{name: "smallest range of three bytes", pn: 1 << 15, acked: 0, want: 3},
		{name: "largest range of three bytes", pn: 1<<23 - 1, acked: 0, want: 3},
		{name: "smallest range of four bytes", pn: 1 << 23, acked: 0, want: 4},
		{name: "never acknowledged", pn: 1 << 40, acked: -1, want: 4},
		{name: "last packet number", pn: protocol.MaxPacketNumber, acked: protocol.MaxPacketNumber - 1, want: 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := PacketNumberLen(test.pn, test.acked); got != test.want {
				t.Errorf("PacketNumberLen(%#x, %#x) = %d, want %d", test.pn, test.acked, got, test.want)
			}
		})
	}
}

func TestDecodePacketNumber(t *testing.T) {
	const last = protocol.MaxPacketNumber
	for _, test := range []struct {
		name               string
		largest, truncated protocol.PacketNumber
		pnLen              int
		want               protocol.PacketNumber
	}{
		{"sample of RFC 9000, Appendix A.3", 0xa82f30ea, 0x9b32, 2, 0xa82f9b32},
		{"first packet", -1, 0, 1, 0},
		{"no number is negative", -1, 0xff, 1, 0xff},
		{"next window", 0xff, 0x00, 1, 0x100},
		{"previous window", 0x100, 0xff, 1, 0xff},
		{"half a window ahead", 0x100, 0x81, 1, 0x181},
		{"more than half a window ahead", 0x100, 0x82, 1, 0x182 - 0x100},
		{"largest number", last - 1, last & 0xffff, 2, last},
		{"nothing beyond the largest number", last - 1, 0, 1, last &^ 0xff},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := DecodePacketNumber(test.largest, test.truncated, test.pnLen); got != test.want {
				t.Errorf("DecodePacketNumber(%#x, %#x, %d) = %#x, want %#x", test.largest, test.truncated, test.pnLen, got, test.want)
			}
		})
	}
}

// Whatever was acknowledged or received in between, a number that was sent is decoded right.
func TestPacketNumberRoundTrip(t *testing.T) {
	for _, acked := range []protocol.PacketNumber{-1, 0, 1, 200, 1 << 16, 1<<24 - 1, 1 << 32, 1<<62 - 1<<24} {
		for _, ahead := range []protocol.PacketNumber{1, 2, 127, 128, 129, 1<<15 - 1, 1 << 15, 1<<23 - 1, 1 << 23} {
			pn := acked + ahead
			n := PacketNumberLen(pn, acked)
			truncated := pn & (1<<(8*n) - 1)
			for _, largest := range []protocol.PacketNumber{acked, acked + ahead/2, pn - 1, pn + 100} {
				if got := DecodePacketNumber(largest, truncated, n); got != pn {
					t.Errorf("acked %d, largest received %d, %d bytes: got %d, want %d", acked, largest, n, got, pn)
				}
			}
		}
	}
}
