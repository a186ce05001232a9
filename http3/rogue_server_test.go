package http3_test

import (
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/quic-go/quic-go"
)

// What a server may not do, and the code with which the client closes the connection. Each row is what is
// sent on unidirectional streams, one after the other, or as the answer to a request.
var rogueServers = []struct {
	name   string
	uni    [][]byte
	answer []byte
	code   uint64
}{
	{name: "PRIORITY_UPDATE", uni: [][]byte{with(settings, frame(0xf0700, []byte{0, 'u', '=', '1'}))}, code: 0x105},
	{name: "PRIORITY_UPDATE for a push", uni: [][]byte{with(settings, frame(0xf0701, []byte{0, 'u', '=', '1'}))}, code: 0x105},
	{name: "static index 99", answer: frame(1, []byte{0, 0, 0xff, 0x24}), code: 0x200},
	{name: "Required Insert Count", answer: frame(1, []byte{2, 0, 0xc0}), code: 0x200},
}

func TestClientClosesConnectionsOfRogueServers(t *testing.T) {
	for _, test := range rogueServers {
		t.Run(test.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				conns := make(chan *quic.Conn, 3) // the client may try three times
				w.serveRaw(func(conn *quic.Conn) {
					for _, b := range test.uni {
						openUni(t, conn, b)
					}
					if test.answer != nil {
						answer(t, conn, test.answer, false)
					}
					conns <- conn
				})
				rsp, err := w.client.RoundTrip(w.request(http.MethodGet, "/", nil))
				if err == nil {
					if _, err := io.ReadAll(rsp.Body); err == nil {
						t.Error("the response is accepted")
					}
				}
				wantClosedCode(t, <-conns, test.code)
			})
		})
	}
}

// answer waits for a request and sends b.
func answer(t *testing.T, conn *quic.Conn, b []byte, finish bool) *quic.Stream {
	t.Helper()
	str, err := conn.AcceptStream(t.Context())
	if err != nil {
		t.Errorf("AcceptStream: %v", err)
		return nil
	}
	if _, err := str.Write(b); err != nil {
		t.Errorf("Write: %v", err)
	}
	if finish {
		str.Close()
	}
	return str
}

// RFC 9114, Sections 4.1.2, 4.2, 4.3.2 and 4.5
func TestClientRefusesMalformedResponses(t *testing.T) {
	tests := []struct {
		name   string
		answer []byte
	}{
		{":status missing", headers("a", "b")},
		{":status 0", headers(":status", "0")},
		{":status 000", headers(":status", "000")},
		{":status 99", headers(":status", "99")},
		{":status 1000", headers(":status", "1000")},
		{":status +200", headers(":status", "+20")},
		{":status abc", headers(":status", "abc")},
		{":status 101", headers(":status", "101")},
		{"duplicate :status", headers(":status", "200", ":status", "200")},
		{":path in a response", headers(":status", "200", ":path", "/")},
		{"upper case in a field name", headers(":status", "200", "Name", "v")},
		{"Transfer-Encoding", headers(":status", "200", "transfer-encoding", "chunked")},
		{"contradicting Content-Lengths", headers(":status", "200", "content-length", "1", "content-length", "2")},
		{"content longer than Content-Length", with(headers(":status", "200", "content-length", "1"), frame(0, []byte("ab")))},
		{"another final response", with(headers(":status", "200"), headers(":status", "200"))},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				stopped := make(chan error, 1)
				w.serveRaw(func(conn *quic.Conn) {
					str := answer(t, conn, test.answer, false)
					<-str.Context().Done()
					_, err := str.SendState()
					stopped <- err
				})
				rsp, err := w.client.RoundTrip(w.request(http.MethodGet, "/", nil))
				if err == nil {
					if _, err = io.ReadAll(rsp.Body); err == nil {
						t.Error("the response is accepted")
					}
				}
				if err := <-stopped; !isStreamError(err, 0x10e) {
					t.Errorf("the stream was stopped with %v, want H3_MESSAGE_ERROR", err)
				}
			})
		})
	}
}

func TestClientAcceptsOddResponses(t *testing.T) {
	tests := []struct {
		name, method string
		answer       []byte
		status       int
		body         string
	}{
		{"status 799", "GET", with(headers(":status", "799"), frame(0, []byte("x"))), 799, "x"},
		{"HEAD with Content-Length", "HEAD", headers(":status", "200", "content-length", "10"), 200, ""},
		{"304 with Content-Length", "GET", headers(":status", "304", "content-length", "10"), 304, ""},
		{"informational responses", "GET", with(headers(":status", "103"), headers(":status", "100"), headers(":status", "200"), frame(0, []byte("x"))), 200, "x"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.serveRaw(func(conn *quic.Conn) { answer(t, conn, test.answer, true) })
				rsp, body := w.do(w.request(test.method, "/", nil))
				if rsp.StatusCode != test.status || body != test.body {
					t.Errorf("got %d %q, want %d %q", rsp.StatusCode, body, test.status, test.body)
				}
			})
		})
	}
}

func TestTruncatedResponseBodyIsNoCleanEOF(t *testing.T) {
	tests := map[string][]byte{
		"Content-Length not reached": with(headers(":status", "200", "content-length", "9"), frame(0, []byte("x"))),
		"Content-Length, no DATA":    headers(":status", "200", "content-length", "9"),
	}
	for name, b := range tests {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.serveRaw(func(conn *quic.Conn) { answer(t, conn, b, true) })
				rsp, err := w.client.RoundTrip(w.request(http.MethodGet, "/", nil))
				if err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadAll(rsp.Body); !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("reading the body: got %v, want %v", err, io.ErrUnexpectedEOF)
				}
			})
		})
	}
}
