package wire

import "github.com/quic-go/quic-go/internal/protocol"

// A MaxStreamsFrame is a MAX_STREAMS frame (RFC 9000, Section 19.11).
type MaxStreamsFrame struct {
	Type         protocol.StreamType
	MaxStreamNum protocol.StreamNum
}

// Append implements Frame.
func (f *MaxStreamsFrame) Append(b []byte, _ protocol.Version) ([]byte, error) {
	return appendVarints(b, f.frameType(), uint64(f.MaxStreamNum))
}

// Length implements Frame.
func (f *MaxStreamsFrame) Length(protocol.Version) protocol.ByteCount {
	return varintsLen(f.frameType(), uint64(f.MaxStreamNum))
}

func (f *MaxStreamsFrame) frameType() FrameType {
	if f.Type == protocol.StreamTypeUni {
		return FrameTypeMaxStreamsUni
	}
	return FrameTypeMaxStreamsBidi
}

// parseStreamCount parses MAX_STREAMS and STREAMS_BLOCKED.
func (d *Decoded) parseStreamCount(r *frameReader) error {
	// The two types of each differ in the lowest bit.
	d.StreamType = protocol.StreamTypeBidi
	if d.Type&1 == FrameTypeMaxStreamsUni&1 {
		d.StreamType = protocol.StreamTypeUni
	}
	d.Limit = r.varint()
	// RFC 9000, Section 19.11: "This value cannot exceed 2^60 [...]. Receipt of a frame that permits opening of
	// a stream larger than this limit MUST be treated as a connection error of type FRAME_ENCODING_ERROR."
	// RFC 9000, Section 19.14 allows the same code for STREAMS_BLOCKED.
	if d.Limit > uint64(protocol.MaxStreamCount) {
		return d.encodingError("stream count exceeds 2^60")
	}
	return nil
}
