package http3

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/http/httpguts"
)

const fuzzLimit = 4096

func addFieldSeeds(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0, 0})
	f.Add([]byte{0, 0, 0xd1, 0xd7, 0xc1, 0x50, 0x01, 'a'}) // from the static table
	f.Add(encode(":method", "GET", ":scheme", "https", ":authority", "a", ":path", "/", "cookie", "a", "cookie", "b"))
	f.Add(encode(":method", "CONNECT", ":protocol", "p", ":scheme", "https", ":authority", "a", ":path", "/"))
	f.Add(encode(":method", "POST", ":scheme", "https", "host", "a", ":path", "*", "content-length", "5", "trailer", "a, b"))
	f.Add(encode(":status", "200", "content-length", "12", "transfer-encoding", "chunked"))
	f.Add(encode("x", "\r\n", "te", "trailers"))
}

// checkFieldError checks that an error is one that has a defined reaction.
func checkFieldError(t *testing.T, err error) {
	var connErr *connError
	var streamErr *streamError
	switch {
	case err == errFieldsTooLarge:
	case errors.As(err, &connErr) && connErr.code == ErrCodeQPACKDecompressionFailed:
	case errors.As(err, &streamErr) && (streamErr.code == ErrCodeMessageError || streamErr.code == ErrCodeExcessiveLoad || err == errIntegerTooLarge):
	default:
		t.Errorf("got %v", err)
		return
	}
	if strings.ContainsAny(err.Error(), "\r\n\x00\x1b") {
		t.Errorf("the error text can forge a log line: %q", err)
	}
}

// checkHeaderFields checks that a header could be forwarded by HTTP/1.1 as it is, and within the limit.
func checkHeaderFields(t *testing.T, h http.Header) {
	size := 0
	for key, values := range h {
		if !httpguts.ValidHeaderFieldName(key) || key != http.CanonicalHeaderKey(key) {
			t.Errorf("invalid name %q", key)
		}
		for _, v := range values {
			size += len(key) + len(v)
			if !httpguts.ValidHeaderFieldValue(v) || strings.TrimSpace(v) != v {
				t.Errorf("invalid value %q", v)
			}
		}
		if isConnectionSpecific(strings.ToLower(key)) {
			t.Errorf("connection-specific field %q", key)
		}
	}
	if size > fuzzLimit || len(h["Content-Length"]) > 1 {
		t.Errorf("size %d, content lengths %q", size, h["Content-Length"])
	}
}

func FuzzParseRequest(f *testing.F) {
	addFieldSeeds(f)
	f.Fuzz(func(t *testing.T, block []byte) {
		req, err := parseRequest(block, fuzzLimit)
		if err != nil {
			checkFieldError(t, err)
			return
		}
		checkHeaderFields(t, req.Header)
		if req.Header["Host"] != nil || !isToken(req.Method) || req.URL == nil || strings.ContainsAny(req.Host, " @/\r\n") {
			t.Errorf("got %+v", req)
		}
		if (req.ContentLength >= 0) != (len(req.Header["Content-Length"]) == 1) {
			t.Errorf("length %d, header %q", req.ContentLength, req.Header["Content-Length"])
		}
		if req.Host == "" || strings.HasPrefix(req.Host, ":") || req.URL.Opaque != "" {
			return
		}
		// What we write of it is read as the same.
		again := *req
		if req.Method != http.MethodConnect || isExtendedConnect(req) {
			u := *req.URL
			u.Scheme = "https"
			again.URL = &u
		}
		w := newFieldWriter()
		defer w.release()
		if err := writeRequestFields(w, &again, false, nil); err != nil {
			return
		}
		got, err := parseRequest(w.block.Bytes(), 1<<20)
		if err != nil {
			t.Fatalf("what was written of %+v is refused: %v", req, err)
		}
		if got.Method != req.Method || got.RequestURI != again.URL.RequestURI() && req.Method != http.MethodConnect {
			t.Errorf("got %s %s, want %s %s", got.Method, got.RequestURI, req.Method, req.RequestURI)
		}
	})
}

func FuzzParseResponse(f *testing.F) {
	addFieldSeeds(f)
	f.Fuzz(func(t *testing.T, block []byte) {
		rsp, err := parseResponse(block, fuzzLimit)
		if err != nil {
			checkFieldError(t, err)
			return
		}
		checkHeaderFields(t, rsp.Header)
		if rsp.StatusCode < 100 || rsp.StatusCode > 999 || rsp.StatusCode == 101 || !strings.HasPrefix(rsp.Status, fmt.Sprint(rsp.StatusCode)) {
			t.Errorf("status %d %q", rsp.StatusCode, rsp.Status)
		}
	})
}

func FuzzParseTrailers(f *testing.F) {
	addFieldSeeds(f)
	f.Fuzz(func(t *testing.T, block []byte) {
		h, err := parseTrailers(block, fuzzLimit)
		if err != nil {
			checkFieldError(t, err)
			return
		}
		checkHeaderFields(t, h)
		for key := range h {
			if !httpguts.ValidTrailerHeader(key) {
				t.Errorf("trailer %s", key)
			}
		}
	})
}
