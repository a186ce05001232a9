package wire

import "github.com/quic-go/quic-go/internal/protocol"

// A ConnectionCloseFrame is a CONNECTION_CLOSE frame (RFC 9000, Section 19.19).
type ConnectionCloseFrame struct {
	IsApplicationError bool // type 0x1d
	ErrorCode          uint64
	FrameType          uint64 // the frame that caused the error; not for application errors
	ReasonPhrase       string
}

// Append implements Frame.
func (f *ConnectionCloseFrame) Append(b []byte, _ protocol.Version) ([]byte, error) {
	reasonLen := uint64(len(f.ReasonPhrase))
	var err error
	if f.IsApplicationError {
		b, err = appendVarints(b, FrameTypeApplicationClose, f.ErrorCode, reasonLen)
	} else {
		b, err = appendVarints(b, FrameTypeConnectionClose, f.ErrorCode, f.FrameType, reasonLen)
	}
	if err != nil {
		return b, err
	}
	return append(b, f.ReasonPhrase...), nil
}

// Length implements Frame.
func (f *ConnectionCloseFrame) Length(protocol.Version) protocol.ByteCount {
	reasonLen := uint64(len(f.ReasonPhrase))
	if f.IsApplicationError {
		return varintsLen(FrameTypeApplicationClose, f.ErrorCode, reasonLen) + protocol.ByteCount(reasonLen)
	}
	return varintsLen(FrameTypeConnectionClose, f.ErrorCode, f.FrameType, reasonLen) + protocol.ByteCount(reasonLen)
}

func (d *Decoded) parseConnectionClose(r *frameReader) {
	d.ErrorCode = r.varint()
	if d.Type == FrameTypeConnectionClose {
		d.TriggerFrame = r.varint()
	}
	d.Data = r.bytes(r.varint())
}
