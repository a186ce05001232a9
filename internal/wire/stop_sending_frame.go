package wire

import (
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
)

// A StopSendingFrame is a STOP_SENDING frame (RFC 9000, Section 19.5).
type StopSendingFrame struct {
	StreamID  protocol.StreamID
	ErrorCode qerr.StreamErrorCode
}

// Append implements Frame.
func (f *StopSendingFrame) Append(b []byte, _ protocol.Version) ([]byte, error) {
	return appendVarints(b, FrameTypeStopSending, uint64(f.StreamID), uint64(f.ErrorCode))
}

// Length implements Frame.
func (f *StopSendingFrame) Length(protocol.Version) protocol.ByteCount {
	return varintsLen(FrameTypeStopSending, uint64(f.StreamID), uint64(f.ErrorCode))
}

func (d *Decoded) parseStopSending(r *frameReader) {
	d.StreamID = protocol.StreamID(r.varint())
	d.ErrorCode = r.varint()
}
