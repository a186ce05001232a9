package wire

import (
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/quicvarint"
)

// A CryptoFrame is a CRYPTO frame (RFC 9000, Section 19.6).
type CryptoFrame struct {
	Offset protocol.ByteCount
	Data   []byte
}

// Append implements Frame.
func (f *CryptoFrame) Append(b []byte, _ protocol.Version) ([]byte, error) {
	out, err := appendVarints(b, FrameTypeCrypto, uint64(f.Offset), uint64(len(f.Data)))
	if err != nil {
		return b, err
	}
	return append(out, f.Data...), nil
}

// Length implements Frame.
func (f *CryptoFrame) Length(protocol.Version) protocol.ByteCount {
	return varintsLen(FrameTypeCrypto, uint64(f.Offset), uint64(len(f.Data))) + protocol.ByteCount(len(f.Data))
}

// MaxDataLen returns how much data the frame can carry if it is not to be longer than maxSize.
func (f *CryptoFrame) MaxDataLen(maxSize protocol.ByteCount) protocol.ByteCount {
	return maxPrefixed(maxSize - varintsLen(FrameTypeCrypto, uint64(f.Offset)))
}

// MaybeSplitOffFrame makes the frame fit into maxSize bytes. If it does already, the result is nil and
// false. Otherwise the result is true and a frame with the first part of the data, the rest of which stays
// in f; that frame is nil if not a single byte of data would fit.
func (f *CryptoFrame) MaybeSplitOffFrame(maxSize protocol.ByteCount, v protocol.Version) (*CryptoFrame, bool) {
	if f.Length(v) <= maxSize {
		return nil, false
	}
	n := f.MaxDataLen(maxSize)
	if n == 0 {
		return nil, true
	}
	first := &CryptoFrame{Offset: f.Offset, Data: f.Data[:n:n]}
	f.Offset += n
	f.Data = f.Data[n:]
	return first, true
}

// CryptoFrameOverhead returns the number of bytes that AppendCryptoHeader appends.
func CryptoFrameOverhead(off protocol.ByteCount, dataLen int) int {
	return 1 + quicvarint.Len(uint64(off)) + quicvarint.Len(uint64(dataLen))
}

// AppendCryptoHeader appends a CRYPTO frame up to its data.
func AppendCryptoHeader(b []byte, off protocol.ByteCount, dataLen int) []byte {
	b = append(b, byte(FrameTypeCrypto))
	b = quicvarint.Append(b, uint64(off))
	return quicvarint.Append(b, uint64(dataLen))
}

func (d *Decoded) parseCrypto(r *frameReader) error {
	d.Offset = protocol.ByteCount(r.varint())
	d.Data = r.bytes(r.varint())
	// RFC 9000, Section 19.6: "The largest offset delivered on a stream -- the sum of the offset and data length
	// -- cannot exceed 2^62-1. Receipt of a frame that exceeds this limit MUST be treated as a connection error
	// of type FRAME_ENCODING_ERROR or CRYPTO_BUFFER_EXCEEDED."
	if d.Offset > protocol.MaxByteCount-protocol.ByteCount(len(d.Data)) {
		return d.encodingError("offset exceeds 2^62-1")
	}
	return nil
}
