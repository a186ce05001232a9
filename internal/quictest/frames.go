package quictest

import (
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/wire"
)

// Raw is a frame, or what stands in place of one, as bytes.
type Raw []byte

// Append implements wire.Frame.
func (r Raw) Append(b []byte, _ protocol.Version) ([]byte, error) { return append(b, r...), nil }

// Length implements wire.Frame.
func (r Raw) Length(protocol.Version) protocol.ByteCount { return protocol.ByteCount(len(r)) }

// Padding returns n PADDING frames.
func Padding(n int) Raw { return make(Raw, n) }

// Encode returns the bytes of frames.
func Encode(frames ...wire.Frame) []byte {
	var b []byte
	for _, f := range frames {
		var err error
		if b, err = f.Append(b, protocol.Version1); err != nil {
			panic("BUG: frame of a test: " + err.Error())
		}
	}
	return b
}

// isAckEliciting reports whether a packet with this frame has to be acknowledged (RFC 9000, Section 13.2).
func isAckEliciting(f wire.Frame) bool {
	switch f.(type) {
	case *wire.AckFrame, *wire.ConnectionCloseFrame:
		return false
	}
	return true
}
