package http3

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/quic-go/qpack"
)

// encode returns a field section; fields are names and values in turn.
func encode(fields ...string) []byte {
	var b bytes.Buffer
	e := qpack.NewEncoder(&b)
	for i := 0; i < len(fields); i += 2 {
		e.WriteField(qpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	return b.Bytes()
}

func TestDecodeFieldsCountsTheDecodedSize(t *testing.T) {
	block := encode("name", "value") // 4 + 5 + 32
	if _, err := decodeFields(block, 41); err != nil {
		t.Errorf("limit 41: %v", err)
	}
	if _, err := decodeFields(block, 40); err != errFieldsTooLarge {
		t.Errorf("limit 40: %v", err)
	}
	many := strings.Split(strings.Repeat("a,b,", maxFieldLines+1), ",")
	if _, err := decodeFields(encode(many[:2*maxFieldLines]...), 1<<30); err != nil {
		t.Errorf("%d fields: %v", maxFieldLines, err)
	}
	if _, err := decodeFields(encode(many[:2*maxFieldLines+2]...), 1<<30); err != errFieldsTooLarge {
		t.Errorf("%d fields: %v", maxFieldLines+1, err)
	}
}

func TestDecodeFieldsErrors(t *testing.T) {
	for _, block := range [][]byte{
		{}, {0}, // truncated prefix
		{1, 0},             // Required Insert Count
		{0, 0x80},          // Sign with Required Insert Count 0
		{0, 0, 0xff, 0x24}, // static index 99
		{0, 0, 0x80},       // dynamic index
		{0, 0, 0x10},       // post-base index
		{0, 0, 0x40, 0},    // dynamic name reference
		{0, 0, 0x51},       // value missing
		{0, 0, 0x51, 5, 'a'},
		{0, 0, 0x23, 'a'},
		{0, 0, 0x51, 0x81, 0x00},       // Huffman padding of zeros
		{0, 0, 0x51, 0x82, 0xff, 0xff}, // Huffman padding of more than 7 bits
		{0, 0, 0x51, 0x84, 0xff, 0xff, 0xff, 0xfc},                   // Huffman EOS
		{0, 0, 0x51, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, // integer too large
	} {
		_, err := decodeFields(block, 1<<20)
		var connErr *connError
		if !errors.As(err, &connErr) || connErr.code != ErrCodeQPACKDecompressionFailed {
			t.Errorf("%x: got %v, want QPACK_DECOMPRESSION_FAILED", block, err)
		}
	}
}

func TestDecodeFieldsIntegerTooLarge(t *testing.T) {
	for _, begin := range [][]byte{{0xff}, {0, 0x7f}, {0, 0, 0xff}, {0, 0, 0x51, 0x7f}} {
		_, err := decodeFields(append(begin, bytes.Repeat([]byte{0x80}, 100)...), 1<<20)
		var streamErr *streamError
		if !errors.As(err, &streamErr) || streamErr.code != ErrCodeQPACKDecompressionFailed {
			t.Errorf("%x: got %v, want QPACK_DECOMPRESSION_FAILED of the stream", begin, err)
		}
	}
}

func TestParseRequest(t *testing.T) {
	req, err := parseRequest(encode(":method", "POST", ":scheme", "https", ":authority", "host:1", ":path", "/a%20b?c=d",
		"content-length", "7", "x", "1", "x", "2", "trailer", "X-T, Content-Length", "cookie", "a", "cookie", "b"), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if req.Method != "POST" || req.Host != "host:1" || req.RequestURI != "/a%20b?c=d" || req.URL.Path != "/a b" || req.URL.RawQuery != "c=d" {
		t.Errorf("got %s %s %s, URL %v", req.Method, req.Host, req.RequestURI, req.URL)
	}
	if req.ContentLength != 7 || req.Proto != "HTTP/3.0" || !req.ProtoAtLeast(3, 0) {
		t.Errorf("got length %d, %s", req.ContentLength, req.Proto)
	}
	if len(req.Header["X"]) != 2 || req.Header.Get("Cookie") != "a; b" || req.Header["Trailer"] != nil {
		t.Errorf("header %v", req.Header)
	}
	if _, ok := req.Trailer["X-T"]; !ok || len(req.Trailer) != 1 {
		t.Errorf("trailer %v", req.Trailer)
	}
}

func TestParseRequestKinds(t *testing.T) {
	tests := []struct {
		name             string
		fields           []string
		proto, uri, host string
	}{
		{"CONNECT", []string{":method", "CONNECT", ":authority", "a:1"}, "HTTP/3.0", "a:1", "a:1"},
		{"extended CONNECT", []string{":method", "CONNECT", ":protocol", "webtransport", ":scheme", "https", ":authority", "a", ":path", "/p"}, "webtransport", "/p", "a"},
		{"other scheme without authority", []string{":method", "GET", ":scheme", "urn", ":path", "/p"}, "HTTP/3.0", "/p", ""},
	}
	for _, test := range tests {
		req, err := parseRequest(encode(test.fields...), 1<<20)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if req.Proto != test.proto || req.RequestURI != test.uri || req.Host != test.host {
			t.Errorf("%s: got %s, %s, %s", test.name, req.Proto, req.RequestURI, req.Host)
		}
	}
}

func TestParseTrailers(t *testing.T) {
	h, err := parseTrailers(encode("x", "y", "content-length", "5", "host", "h"), 1<<20)
	if err != nil || len(h) != 1 || h.Get("X") != "y" {
		t.Errorf("got %v, %v", h, err)
	}
	_, err = parseTrailers(encode(":status", "200"), 1<<20)
	if err == nil || err.Error() != "http3: received pseudo header in trailer: :status" {
		t.Errorf("got %v", err)
	}
	_, err = parseTrailers(encode("x", strings.Repeat("y", 1000)), 100)
	var streamErr *streamError
	if !errors.As(err, &streamErr) || streamErr.code != ErrCodeExcessiveLoad {
		t.Errorf("got %v", err)
	}
}

func TestFieldWriter(t *testing.T) {
	w := newFieldWriter()
	w.add(":status", "200")
	w.addHeader("X-Name", []string{"a\r\nb", "c"})
	w.addHeader("Bad Name", []string{"v"})
	w.addHeader("Content-Type", []string{"t"})
	b := w.append(nil)
	if want := uint64(7 + 3 + 6 + 4 + 6 + 1 + 12 + 1 + 4*32); w.size != want {
		t.Errorf("size %d, want %d", w.size, want)
	}
	w.release()
	rsp, err := parseResponse(b[2:], 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if got := rsp.Header["X-Name"]; len(got) != 2 || got[0] != "a  b" || got[1] != "c" || len(rsp.Header) != 2 {
		t.Errorf("header %v", rsp.Header)
	}
	if b := appendTrailers(nil, http.Header{"Content-Length": {"5"}}); b != nil {
		t.Errorf("trailers without a permitted field: %x", b)
	}
}

func TestLowerNames(t *testing.T) {
	for key, name := range lowerNames {
		if strings.ToLower(key) != name || http.CanonicalHeaderKey(name) != key {
			t.Errorf("%s is not %s", key, name)
		}
	}
}

func BenchmarkParseRequest(b *testing.B) {
	block := encode(":method", "GET", ":scheme", "https", ":authority", "example.com", ":path", "/index.html",
		"user-agent", "benchmark", "accept", "*/*", "accept-encoding", "gzip", "cookie", "a=b")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parseRequest(block, 1<<20); err != nil {
			b.Fatal(err)
		}
	}
}

// What cannot be decoded closes the connection even if a line before it is malformed.
func TestDecodingErrorsComeFirst(t *testing.T) {
	malformedLine := encode("Upper", "x")
	if _, err := parseRequest(malformedLine, 1<<20); err == nil {
		t.Error("an upper case name is accepted")
	}
	_, err := parseRequest(append(malformedLine, 0xff, 0x24), 1<<20) // static index 99
	var connErr *connError
	if !errors.As(err, &connErr) || connErr.code != ErrCodeQPACKDecompressionFailed {
		t.Errorf("got %v, want QPACK_DECOMPRESSION_FAILED", err)
	}
	if _, err := parseRequest(malformedLine, 36); err != errFieldsTooLarge {
		t.Errorf("got %v, want %v", err, errFieldsTooLarge)
	}
}

// More names than a section of its length lets expect: each has its own values.
func TestManyShortFields(t *testing.T) {
	fields := []string{":status", "200"}
	for i := range 300 {
		fields = append(fields, fmt.Sprint("x", i), fmt.Sprint(i), fmt.Sprint("x", i/2), "again")
	}
	rsp, err := parseResponse(encode(fields...), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 300 {
		want := []string{fmt.Sprint(i)}
		if i < 150 {
			want = append(want, "again", "again")
		}
		if got := rsp.Header[fmt.Sprint("X", i)]; !slices.Equal(got, want) {
			t.Errorf("field %d: got %q, want %q", i, got, want)
		}
	}
}
