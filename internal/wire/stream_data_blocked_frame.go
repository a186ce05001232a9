package wire

import "github.com/quic-go/quic-go/internal/protocol"

// A StreamDataBlockedFrame is a STREAM_DATA_BLOCKED frame (RFC 9000, Section 19.13).
type StreamDataBlockedFrame struct {
	StreamID          protocol.StreamID
	MaximumStreamData protocol.ByteCount
}

// Append implements Frame.
func (f *StreamDataBlockedFrame) Append(b []byte, _ protocol.Version) ([]byte, error) {
	return appendVarints(b, FrameTypeStreamDataBlocked, uint64(f.StreamID), uint64(f.MaximumStreamData))
}

// Length implements Frame.
func (f *StreamDataBlockedFrame) Length(protocol.Version) protocol.ByteCount {
	return varintsLen(FrameTypeStreamDataBlocked, uint64(f.StreamID), uint64(f.MaximumStreamData))
}
