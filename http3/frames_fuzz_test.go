package http3

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/iotest"
)

func FuzzFrameHeader(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0, 0})
	f.Add(appendFrameHeader(nil, framePriorityUpdatePush, 1<<20))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		var scratch [maxFrameHeader]byte
		r := bytes.NewReader(b)
		typ, length, err := readFrameHeader(r, &scratch)
		typ2, length2, err2 := readFrameHeader(iotest.OneByteReader(bytes.NewReader(b)), &scratch)
		if typ != typ2 || length != length2 || err != err2 {
			t.Errorf("the result depends on the pieces: %d, %d, %v and %d, %d, %v", typ, length, err, typ2, length2, err2)
		}
		if err != nil {
			if want := truncation(len(b)); err != want {
				t.Errorf("got %v, want %v", err, want)
			}
			return
		}
		// The payload begins right behind the header.
		if again := appendFrameHeader(nil, typ, int(length)); len(again) > len(b)-r.Len() {
			t.Errorf("a header of %d bytes was read from %d", len(again), len(b)-r.Len())
		}
		if err := skipPayload(r, length); (err == nil) != (length <= uint64(len(b))) && err != io.ErrUnexpectedEOF {
			t.Errorf("skipPayload: %v", err)
		}
	})
}

func FuzzSettings(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0x33, 1, 8, 1, 6, 0x44, 0})
	f.Add([]byte{0x21, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := parseSettings(b)
		if err != nil {
			var connErr *connError
			if !errors.As(err, &connErr) || connErr.code != ErrCodeFrameError && connErr.code != ErrCodeSettingsError {
				t.Errorf("got %v", err)
			}
			return
		}
		if len(s.Other) > maxOtherSettings {
			t.Errorf("%d settings are kept", len(s.Other))
		}
		var scratch [maxFrameHeader]byte
		r := bytes.NewReader(s.append(nil))
		if _, _, err := readFrameHeader(r, &scratch); err != nil {
			t.Fatal(err)
		}
		payload, _ := io.ReadAll(r)
		again, err := parseSettings(payload)
		if err != nil || fmt.Sprint(again) != fmt.Sprint(s) {
			t.Errorf("parse(append(x)) = %v, %v, want %v", again, err, s)
		}
	})
}

// The instructions on QPACK streams mean the same, however they are cut into packets.
func FuzzQPACKStreams(f *testing.F) {
	f.Add([]byte{0x20, 0x20})
	f.Add([]byte{0x3f, 0xe1, 0x1f})
	f.Add([]byte{0x7f, 0x80, 0x80, 0x01, 0x41})
	f.Add([]byte{0x01, 0x80})
	f.Fuzz(func(t *testing.T, b []byte) {
		for name, read := range map[string]func(*bufio.Reader) error{"encoder": readEncoderStream, "decoder": readDecoderStream} {
			whole := read(bufio.NewReader(bytes.NewReader(b)))
			split := read(bufio.NewReaderSize(iotest.OneByteReader(bytes.NewReader(b)), 16))
			if fmt.Sprint(whole) != fmt.Sprint(split) {
				t.Errorf("%s stream: %v and %v", name, whole, split)
			}
			if _, ok := whole.(*connError); !ok && whole != io.EOF {
				t.Errorf("%s stream: %v", name, whole)
			}
		}
	})
}
