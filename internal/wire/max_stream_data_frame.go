package wire

import "github.com/quic-go/quic-go/internal/protocol"

// A MaxStreamDataFrame is a MAX_STREAM_DATA frame (RFC 9000, Section 19.10).
type MaxStreamDataFrame struct {
	StreamID          protocol.StreamID
	MaximumStreamData protocol.ByteCount
}

// Append implements Frame.
func (f *MaxStreamDataFrame) Append(b []byte, _ protocol.Version) ([]byte, error) {
	return appendVarints(b, FrameTypeMaxStreamData, uint64(f.StreamID), uint64(f.MaximumStreamData))
}

// Length implements Frame.
func (f *MaxStreamDataFrame) Length(protocol.Version) protocol.ByteCount {
	return varintsLen(FrameTypeMaxStreamData, uint64(f.StreamID), uint64(f.MaximumStreamData))
}

func (d *Decoded) parseStreamLimit(r *frameReader) {
	d.StreamID = protocol.StreamID(r.varint())
	d.Limit = r.varint()
}
