package wire

import "github.com/quic-go/quic-go/internal/protocol"

// A PingFrame is a PING frame (RFC 9000, Section 19.2).
type PingFrame struct{}

// Append implements Frame.
func (f *PingFrame) Append(b []byte, _ protocol.Version) ([]byte, error) {
	return append(b, byte(FrameTypePing)), nil
}

// Length implements Frame.
func (f *PingFrame) Length(protocol.Version) protocol.ByteCount { return 1 }
