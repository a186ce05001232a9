package wire

import "github.com/quic-go/quic-go/quicvarint"

// frameReader consumes the fields of a frame. Once a field is truncated it returns zeros, and the
// frame is malformed.
type frameReader struct {
	b         []byte
	truncated bool
}

func (r *frameReader) varint() uint64 {
	v, n, err := quicvarint.Parse(r.b)
	if err != nil {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

// bytes returns the next n bytes, which it does not copy.
func (r *frameReader) bytes(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.fail()
		return nil
	}
	out := r.b[:n:n]
	r.b = r.b[n:]
	return out
}

func (r *frameReader) skipPadding() {
	n := 0
	for n < len(r.b) && r.b[n] == byte(FrameTypePadding) {
		n++
	}
	r.b = r.b[n:]
}

func (r *frameReader) fail() {
	r.b = nil
	r.truncated = true
}
