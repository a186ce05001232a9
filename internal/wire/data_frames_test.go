package wire

import (
	"bytes"
	"testing"

	"github.com/quic-go/quic-go/internal/protocol"
)

// sizes are the lengths at which the encoding of an integer grows, and their neighbours.
var sizes = []int{0, 1, 2, 62, 63, 64, 65, 66, 67, 1000, 16382, 16383, 16384, 16385, 16386, 16387, 16388, 16389}

var offsets = []protocol.ByteCount{0, 1, 63, 64, 16383, 16384, 1<<30 - 1, 1 << 30, 1 << 61}

// dataFrame is a frame that carries data.
type dataFrame interface {
	Frame
	setData(n int)
	maxDataLen(maxSize protocol.ByteCount) protocol.ByteCount
}

type testStream struct{ StreamFrame }

func (f *testStream) setData(n int) { f.Data = make([]byte, n) }
func (f *testStream) maxDataLen(maxSize protocol.ByteCount) protocol.ByteCount {
	return f.MaxDataLen(maxSize, protocol.Version1)
}

type testCrypto struct{ CryptoFrame }

func (f *testCrypto) setData(n int) { f.Data = make([]byte, n) }
func (f *testCrypto) maxDataLen(maxSize protocol.ByteCount) protocol.ByteCount {
	return f.MaxDataLen(maxSize)
}

func TestMaxDataLen(t *testing.T) {
	for _, off := range offsets {
		for _, f := range []dataFrame{
			&testStream{StreamFrame{StreamID: 64, Offset: off}},
			&testStream{StreamFrame{StreamID: 64, Offset: off, DataLenPresent: true}},
			&testCrypto{CryptoFrame{Offset: off}},
		} {
			for _, size := range sizes {
				maxSize := protocol.ByteCount(size)
				n := f.maxDataLen(maxSize)
				f.setData(int(n))
				if n > 0 && f.Length(protocol.Version1) > maxSize {
					t.Errorf("%T at %d: MaxDataLen(%d) = %d, which makes %d bytes", f, off, size, n, f.Length(protocol.Version1))
				}
				f.setData(int(n) + 1)
				if f.Length(protocol.Version1) <= maxSize {
					t.Errorf("%T at %d: MaxDataLen(%d) = %d, but one more fits", f, off, size, n)
				}
			}
		}
	}
}

func TestSplitStreamFrame(t *testing.T) {
	data := []byte("0123456789abcdef")
	for _, hasLen := range []bool{false, true} {
		for maxSize := range protocol.ByteCount(24) {
			f := &StreamFrame{StreamID: 4, Offset: 100, Data: data, Fin: true, DataLenPresent: hasLen}
			whole := f.Length(protocol.Version1)
			first, split := f.MaybeSplitOffFrame(maxSize, protocol.Version1)
			if split != (whole > maxSize) {
				t.Errorf("maxSize %d: split = %t, length is %d", maxSize, split, whole)
			}
			if first == nil {
				if split && f.MaxDataLen(maxSize, protocol.Version1) > 0 || !bytes.Equal(f.Data, data) || f.Offset != 100 || !f.Fin {
					t.Errorf("maxSize %d: no first part, rest is %+v", maxSize, f)
				}
				continue
			}
			if first.Length(protocol.Version1) > maxSize || first.DataLen() == 0 || first.Fin || first.StreamID != 4 || first.DataLenPresent != hasLen {
				t.Errorf("maxSize %d: first part is %+v", maxSize, first)
			}
			if first.Offset != 100 || f.Offset != 100+first.DataLen() || !f.Fin || !bytes.Equal(append(first.Data, f.Data...), data) {
				t.Errorf("maxSize %d: parts are %+v and %+v", maxSize, first, f)
			}
		}
	}
}

func TestSplitCryptoFrame(t *testing.T) {
	data := []byte("0123456789abcdef")
	for maxSize := range protocol.ByteCount(24) {
		f := &CryptoFrame{Offset: 100, Data: data}
		whole := f.Length(protocol.Version1)
		first, split := f.MaybeSplitOffFrame(maxSize, protocol.Version1)
		if split != (whole > maxSize) {
			t.Errorf("maxSize %d: split = %t, length is %d", maxSize, split, whole)
		}
		if first == nil {
			if split && f.MaxDataLen(maxSize) > 0 || !bytes.Equal(f.Data, data) || f.Offset != 100 {
				t.Errorf("maxSize %d: no first part, rest is %+v", maxSize, f)
			}
			continue
		}
		n := protocol.ByteCount(len(first.Data))
		if first.Length(protocol.Version1) > maxSize || n == 0 || first.Offset != 100 || f.Offset != 100+n || !bytes.Equal(append(first.Data, f.Data...), data) {
			t.Errorf("maxSize %d: parts are %+v and %+v", maxSize, first, f)
		}
	}
}

func TestPutBack(t *testing.T) {
	f := &StreamFrame{StreamID: 4, Data: []byte("x")}
	f.PutBack()
	f.PutBack()
	if b, err := f.Append(nil, protocol.Version1); len(b) != 0 || err == nil {
		t.Errorf("Append after PutBack = %x, %v, want an error", b, err)
	}
}

func TestOverhead(t *testing.T) {
	for _, off := range offsets {
		for _, n := range sizes {
			b := AppendCryptoHeader(nil, off, n)
			if got := CryptoFrameOverhead(off, n); got != len(b) {
				t.Errorf("CryptoFrameOverhead(%d, %d) = %d, want %d", off, n, got, len(b))
			}
			for _, hasLen := range []bool{false, true} {
				b := AppendStreamHeader(nil, 4, off, n, true, hasLen)
				if got := StreamFrameOverhead(4, off, n, hasLen); got != len(b) {
					t.Errorf("StreamFrameOverhead(4, %d, %d, %t) = %d, want %d", off, n, hasLen, got, len(b))
				}
				b = AppendDatagramHeader(nil, n, hasLen)
				if got := DatagramFrameOverhead(n, hasLen); got != len(b) {
					t.Errorf("DatagramFrameOverhead(%d, %t) = %d, want %d", n, hasLen, got, len(b))
				}
			}
		}
	}
}

func TestHeadersOfData(t *testing.T) {
	data := []byte("data")
	for _, tt := range []struct {
		name   string
		header []byte
		frame  Frame
	}{
		{"STREAM", AppendStreamHeader(nil, 68, 0, 4, false, true), &StreamFrame{StreamID: 68, Data: data, DataLenPresent: true}},
		{"STREAM with FIN, without length", AppendStreamHeader(nil, 4, 9, 4, true, false), &StreamFrame{StreamID: 4, Offset: 9, Data: data, Fin: true}},
		{"CRYPTO", AppendCryptoHeader(nil, 1<<20, 4), &CryptoFrame{Offset: 1 << 20, Data: data}},
		{"DATAGRAM", AppendDatagramHeader(nil, 4, true), &DatagramFrame{Data: data, DataLenPresent: true}},
		{"DATAGRAM without length", AppendDatagramHeader(nil, 4, false), &DatagramFrame{Data: data}},
	} {
		want, err := tt.frame.Append(nil, protocol.Version1)
		if got := append(tt.header, data...); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %x, want %x, %v", tt.name, got, want, err)
		}
	}
}

func TestDataHeadersDoNotAllocate(t *testing.T) {
	b := make([]byte, 0, 1200)
	if n := testing.AllocsPerRun(100, func() {
		AppendStreamHeader(b, 4, 1<<20, 1000, true, true)
		AppendCryptoHeader(b, 1<<20, 1000)
		AppendDatagramHeader(b, 1000, true)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkAppendStreamHeader(b *testing.B) {
	b.ReportAllocs()
	buf := make([]byte, 0, 64)
	for b.Loop() {
		AppendStreamHeader(buf, 4, 1<<20, 1000, false, true)
	}
}
