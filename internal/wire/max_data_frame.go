package wire

import "github.com/quic-go/quic-go/internal/protocol"

// A MaxDataFrame is a MAX_DATA frame (RFC 9000, Section 19.9).
type MaxDataFrame struct {
	MaximumData protocol.ByteCount
}

// Append implements Frame.
func (f *MaxDataFrame) Append(b []byte, _ protocol.Version) ([]byte, error) {
	return appendVarints(b, FrameTypeMaxData, uint64(f.MaximumData))
}

// Length implements Frame.
func (f *MaxDataFrame) Length(protocol.Version) protocol.ByteCount {
	return varintsLen(FrameTypeMaxData, uint64(f.MaximumData))
}

func (d *Decoded) parseLimit(r *frameReader) { d.Limit = r.varint() }
