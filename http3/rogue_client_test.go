package http3_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/quicvarint"
)

// settings is the beginning of a control stream.
var settings = []byte{0x00, 0x04, 0x00}

func with(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// What a client may not do, and the code with which the server closes the connection. Each row is
// what is sent on unidirectional streams, one after the other, or on a request stream.
var rogueClients = []struct {
	name    string
	uni     [][]byte
	request []byte
	code    uint64
}{
	// RFC 9204
	{name: "dynamic table capacity above the limit", uni: [][]byte{{2, 0x3f, 0x01}}, code: 0x201},
	{name: "insertion with name reference", uni: [][]byte{{2, 0xc0, 0x01, 'x'}}, code: 0x201},
	{name: "insertion with literal name", uni: [][]byte{{2, 0x41, 'n', 0x01, 'v'}}, code: 0x201},
	{name: "duplicate of an entry", uni: [][]byte{{2, 0x00}}, code: 0x201},
	{name: "Section Acknowledgment", uni: [][]byte{{3, 0x80}}, code: 0x202},
	{name: "Insert Count Increment of 0", uni: [][]byte{{3, 0x00}}, code: 0x202},
	{name: "Insert Count Increment", uni: [][]byte{{3, 0x01}}, code: 0x202},
	{name: "Stream Cancellation with an integer too large", uni: [][]byte{with([]byte{3, 0x7f}, bytes.Repeat([]byte{0xff}, 20))}, code: 0x202},
	{name: "static index 99", request: frame(1, []byte{0, 0, 0xff, 0x24}), code: 0x200},
	{name: "Required Insert Count", request: frame(1, []byte{2, 0, 0xc0}), code: 0x200},
	{name: "dynamic reference", request: frame(1, []byte{0, 0, 0x80}), code: 0x200},
	{name: "string longer than the section", request: frame(1, []byte{0, 0, 0x23, 'a', 'b'}), code: 0x200},
	{name: "empty field section", request: frame(1, nil), code: 0x200},
	{name: "field section of one byte", request: frame(1, []byte{0}), code: 0x200},
	{name: "Huffman padding of zeros", request: frame(1, []byte{0, 0, 0x51, 0x81, 0x00}), code: 0x200},
	// RFC 9218, Section 7.2
	{name: "PRIORITY_UPDATE on a request stream", request: frame(0xf0700, []byte{0, 'u', '=', '1'}), code: 0x105},
	{name: "PRIORITY_UPDATE for a unidirectional stream", uni: [][]byte{with(settings, frame(0xf0700, []byte{2, 'u', '=', '1'}))}, code: 0x108},
	{name: "PRIORITY_UPDATE for a push", uni: [][]byte{with(settings, frame(0xf0701, []byte{0, 'u', '=', '1'}))}, code: 0x108},
	{name: "PRIORITY_UPDATE without ID", uni: [][]byte{with(settings, frame(0xf0700, nil))}, code: 0x106},
}

func TestServerClosesConnectionsOfRogueClients(t *testing.T) {
	for _, test := range rogueClients {
		t.Run(test.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.serve(func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) })
				conn := w.rawConn()
				for _, b := range test.uni {
					openUni(t, conn, b)
				}
				if test.request != nil {
					str, err := conn.OpenStream()
					if err != nil {
						t.Fatal(err)
					}
					str.Write(test.request)
				}
				wantClosedCode(t, conn, test.code)
			})
		})
	}
}

// rawRequest sends bytes on a request stream and finishes it.
func rawRequest(t *testing.T, conn *quic.Conn, b []byte) *quic.Stream {
	t.Helper()
	str, err := conn.OpenStream()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := str.Write(b); err != nil {
		t.Fatal(err)
	}
	str.Close()
	return str
}

// What makes a request malformed: the stream is reset, the connection stays open.
// RFC 9114, Sections 4.2 to 4.4 and 10.3; RFC 8441, Section 4.
func TestServerResetsMalformedRequests(t *testing.T) {
	base := func(more ...string) []byte { return getHeaders(more...) }
	tests := []struct {
		name    string
		request []byte
	}{
		{"upper case in a field name", base("Name", "v")},
		{"space in a field name", base("na me", "v")},
		{"colon in a field name", base("na:me", "v")},
		{"empty field name", base("", "v")},
		{"NUL in a field value", base("name", "a\x00b")},
		{"CR in a field value", base("name", "a\rb")},
		{"LF in a field value", base("name", "a\nb")},
		{"Connection", base("connection", "close")},
		{"Keep-Alive", base("keep-alive", "1")},
		{"Proxy-Connection", base("proxy-connection", "close")},
		{"Transfer-Encoding", base("transfer-encoding", "chunked")},
		{"Upgrade", base("upgrade", "websocket")},
		{"TE other than trailers", base("te", "gzip")},
		{"unknown pseudo-header", headers(":method", "GET", ":scheme", "https", ":authority", "a", ":path", "/", ":foo", "bar")},
		{"pseudo-header after a field", headers(":method", "GET", ":scheme", "https", ":authority", "a", "x", "y", ":path", "/")},
		{"duplicate pseudo-header", headers(":method", "GET", ":method", "GET", ":scheme", "https", ":authority", "a", ":path", "/")},
		{":status in a request", base(":status", "200")},
		{":method missing", headers(":scheme", "https", ":authority", "a", ":path", "/")},
		{":method empty", headers(":method", "", ":scheme", "https", ":authority", "a", ":path", "/")},
		{":method is no token", headers(":method", "G T", ":scheme", "https", ":authority", "a", ":path", "/")},
		{":scheme missing", headers(":method", "GET", ":authority", "a", ":path", "/")},
		{":path missing", headers(":method", "GET", ":scheme", "https", ":authority", "a")},
		{":path empty", headers(":method", "GET", ":scheme", "https", ":authority", "a", ":path", "")},
		{":path without slash", headers(":method", "GET", ":scheme", "https", ":authority", "a", ":path", "foo")},
		{":path is * in a GET request", headers(":method", "GET", ":scheme", "https", ":authority", "a", ":path", "*")},
		{"neither :authority nor Host", headers(":method", "GET", ":scheme", "https", ":path", "/")},
		{":authority empty", headers(":method", "GET", ":scheme", "https", ":authority", "", ":path", "/")},
		{":authority differs from Host", base("host", "other")},
		{"two Host fields", headers(":method", "GET", ":scheme", "https", ":path", "/", "host", "a", "host", "a")},
		{":authority with userinfo", headers(":method", "GET", ":scheme", "https", ":authority", "u@a", ":path", "/")},
		{"CONNECT with :path", headers(":method", "CONNECT", ":authority", "a:1", ":path", "/")},
		{"CONNECT with :scheme", headers(":method", "CONNECT", ":authority", "a:1", ":scheme", "https")},
		{"CONNECT without :authority", headers(":method", "CONNECT", "host", "a:1")},
		{":protocol without CONNECT", headers(":method", "GET", ":protocol", "x", ":scheme", "https", ":authority", "a", ":path", "/")},
		{":protocol without :scheme", headers(":method", "CONNECT", ":protocol", "x", ":authority", "a", ":path", "/")},
		{":protocol without :path", headers(":method", "CONNECT", ":protocol", "x", ":authority", "a", ":scheme", "https")},
		{":protocol is no token", headers(":method", "CONNECT", ":protocol", "a b", ":scheme", "https", ":authority", "a", ":path", "/")},
		{"Content-Length negative", base("content-length", "-1")},
		{"Content-Length with sign", base("content-length", "+5")},
		{"Content-Length with space", base("content-length", "5 5")},
		{"Content-Length hexadecimal", base("content-length", "0x5")},
		{"Content-Length of 2^63", base("content-length", "9223372036854775808")},
		{"two different Content-Lengths", base("content-length", "5", "content-length", "6")},
		{"content longer than Content-Length", with(postHeaders("content-length", "1"), frame(0, []byte("ab")))},
		{"pseudo-header in the trailers", with(postHeaders(), headers(":path", "/"))},
		{"upper case in the trailers", with(postHeaders(), headers("Name", "v"))},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.serve(func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) })
				conn := w.rawConn()
				wantReset(t, rawRequest(t, conn, test.request), http3.ErrCodeMessageError)
				wantAnswered(t, rawRequest(t, conn, getHeaders()))
			})
		})
	}
}

// wantAnswered reads a response from a stream.
func wantAnswered(t *testing.T, str *quic.Stream) {
	t.Helper()
	str.SetReadDeadline(time.Now().Add(5 * time.Second))
	b, err := io.ReadAll(str)
	if err != nil || len(b) == 0 {
		t.Errorf("got %d bytes of a response and %v", len(b), err)
	}
}

// What is odd, but allowed.
func TestServerAcceptsOddRequests(t *testing.T) {
	tests := []struct {
		name    string
		request []byte
		check   func(*http.Request) bool
	}{
		{"TE: trailers", getHeaders("te", "trailers"), func(r *http.Request) bool { return r.Header.Get("Te") == "trailers" }},
		{"white space around a value", getHeaders("name", " \tv "), func(r *http.Request) bool { return r.Header.Get("Name") == "v" }},
		{"three Cookie fields", getHeaders("cookie", "a=1", "cookie", "b=2", "cookie", "c=3"),
			func(r *http.Request) bool { return r.Header.Get("Cookie") == "a=1; b=2; c=3" }},
		{"two equal Content-Lengths", with(postHeaders("content-length", "1", "content-length", "1"), frame(0, []byte("a"))),
			func(r *http.Request) bool { return r.ContentLength == 1 && len(r.Header["Content-Length"]) == 1 }},
		{"Host equal to :authority", getHeaders("host", "localhost"), func(r *http.Request) bool { return r.Host == "localhost" && r.Header["Host"] == nil }},
		{"Host instead of :authority", headers(":method", "GET", ":scheme", "https", ":path", "/", "host", "h"), func(r *http.Request) bool { return r.Host == "h" }},
		{"OPTIONS *", headers(":method", "OPTIONS", ":scheme", "https", ":authority", "a", ":path", "*"), func(r *http.Request) bool { return r.RequestURI == "*" }},
		{"path that begins with two slashes", headers(":method", "GET", ":scheme", "https", ":authority", "a", ":path", "//b/c"),
			func(r *http.Request) bool { return r.URL.Path == "//b/c" && r.URL.Host == "" }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				ok := make(chan bool, 1)
				w.serve(func(w http.ResponseWriter, r *http.Request) { ok <- test.check(r) })
				wantAnswered(t, rawRequest(t, w.rawConn(), test.request))
				if !<-ok {
					t.Error("the handler sees something else")
				}
			})
		})
	}
}

// A clean end that comes too early is not one (RFC 9114, Sections 4.1.2 and 7.1).
func TestTruncatedRequestBodyIsNoCleanEOF(t *testing.T) {
	tests := []struct {
		name    string
		request []byte
	}{
		{"Content-Length not reached", with(postHeaders("content-length", "9"), frame(0, []byte("x")))},
		{"Content-Length without DATA", postHeaders("content-length", "9")},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				result := make(chan error, 1)
				w.serve(func(w http.ResponseWriter, r *http.Request) {
					_, err := io.ReadAll(r.Body)
					result <- err
				})
				conn := w.rawConn()
				rawRequest(t, conn, test.request)
				if err := <-result; !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("the handler reads %v, want %v", err, io.ErrUnexpectedEOF)
				}
				wantOpen(t, conn)
			})
		})
	}
}

func TestRequestWithoutHeaderIsIncomplete(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.clientQUIC.KeepAlivePeriod = 10 * time.Second
		w.serve(echo)
		conn := w.rawConn()
		str, err := conn.OpenStream()
		if err != nil {
			t.Fatal(err)
		}
		str.Write([]byte{1}) // and no more
		time.Sleep(time.Minute)
		wantReset(t, str, http3.ErrCodeRequestIncomplete)
		wantOpen(t, conn)
	})
}

func TestHeaderBombsAreRefused(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.server.MaxHeaderBytes = 100_000
		w.serve(func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) })
		conn := w.rawConn()
		// Each byte 0xd1 is a reference to an entry of the static table.
		bomb := with([]byte{0, 0}, bytes.Repeat([]byte{0xd1}, 50_000))
		for name, request := range map[string][]byte{
			"header":   frame(1, bomb),
			"crumbs":   getHeaders(crumbs(2000)...),
			"trailers": with(postHeaders(), frame(1, bomb)),
		} {
			str := rawRequest(t, conn, request)
			str.SetReadDeadline(time.Now().Add(5 * time.Second))
			if name == "trailers" {
				wantReset(t, str, http3.ErrCodeExcessiveLoad)
			} else if status := readStatus(t, str); status != "431" {
				t.Errorf("%s: got status %q, want 431", name, status)
			}
		}
		wantOpen(t, conn)
	})
}

// A client whose header is too large is told to stop, without blame.
func TestLargeHeaderIsStopped(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.serve(echo)
		str, err := w.rawConn().OpenStream()
		if err != nil {
			t.Fatal(err)
		}
		str.Write(quicvarint.Append([]byte{1}, 10<<20))
		if status := readStatus(t, str); status != "431" {
			t.Errorf("got status %q, want 431", status)
		}
		<-str.Context().Done()
		if err := context.Cause(str.Context()); !isStreamError(err, 0x100) {
			t.Errorf("the stream was stopped with %v, want H3_NO_ERROR", err)
		}
	})
}

func crumbs(n int) (fields []string) {
	for range n {
		fields = append(fields, "a", "b")
	}
	return fields
}
