package wire

import (
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
)

// An AckFrequencyFrame is an ACK_FREQUENCY frame (draft-ietf-quic-ack-frequency-12, Section 4).
type AckFrequencyFrame struct {
	SequenceNumber        uint64
	AckElicitingThreshold uint64
	RequestMaxAckDelay    time.Duration
	ReorderingThreshold   protocol.PacketNumber
}

// Append implements Frame.
func (f *AckFrequencyFrame) Append(b []byte, _ protocol.Version) ([]byte, error) {
	return appendVarints(b, FrameTypeAckFrequency, f.SequenceNumber, f.AckElicitingThreshold,
		uint64(f.RequestMaxAckDelay/time.Microsecond), uint64(f.ReorderingThreshold))
}

// Length implements Frame.
func (f *AckFrequencyFrame) Length(protocol.Version) protocol.ByteCount {
	return varintsLen(FrameTypeAckFrequency, f.SequenceNumber, f.AckElicitingThreshold,
		uint64(f.RequestMaxAckDelay/time.Microsecond), uint64(f.ReorderingThreshold))
}
