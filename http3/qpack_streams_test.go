package http3

import (
	"bufio"
	"bytes"
	"io"
	"testing"
)

func TestEncoderStream(t *testing.T) {
	tests := map[string]error{
		"":             io.EOF,
		"\x20\x20\x20": io.EOF, // capacity 0, three times
	}
	for in, want := range tests {
		if err := readEncoderStream(bufio.NewReader(bytes.NewReader([]byte(in)))); err != want {
			t.Errorf("%x: got %v, want %v", in, err, want)
		}
	}
	for c := range 256 {
		err := readEncoderStream(bufio.NewReader(bytes.NewReader([]byte{byte(c)})))
		e, ok := err.(*connError)
		if allowed := c == 0x20; ok == allowed || ok && e.code != errCodeQPACKEncoderStream {
			t.Errorf("%#x: got %v", c, err)
		}
	}
}

func TestDecoderStream(t *testing.T) {
	for c := range 256 {
		err := readDecoderStream(bufio.NewReader(bytes.NewReader([]byte{byte(c), 0})))
		e, ok := err.(*connError)
		if ok && e.code != errCodeQPACKDecoderStream {
			t.Errorf("%#x: got %v", c, err)
		}
		if cancellation := c>>6 == 1; !ok && !cancellation {
			t.Errorf("%#x is accepted", c)
		}
	}
	for _, in := range []string{"", "\x40", "\x7f\x00", "\x7f\x80\x01"} {
		if err := readDecoderStream(bufio.NewReader(bytes.NewReader([]byte(in)))); err != io.EOF {
			t.Errorf("%x: got %v", in, err)
		}
	}
}

func TestReadPrefixedInt(t *testing.T) {
	tests := []struct {
		in   []byte
		want uint64 // 0 for an error
	}{
		{[]byte{0x00}, 0x3f},
		{[]byte{0x9a, 0x0a}, 0x3f + 1306},
		{[]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x3f}, 0x3f + 1<<62 - 1},
		{[]byte{0xc0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x3f}, 1<<62 - 1},
		{[]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, 0},
		{bytes.Repeat([]byte{0x80}, 100), 0},
		{bytes.Repeat([]byte{0xff}, 100), 0},
	}
	tests[2].want = 0 // above 2^62-1
	for _, test := range tests {
		got, err := readPrefixedInt(bytes.NewReader(test.in), 0x3f, 0x3f)
		if (err == nil) != (test.want != 0) || err == nil && got != test.want {
			t.Errorf("%x: got %d, %v, want %d", test.in, got, err, test.want)
		}
	}
}
