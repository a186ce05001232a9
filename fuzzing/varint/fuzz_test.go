package varint

import (
	"bytes"
	"io"
	"testing"

	"github.com/quic-go/quic-go/quicvarint"
)

// peeker shows the bytes of a slice.
type peeker []byte

func (p peeker) Peek(b []byte) (int, error) {
	n := copy(b, p)
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func FuzzParse(f *testing.F) {
	for _, b := range [][]byte{nil, {0}, {0x3f}, {0x40}, {0x7b, 0xbd}, {0x9d, 0x7f, 0x3e, 0x7d}, bytes.Repeat([]byte{0xff}, 9), {0xc0, 0, 0, 0, 0, 0, 0}} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, n, err := quicvarint.Parse(b[:len(b):len(b)])
		r := bytes.NewReader(b)
		read, readErr := quicvarint.Read(r)
		peeked, peekErr := quicvarint.Peek(peeker(b))
		if err != nil {
			if v != 0 || n != 0 || readErr != io.EOF || peekErr != io.EOF || (err == io.EOF) != (len(b) == 0) {
				t.Errorf("Parse = %d, %d, %v; Read: %v; Peek: %v", v, n, err, readErr, peekErr)
			}
			return
		}
		if readErr != nil || peekErr != nil || read != v || peeked != v || len(b)-r.Len() != n {
			t.Errorf("Parse = %d, %d; Read = %d, %v, %d left; Peek = %d, %v", v, n, read, readErr, r.Len(), peeked, peekErr)
		}
		if again := quicvarint.AppendWithLen(nil, v, n); !bytes.Equal(again, b[:n]) {
			t.Errorf("AppendWithLen(%d, %d) = %x, want %x", v, n, again, b[:n])
		}
		shortest := quicvarint.Append(nil, v)
		if len(shortest) > n || len(shortest) != quicvarint.Len(v) {
			t.Errorf("Append(%d) = %x, Len = %d, was %x", v, shortest, quicvarint.Len(v), b[:n])
		}
		if got, _, err := quicvarint.Parse(shortest); got != v || err != nil {
			t.Errorf("Parse(Append(%d)) = %d, %v", v, got, err)
		}
	})
}
