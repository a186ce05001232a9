package wire

import "github.com/quic-go/quic-go/internal/protocol"

// A HandshakeDoneFrame is a HANDSHAKE_DONE frame (RFC 9000, Section 19.20).
type HandshakeDoneFrame struct{}

// Append implements Frame.
func (f *HandshakeDoneFrame) Append(b []byte, _ protocol.Version) ([]byte, error) {
	return append(b, byte(FrameTypeHandshakeDone)), nil
}

// Length implements Frame.
func (f *HandshakeDoneFrame) Length(protocol.Version) protocol.ByteCount { return 1 }
