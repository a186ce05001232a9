package wire

import (
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/quicvarint"
)

// A NewTokenFrame is a NEW_TOKEN frame (RFC 9000, Section 19.7).
type NewTokenFrame struct {
	Token []byte
}

// Append implements Frame.
func (f *NewTokenFrame) Append(b []byte, _ protocol.Version) ([]byte, error) {
	b = quicvarint.Append(append(b, byte(FrameTypeNewToken)), uint64(len(f.Token)))
	return append(b, f.Token...), nil
}

// Length implements Frame.
func (f *NewTokenFrame) Length(protocol.Version) protocol.ByteCount {
	return varintsLen(FrameTypeNewToken, uint64(len(f.Token))) + protocol.ByteCount(len(f.Token))
}

func (d *Decoded) parseNewToken(r *frameReader) error {
	d.Data = r.bytes(r.varint())
	// RFC 9000, Section 19.7: "A client MUST treat receipt of a NEW_TOKEN frame with an empty Token field as a
	// connection error of type FRAME_ENCODING_ERROR."
	if len(d.Data) == 0 {
		return d.encodingError("empty token")
	}
	return nil
}
