package wire

import (
	"errors"
	"fmt"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/quicvarint"
)

var errFramePutBack = errors.New("STREAM frame was put back")

// A StreamFrame is a STREAM frame (RFC 9000, Section 19.8).
type StreamFrame struct {
	StreamID       protocol.StreamID
	Offset         protocol.ByteCount
	Data           []byte
	Fin            bool
	DataLenPresent bool // without it, the data extends to the end of the packet

	putBack bool
}

// Append implements Frame.
func (f *StreamFrame) Append(b []byte, _ protocol.Version) ([]byte, error) {
	if f.putBack {
		return b, errFramePutBack
	}
	if f.StreamID < 0 || f.StreamID > quicvarint.Max || f.Offset < 0 || f.Offset > protocol.MaxByteCount {
		return b, fmt.Errorf("STREAM: stream ID %d or offset %d is not in 0..2^62-1", f.StreamID, f.Offset)
	}
	b = AppendStreamHeader(b, f.StreamID, f.Offset, len(f.Data), f.Fin, f.DataLenPresent)
	return append(b, f.Data...), nil
}

// Length implements Frame.
func (f *StreamFrame) Length(protocol.Version) protocol.ByteCount {
	n := f.fixedLen() + f.DataLen()
	if f.DataLenPresent {
		n += protocol.ByteCount(quicvarint.Len(uint64(len(f.Data))))
	}
	return n
}

// DataLen returns the number of bytes of data.
func (f *StreamFrame) DataLen() protocol.ByteCount { return protocol.ByteCount(len(f.Data)) }

// MaxDataLen returns how much data the frame can carry if it is not to be longer than maxSize.
func (f *StreamFrame) MaxDataLen(maxSize protocol.ByteCount, _ protocol.Version) protocol.ByteCount {
	room := maxSize - f.fixedLen()
	if f.DataLenPresent {
		return maxPrefixed(room)
	}
	return max(0, room)
}

// MaybeSplitOffFrame makes the frame fit into maxSize bytes. If it does already, the result is nil and
// false. Otherwise the result is true and a frame with the first part of the data, the rest of which stays
// in f together with the FIN; that frame is nil if not a single byte of data would fit.
func (f *StreamFrame) MaybeSplitOffFrame(maxSize protocol.ByteCount, v protocol.Version) (*StreamFrame, bool) {
	if f.Length(v) <= maxSize {
		return nil, false
	}
	n := f.MaxDataLen(maxSize, v)
	if n == 0 {
		return nil, true
	}
	first := &StreamFrame{StreamID: f.StreamID, Offset: f.Offset, Data: f.Data[:n:n], DataLenPresent: f.DataLenPresent}
	f.Offset += n
	f.Data = f.Data[n:]
	return first, true
}

// PutBack gives up the frame and its data. The frame must not be used any more.
func (f *StreamFrame) PutBack() {
	f.Data = nil
	f.putBack = true
}

// fixedLen is the length of the type, the stream ID and the offset.
func (f *StreamFrame) fixedLen() protocol.ByteCount {
	if f.Offset == 0 {
		return varintsLen(FrameTypeStream, uint64(f.StreamID))
	}
	return varintsLen(FrameTypeStream, uint64(f.StreamID), uint64(f.Offset))
}

// StreamFrameOverhead returns the number of bytes that AppendStreamHeader appends.
func StreamFrameOverhead(id protocol.StreamID, off protocol.ByteCount, dataLen int, hasLen bool) int {
	n := 1 + quicvarint.Len(uint64(id))
	if off > 0 {
		n += quicvarint.Len(uint64(off))
	}
	if hasLen {
		n += quicvarint.Len(uint64(dataLen))
	}
	return n
}

// AppendStreamHeader appends a STREAM frame up to its data. Only the last frame of a packet may do without
// a length.
func AppendStreamHeader(b []byte, id protocol.StreamID, off protocol.ByteCount, dataLen int, fin, hasLen bool) []byte {
	t := FrameTypeStream
	if fin {
		t |= streamFlagFin
	}
	if hasLen {
		t |= streamFlagLen
	}
	if off > 0 {
		t |= streamFlagOff
	}
	b = quicvarint.Append(append(b, byte(t)), uint64(id))
	if off > 0 {
		b = quicvarint.Append(b, uint64(off))
	}
	if hasLen {
		b = quicvarint.Append(b, uint64(dataLen))
	}
	return b
}

func (d *Decoded) parseStream(r *frameReader) error {
	t := d.Type
	d.Fin = t&streamFlagFin != 0
	d.StreamID = protocol.StreamID(r.varint())
	if t&streamFlagOff != 0 {
		d.Offset = protocol.ByteCount(r.varint())
	}
	n := uint64(len(r.b))
	if t&streamFlagLen != 0 {
		n = r.varint()
	}
	d.Data = r.bytes(n)
	// RFC 9000, Section 19.8: "The largest offset delivered on a stream -- the sum of the offset and data length
	// -- cannot exceed 2^62-1, as it is not possible to provide flow control credit for that data. Receipt of a
	// frame that exceeds this limit MUST be treated as a connection error of type FRAME_ENCODING_ERROR or
	// FLOW_CONTROL_ERROR."
	if d.Offset > protocol.MaxByteCount-protocol.ByteCount(len(d.Data)) {
		return d.encodingError("offset exceeds 2^62-1")
	}
	d.Type = FrameTypeStream
	return nil
}
