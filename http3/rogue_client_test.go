package http3_test

import (
	"bytes"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
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
