package wire

import "github.com/quic-go/quic-go/internal/protocol"

// A DataBlockedFrame is a DATA_BLOCKED frame (RFC 9000, Section 19.12).
type DataBlockedFrame struct {
	MaximumData protocol.ByteCount
}

// Append implements Frame.
func (f *DataBlockedFrame) Append(b []byte, _ protocol.Version) ([]byte, error) {
	return appendVarints(b, FrameTypeDataBlocked, uint64(f.MaximumData))
}

// Length implements Frame.
func (f *DataBlockedFrame) Length(protocol.Version) protocol.ByteCount {
	return varintsLen(FrameTypeDataBlocked, uint64(f.MaximumData))
}
