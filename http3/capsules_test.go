package http3_test

import (
	"bytes"
	"io"
	"testing"
	"testing/iotest"

	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/quicvarint"
)

func TestCapsules(t *testing.T) {
	var b bytes.Buffer
	values := []string{"first", "", "third"}
	for i, v := range values {
		if err := http3.WriteCapsule(&b, http3.CapsuleType(1000*i), []byte(v)); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range []io.Reader{bytes.NewReader(b.Bytes()), iotest.OneByteReader(bytes.NewReader(b.Bytes())), iotest.DataErrReader(bytes.NewReader(b.Bytes()))} {
		p := http3.NewCapsuleParser(r)
		for i, want := range values {
			typ, value, err := p.Next()
			if typ != http3.CapsuleType(1000*i) || err != nil || value.Remaining() != int64(len(want)) {
				t.Fatalf("capsule %d: type %d, %v, %d bytes", i, typ, err, value.Remaining())
			}
			if got, err := io.ReadAll(value); err != nil || string(got) != want {
				t.Errorf("capsule %d: got %q, %v", i, got, err)
			}
		}
		if _, _, err := p.Next(); err != io.EOF {
			t.Errorf("at the end: %v", err)
		}
	}
}

func TestTruncatedCapsules(t *testing.T) {
	b := quicvarint.AppendWithLen(nil, 7, 4)
	b = quicvarint.AppendWithLen(b, 3, 2)
	b = append(b, "abc"...)
	for n := range b {
		p := http3.NewCapsuleParser(bytes.NewReader(b[:n]))
		_, value, err := p.Next()
		switch {
		case n == 0 && err != io.EOF:
			t.Errorf("nothing: %v", err)
		case n > 0 && n < 6 && err != io.ErrUnexpectedEOF:
			t.Errorf("%d bytes: Next: %v", n, err)
		case n >= 6:
			if err := value.Discard(); err != io.ErrUnexpectedEOF {
				t.Errorf("%d bytes: Discard: %v", n, err)
			}
		}
	}
}

// A capsule of unknown type is skipped without being held, whatever length it has.
func TestHugeCapsulesAreSkipped(t *testing.T) {
	header := quicvarint.Append(quicvarint.Append(nil, 0x29*5+0x17), 1<<40)
	p := http3.NewCapsuleParser(io.MultiReader(bytes.NewReader(header), io.LimitReader(zeros{}, 50<<20)))
	_, value, err := p.Next()
	if err != nil || value.Remaining() != 1<<40 {
		t.Fatalf("got %d bytes, %v", value.Remaining(), err)
	}
	if _, _, err := p.Next(); err == nil {
		t.Error("Next before the end of a capsule succeeds")
	}
	before := testing.AllocsPerRun(1, func() {})
	allocs := testing.AllocsPerRun(1, func() { value.Discard() })
	if allocs-before > 20 {
		t.Errorf("%v allocations for skipping", allocs)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

func TestCapsuleReaderBytes(t *testing.T) {
	var b bytes.Buffer
	http3.WriteCapsule(&b, 1, []byte("ab"))
	_, value, _ := http3.NewCapsuleParser(&b).Next()
	c, err := value.ReadByte()
	if c != 'a' || err != nil || value.Remaining() != 1 {
		t.Errorf("got %c, %v, %d are left", c, err, value.Remaining())
	}
	value.Discard()
	if _, err := value.ReadByte(); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
	var zero http3.CapsuleReader
	if _, err := zero.Read(make([]byte, 1)); err != io.EOF || zero.Remaining() != 0 {
		t.Errorf("the zero value: %v, %d", err, zero.Remaining())
	}
}
