package wire

import "github.com/quic-go/quic-go/internal/protocol"

// A RetireConnectionIDFrame is a RETIRE_CONNECTION_ID frame (RFC 9000, Section 19.16).
type RetireConnectionIDFrame struct {
	SequenceNumber uint64
}

// Append implements Frame.
func (f *RetireConnectionIDFrame) Append(b []byte, _ protocol.Version) ([]byte, error) {
	return appendVarints(b, FrameTypeRetireConnectionID, f.SequenceNumber)
}

// Length implements Frame.
func (f *RetireConnectionIDFrame) Length(protocol.Version) protocol.ByteCount {
	return varintsLen(FrameTypeRetireConnectionID, f.SequenceNumber)
}

func (d *Decoded) parseRetireConnectionID(r *frameReader) { d.Sequence = r.varint() }
