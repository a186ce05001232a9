package wire

import (
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
)

// A ResetStreamFrame is a RESET_STREAM frame (RFC 9000, Section 19.4), or a RESET_STREAM_AT frame if
// ReliableSize is not 0 (draft-ietf-quic-reliable-stream-reset-10, Section 4).
type ResetStreamFrame struct {
	StreamID     protocol.StreamID
	ErrorCode    qerr.StreamErrorCode
	FinalSize    protocol.ByteCount
	ReliableSize protocol.ByteCount
}

// Append implements Frame.
func (f *ResetStreamFrame) Append(b []byte, _ protocol.Version) ([]byte, error) {
	id, code, size := uint64(f.StreamID), uint64(f.ErrorCode), uint64(f.FinalSize)
	if f.ReliableSize == 0 {
		return appendVarints(b, FrameTypeResetStream, id, code, size)
	}
	return appendVarints(b, FrameTypeResetStreamAt, id, code, size, uint64(f.ReliableSize))
}

// Length implements Frame.
func (f *ResetStreamFrame) Length(protocol.Version) protocol.ByteCount {
	id, code, size := uint64(f.StreamID), uint64(f.ErrorCode), uint64(f.FinalSize)
	if f.ReliableSize == 0 {
		return varintsLen(FrameTypeResetStream, id, code, size)
	}
	return varintsLen(FrameTypeResetStreamAt, id, code, size, uint64(f.ReliableSize))
}

func (d *Decoded) parseResetStream(r *frameReader) {
	d.StreamID = protocol.StreamID(r.varint())
	d.ErrorCode = r.varint()
	d.FinalSize = protocol.ByteCount(r.varint())
}

func (d *Decoded) parseResetStreamAt(r *frameReader) error {
	d.parseResetStream(r)
	d.ReliableSize = protocol.ByteCount(r.varint())
	// draft-ietf-quic-reliable-stream-reset-10, Section 4: "If the Reliable Size is larger than the Final Size,
	// the receiver MUST close the connection with a connection error of type FRAME_ENCODING_ERROR."
	if d.ReliableSize > d.FinalSize {
		return d.encodingError("reliable size exceeds final size")
	}
	return nil
}
