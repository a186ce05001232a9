package wire

import "github.com/quic-go/quic-go/internal/protocol"

// A StreamsBlockedFrame is a STREAMS_BLOCKED frame (RFC 9000, Section 19.14).
type StreamsBlockedFrame struct {
	Type        protocol.StreamType
	StreamLimit protocol.StreamNum
}

// Append implements Frame.
func (f *StreamsBlockedFrame) Append(b []byte, _ protocol.Version) ([]byte, error) {
	return appendVarints(b, f.frameType(), uint64(f.StreamLimit))
}

// Length implements Frame.
func (f *StreamsBlockedFrame) Length(protocol.Version) protocol.ByteCount {
	return varintsLen(f.frameType(), uint64(f.StreamLimit))
}

func (f *StreamsBlockedFrame) frameType() FrameType {
	if f.Type == protocol.StreamTypeUni {
		return FrameTypeStreamsBlockedUni
	}
	return FrameTypeStreamsBlockedBidi
}
