package http3

import (
	"bytes"
	"io"
	"testing"
	"testing/iotest"

	"github.com/quic-go/quic-go/quicvarint"
)

func TestReadFrameHeader(t *testing.T) {
	var scratch [maxFrameHeader]byte
	for _, typeLen := range []int{1, 2, 4, 8} {
		for _, lengthLen := range []int{1, 2, 4, 8} {
			b := quicvarint.AppendWithLen(nil, 0x21, typeLen)
			b = quicvarint.AppendWithLen(b, 0x3f, lengthLen)
			b = append(b, 0xff)
			for _, r := range []io.Reader{bytes.NewReader(b), iotest.OneByteReader(bytes.NewReader(b))} {
				typ, length, err := readFrameHeader(r, &scratch)
				if typ != 0x21 || length != 0x3f || err != nil {
					t.Errorf("%x: got %#x, %d, %v", b, uint64(typ), length, err)
				}
				if rest, _ := io.ReadAll(r); len(rest) != 1 {
					t.Errorf("%x: %d bytes are left, want 1", b, len(rest))
				}
			}
			for n := range typeLen + lengthLen {
				_, _, err := readFrameHeader(bytes.NewReader(b[:n]), &scratch)
				if want := truncation(n); err != want {
					t.Errorf("%x: got %v, want %v", b[:n], err, want)
				}
			}
		}
	}
}

// truncation is the error of a stream that ends after n bytes of something.
func truncation(n int) error {
	if n == 0 {
		return io.EOF
	}
	return io.ErrUnexpectedEOF
}

func TestReadFrameHeaderKeepsErrors(t *testing.T) {
	var scratch [maxFrameHeader]byte
	r := io.MultiReader(bytes.NewReader([]byte{0x40}), iotest.ErrReader(iotest.ErrTimeout))
	if _, _, err := readFrameHeader(r, &scratch); err != iotest.ErrTimeout {
		t.Errorf("got %v, want %v", err, iotest.ErrTimeout)
	}
}

func TestReadPayload(t *testing.T) {
	data := bytes.Repeat([]byte("abcdefgh"), 10_000)
	for _, n := range []int{0, 1, firstPayloadBytes, firstPayloadBytes + 1, len(data)} {
		b, err := readPayload(iotest.HalfReader(bytes.NewReader(data)), nil, n)
		if err != nil || !bytes.Equal(b, data[:n]) {
			t.Errorf("%d bytes: got %d bytes, %v", n, len(b), err)
		}
	}
	if _, err := readPayload(bytes.NewReader(data), nil, len(data)+1); err != io.ErrUnexpectedEOF {
		t.Errorf("got %v, want %v", err, io.ErrUnexpectedEOF)
	}
	if _, err := readPayload(bytes.NewReader(nil), nil, 1); err != io.ErrUnexpectedEOF {
		t.Errorf("got %v, want %v", err, io.ErrUnexpectedEOF)
	}
}

// What a peer announces but does not send costs no memory.
func TestReadPayloadGrowsWithWhatArrives(t *testing.T) {
	b, _ := readPayload(bytes.NewReader([]byte("abc")), nil, 1<<30)
	if cap(b) > 2*firstPayloadBytes {
		t.Errorf("%d bytes were allocated for 3", cap(b))
	}
}

func TestFrameTypes(t *testing.T) {
	for typ := range FrameType(0x50) {
		reserved := typ == 2 || typ == 6 || typ == 8 || typ == 9
		control := typ == 3 || typ == 4 || typ == 7 || typ == 0xd
		if typ.isReserved() != reserved || typ.isControl() != control {
			t.Errorf("%#x: reserved %t, control %t", uint64(typ), typ.isReserved(), typ.isControl())
		}
	}
}
