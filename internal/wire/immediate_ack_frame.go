package wire

import "github.com/quic-go/quic-go/internal/protocol"

// An ImmediateAckFrame is an IMMEDIATE_ACK frame (draft-ietf-quic-ack-frequency-12, Section 5).
type ImmediateAckFrame struct{}

// Append implements Frame.
func (f *ImmediateAckFrame) Append(b []byte, _ protocol.Version) ([]byte, error) {
	return append(b, byte(FrameTypeImmediateAck)), nil
}

// Length implements Frame.
func (f *ImmediateAckFrame) Length(protocol.Version) protocol.ByteCount { return 1 }
