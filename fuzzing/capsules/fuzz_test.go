package capsules

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/iotest"

	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/quicvarint"
)

type capsule struct {
	typ   http3.CapsuleType
	value []byte
}

// parse reads capsules until the first error.
func parse(r io.Reader) (capsules []capsule, err error) {
	p := http3.NewCapsuleParser(r)
	for {
		typ, value, err := p.Next()
		if err != nil {
			return capsules, err
		}
		b, err := io.ReadAll(value)
		if err != nil {
			return capsules, fmt.Errorf("value: %w", err)
		}
		if value.Remaining() != 0 {
			return nil, errors.New("bytes remain at the end of a value")
		}
		capsules = append(capsules, capsule{typ, b})
	}
}

func FuzzParse(f *testing.F) {
	var b bytes.Buffer
	http3.WriteCapsule(&b, 0, []byte("datagram"))
	http3.WriteCapsule(&b, 0x2843, nil)
	f.Add([]byte{})
	f.Add(b.Bytes())
	f.Add(b.Bytes()[:5])
	f.Add(quicvarint.Append([]byte{0x17}, quicvarint.Max))
	f.Add([]byte{0x80, 0, 0, 1, 0xc0, 0, 0, 0, 0, 0, 0, 2, 'a', 'b'})
	f.Fuzz(func(t *testing.T, b []byte) {
		whole, wholeErr := parse(bytes.NewReader(b))
		for _, r := range []io.Reader{iotest.OneByteReader(bytes.NewReader(b)), iotest.DataErrReader(bytes.NewReader(b))} {
			split, splitErr := parse(r)
			if fmt.Sprint(split) != fmt.Sprint(whole) || fmt.Sprint(splitErr) != fmt.Sprint(wholeErr) {
				t.Errorf("the result depends on the pieces: %v, %v and %v, %v", whole, wholeErr, split, splitErr)
			}
		}
		// A clean end is one only if the capsules account for every byte.
		var size int
		var again bytes.Buffer
		for _, c := range whole {
			size += len(c.value)
			if err := http3.WriteCapsule(&again, c.typ, c.value); err != nil {
				t.Fatal(err)
			}
		}
		if wholeErr != io.EOF {
			if !errors.Is(wholeErr, io.ErrUnexpectedEOF) {
				t.Errorf("got %v", wholeErr)
			}
			return
		}
		if again.Len() > len(b) || size > len(b) {
			t.Errorf("%d bytes give %d bytes", len(b), again.Len())
		}
		if got, err := parse(&again); err != io.EOF || fmt.Sprint(got) != fmt.Sprint(whole) {
			t.Errorf("parse(write(x)) = %v, %v, want %v", got, err, whole)
		}
	})
}

func FuzzSkip(f *testing.F) {
	f.Add([]byte{0x21, 3, 'a', 'b', 'c', 0, 1, 'd'}, uint8(1))
	f.Fuzz(func(t *testing.T, b []byte, read uint8) {
		want, wantErr := parse(bytes.NewReader(b))
		p := http3.NewCapsuleParser(bytes.NewReader(b))
		for i := 0; ; i++ {
			typ, value, err := p.Next()
			if err == nil {
				n := min(int64(read), value.Remaining())
				io.CopyN(io.Discard, value, n)
				err = value.Discard()
			}
			if err != nil {
				if i != len(want) || !errors.Is(wantErr, err) {
					t.Errorf("skipping ends after %d capsules with %v, reading after %d with %v", i, err, len(want), wantErr)
				}
				return
			}
			if typ != want[i].typ {
				t.Errorf("capsule %d has type %d, want %d", i, typ, want[i].typ)
			}
		}
	})
}
