package wire

import (
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
)

// maxRequestedMaxAckDelay is 2^14 ms in microseconds.
const maxRequestedMaxAckDelay = (1 << 14) * 1000

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

func (d *Decoded) parseAckFrequency(r *frameReader) error {
	d.Sequence, d.Limit = r.varint(), r.varint()
	delay := r.varint()
	d.Reordering = protocol.PacketNumber(r.varint())
	// "Note that values of 2^14 milliseconds or greater are invalid for max_ack_delay [...]. Receipt of an invalid value MUST
	// be treated as a connection error of type PROTOCOL_VIOLATION." draft-ietf-quic-ack-frequency-12, Section 4.
	if delay >= maxRequestedMaxAckDelay {
		return qerr.FrameError(qerr.ProtocolViolation, uint64(FrameTypeAckFrequency), "Requested Max Ack Delay of 2^14 ms or more")
	}
	d.MaxAckDelay = time.Duration(delay) * time.Microsecond
	return nil
}
