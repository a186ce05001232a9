package quicvarint

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
)

// encodings are the edges of every length and the examples of RFC 9000, Appendix A.1.
var encodings = []struct {
	value uint64
	bytes []byte
}{
	{0, []byte{0}},
	{37, []byte{0x25}},
	{63, []byte{0x3f}},
	{64, []byte{0x40, 0x40}},
	{15293, []byte{0x7b, 0xbd}},
	{16383, []byte{0x7f, 0xff}},
	{16384, []byte{0x80, 0, 0x40, 0}},
	{494878333, []byte{0x9d, 0x7f, 0x3e, 0x7d}},
	{1<<30 - 1, []byte{0xbf, 0xff, 0xff, 0xff}},
	{1 << 30, []byte{0xc0, 0, 0, 0, 0x40, 0, 0, 0}},
	{151288809941952652, []byte{0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c}},
	{Max, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
}

func TestEncodings(t *testing.T) {
	for _, tt := range encodings {
		t.Run(fmt.Sprint(tt.value), func(t *testing.T) {
			if got := Append([]byte("x"), tt.value); !bytes.Equal(got, append([]byte("x"), tt.bytes...)) {
				t.Errorf("Append = %x, want 78%x", got, tt.bytes)
			}
			if got := Len(tt.value); got != len(tt.bytes) {
				t.Errorf("Len = %d, want %d", got, len(tt.bytes))
			}
			checkDecode(t, tt.bytes, tt.value)
			for l := 1; l <= 8; l *= 2 {
				if l < len(tt.bytes) {
					continue
				}
				b := AppendWithLen(nil, tt.value, l)
				if len(b) != l {
					t.Errorf("AppendWithLen(%d) = %x", l, b)
				}
				checkDecode(t, b, tt.value)
			}
		})
	}
}

func TestTruncated(t *testing.T) {
	for _, tt := range encodings {
		for n := range len(tt.bytes) {
			want := io.ErrUnexpectedEOF
			if n == 0 {
				want = io.EOF
			}
			b := tt.bytes[:n]
			if v, l, err := Parse(b); v != 0 || l != 0 || err != want {
				t.Errorf("Parse(%x) = %d, %d, %v, want 0, 0, %v", b, v, l, err, want)
			}
			if v, err := Read(bytes.NewReader(b)); v != 0 || err != io.EOF {
				t.Errorf("Read(%x) = %d, %v, want 0, EOF", b, v, err)
			}
			if v, err := Peek(&peeker{b: b, err: errTest}); v != 0 || err != errTest {
				t.Errorf("Peek(%x) = %d, %v, want 0, %v", b, v, err, errTest)
			}
			if _, err := Peek(&peeker{b: b}); err != io.ErrUnexpectedEOF {
				t.Errorf("Peek(%x) of a short Peeker without error = %v, want unexpected EOF", b, err)
			}
		}
	}
}

func TestRandomRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		v := r.Uint64() >> (2 + r.IntN(62))
		checkDecode(t, Append(nil, v), v)
	}
}

func checkDecode(t *testing.T, b []byte, want uint64) {
	t.Helper()
	longer := append(bytes.Clone(b), 0xff)
	if v, n, err := Parse(longer); v != want || n != len(b) || err != nil {
		t.Errorf("Parse(%x) = %d, %d, %v, want %d, %d", longer, v, n, err, want, len(b))
	}
	r := bytes.NewReader(longer)
	if v, err := Read(r); v != want || err != nil || r.Len() != 1 {
		t.Errorf("Read(%x) = %d, %v with %d bytes left, want %d with 1", longer, v, err, r.Len(), want)
	}
	p := &peeker{b: longer}
	if v, err := Peek(p); v != want || err != nil || p.longest != len(b) {
		t.Errorf("Peek(%x) = %d, %v after %d bytes, want %d after %d", longer, v, err, p.longest, want, len(b))
	}
}

func TestPanics(t *testing.T) {
	for _, tt := range []struct {
		name string
		f    func()
		want string
	}{
		{"Len", func() { Len(Max + 1) }, "value doesn't fit into 62 bits: 4611686018427387904"},
		{"Append", func() { Append(nil, 1<<64-1) }, "value doesn't fit into 62 bits: 18446744073709551615"},
		{"AppendWithLen of a large value", func() { AppendWithLen(nil, Max+1, 8) }, "value doesn't fit into 62 bits: 4611686018427387904"},
		{"AppendWithLen of 0 bytes", func() { AppendWithLen(nil, 1, 0) }, "invalid varint length"},
		{"AppendWithLen of 3 bytes", func() { AppendWithLen(nil, 1, 3) }, "invalid varint length"},
		{"AppendWithLen of too few bytes", func() { AppendWithLen(nil, 64, 1) }, "cannot encode 64 in 1 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			defer func() {
				if got := fmt.Sprint(recover()); got != tt.want {
					t.Errorf("panics with %q, want %q", got, tt.want)
				}
			}()
			tt.f()
		})
	}
}

func TestNewReader(t *testing.T) {
	br := bytes.NewReader(nil)
	if r := NewReader(br); r != Reader(br) {
		t.Error("NewReader wraps a byte reader")
	}
	r := NewReader(io.MultiReader(bytes.NewReader([]byte{0x7b}), bytes.NewReader([]byte{0xbd, 1, 2, 3})))
	if v, err := Read(r); v != 15293 || err != nil {
		t.Errorf("Read = %d, %v, want 15293", v, err)
	}
	if rest, err := io.ReadAll(r); !bytes.Equal(rest, []byte{1, 2, 3}) || err != nil {
		t.Errorf("rest = %x, %v, want 010203", rest, err)
	}
	if _, err := r.ReadByte(); err != io.EOF {
		t.Errorf("ReadByte at the end = %v, want EOF", err)
	}
}

func TestNewWriter(t *testing.T) {
	var buf bytes.Buffer
	if w := NewWriter(&buf); w != Writer(&buf) {
		t.Error("NewWriter wraps a byte writer")
	}
	w := NewWriter(struct{ io.Writer }{&buf})
	if err := w.WriteByte(7); err != nil {
		t.Errorf("WriteByte = %v", err)
	}
	if _, err := w.Write([]byte{8, 9}); err != nil {
		t.Errorf("Write = %v", err)
	}
	if !bytes.Equal(buf.Bytes(), []byte{7, 8, 9}) {
		t.Errorf("written %x, want 070809", buf.Bytes())
	}
	pr, pw := io.Pipe()
	pr.CloseWithError(errTest)
	if err := NewWriter(pw).WriteByte(1); err != errTest {
		t.Errorf("WriteByte = %v, want %v", err, errTest)
	}
}

var errTest = errors.New("test")

// peeker shows b, then err.
type peeker struct {
	b       []byte
	err     error
	longest int
}

func (p *peeker) Peek(b []byte) (int, error) {
	p.longest = max(p.longest, len(b))
	n := copy(b, p.b)
	if n < len(b) {
		return n, p.err
	}
	return n, nil
}

func TestNoAllocations(t *testing.T) {
	b := make([]byte, 0, 16)
	r := bytes.NewReader(nil)
	for _, tt := range encodings {
		if n := testing.AllocsPerRun(100, func() {
			b = Append(b[:0], tt.value)
			Parse(b)
			r.Reset(b)
			Read(r)
		}); n != 0 {
			t.Errorf("%d: %v allocations", tt.value, n)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	for _, tt := range encodings[2:] {
		b.Run(fmt.Sprintf("%d", tt.value), func(b *testing.B) {
			for b.Loop() {
				Parse(tt.bytes)
			}
		})
	}
}

func BenchmarkAppend(b *testing.B) {
	buf := make([]byte, 0, 8)
	for _, tt := range encodings[2:] {
		b.Run(fmt.Sprintf("%d", tt.value), func(b *testing.B) {
			for b.Loop() {
				buf = Append(buf[:0], tt.value)
			}
		})
	}
}
