package http3

import (
	"bytes"
	"net/http"
	"net/url"
	"testing"
)

// benchRequest is a request with common fields.
func benchRequest() *http.Request {
	return &http.Request{
		Method: http.MethodGet,
		URL:    &url.URL{Scheme: "https", Host: "example.com", Path: "/index.html"},
		Header: http.Header{
			"User-Agent": {"benchmark"}, "Accept": {"*/*"}, "Accept-Language": {"en"}, "Cookie": {"session=0123456789abcdef"},
		},
	}
}

func BenchmarkWriteRequest(b *testing.B) {
	req, buf := benchRequest(), make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		w := newFieldWriter()
		if err := writeRequestFields(w, req, true, nil); err != nil {
			b.Fatal(err)
		}
		w.append(buf)
		w.release()
	}
}

// BenchmarkWriteResponse encodes the header of a response, as a handler's first Write does.
func BenchmarkWriteResponse(b *testing.B) {
	header, buf := http.Header{"Content-Type": {"text/html; charset=utf-8"}, "Content-Length": {"1024"}, "Cache-Control": {"no-store"}}, make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		w := newFieldWriter()
		w.add(":status", "200")
		for key, values := range header {
			w.addHeader(key, values)
		}
		w.append(buf)
		w.release()
	}
}

func BenchmarkParseResponse(b *testing.B) {
	block := encode(":status", "200", "content-type", "text/html; charset=utf-8", "content-length", "1024", "cache-control", "no-store",
		"date", "Mon, 01 Jan 2024 00:00:00 GMT")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parseResponse(block, 1<<20); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWriteTrailers(b *testing.B) {
	trailer, buf := http.Header{"Grpc-Status": {"0"}, "Grpc-Message": {"ok"}}, make([]byte, 0, 256)
	b.ReportAllocs()
	for b.Loop() {
		appendTrailers(buf, trailer)
	}
}

func BenchmarkParseTrailers(b *testing.B) {
	block := encode("grpc-status", "0", "grpc-message", "ok")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parseTrailers(block, 1<<20); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFrameHeader(b *testing.B) {
	buf := make([]byte, 0, maxFrameHeader)
	var r bytes.Reader
	var scratch [maxFrameHeader]byte
	b.ReportAllocs()
	for b.Loop() {
		r.Reset(appendFrameHeader(buf, frameData, 16<<10))
		if _, _, err := readFrameHeader(&r, &scratch); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDatagramQueue takes a datagram through the queue of a stream.
func BenchmarkDatagramQueue(b *testing.B) {
	q := datagramQueue{conn: &connection{}}
	payload := make([]byte, 1200)
	b.ReportAllocs()
	for b.Loop() {
		if !q.push(payload) {
			b.Fatal("a datagram is refused")
		}
		if got, _, err := q.tryPop(); len(got) != len(payload) || err != nil {
			b.Fatalf("tryPop = %d bytes, %v", len(got), err)
		}
	}
}

func BenchmarkCapsule(b *testing.B) {
	value := make([]byte, 200)
	var buf bytes.Buffer
	b.ReportAllocs()
	for b.Loop() {
		buf.Reset()
		if err := WriteCapsule(&buf, 0, value); err != nil {
			b.Fatal(err)
		}
		_, r, err := NewCapsuleParser(&buf).Next()
		if err != nil || r.Discard() != nil {
			b.Fatal(err)
		}
	}
}
