package http3_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// What a server may not do, and the code with which the client closes the connection. Each row is what is
// sent on unidirectional streams, one after the other, or as the answer to a request.
var rogueServers = []struct {
	name   string
	uni    [][]byte
	answer []byte
	finish bool
	code   uint64
}{
	{name: "first control frame is not SETTINGS", uni: [][]byte{with([]byte{0}, frame(7, []byte{0}))}, code: 0x10a},
	{name: "second control stream", uni: [][]byte{settings, settings}, code: 0x103},
	{name: "control stream is finished", uni: [][]byte{settings}, finish: true, code: 0x104},
	{name: "QPACK encoder stream is finished", uni: [][]byte{{2}}, finish: true, code: 0x104},
	{name: "QPACK decoder stream is finished", uni: [][]byte{{3}}, finish: true, code: 0x104},
	{name: "push stream", uni: [][]byte{{1, 0}}, code: 0x108},
	{name: "MAX_PUSH_ID", uni: [][]byte{with(settings, frame(0xd, []byte{0}))}, code: 0x105},
	{name: "CANCEL_PUSH", uni: [][]byte{with(settings, frame(3, []byte{0}))}, code: 0x108},
	{name: "PRIORITY_UPDATE", uni: [][]byte{with(settings, frame(0xf0700, []byte{0, 'u', '=', '1'}))}, code: 0x105},
	{name: "PRIORITY_UPDATE for a push", uni: [][]byte{with(settings, frame(0xf0701, []byte{0, 'u', '=', '1'}))}, code: 0x105},
	{name: "GOAWAY with an ID of another stream type", uni: [][]byte{with(settings, frame(7, []byte{1}))}, code: 0x108},
	{name: "GOAWAY with a larger ID", uni: [][]byte{with(settings, frame(7, []byte{8}), frame(7, []byte{12}))}, code: 0x108},
	{name: "SETTINGS_ENABLE_CONNECT_PROTOCOL of 2", uni: [][]byte{with([]byte{0}, frame(4, []byte{8, 2}))}, code: 0x109},
	{name: "PUSH_PROMISE", answer: frame(5, []byte{0, 0, 0}), code: 0x108},
	{name: "PUSH_PROMISE without push ID", answer: frame(5, nil), code: 0x106},
	{name: "PUSH_PROMISE that ends inside the push ID", answer: frame(5, []byte{0x40}), code: 0x106},
	{name: "CANCEL_PUSH on a request stream", answer: frame(3, []byte{0}), code: 0x105},
	{name: "SETTINGS on a request stream", answer: frame(4, nil), code: 0x105},
	{name: "GOAWAY on a request stream", answer: frame(7, []byte{0}), code: 0x105},
	{name: "DATA before HEADERS", answer: frame(0, []byte("x")), code: 0x105},
	{name: "DATA after an informational response", answer: with(headers(":status", "103"), frame(0, []byte("x"))), code: 0x105},
	{name: "DATA after trailers", answer: with(headers(":status", "200"), headers("a", "b"), frame(0, []byte("x"))), code: 0x105},
	{name: "HEADERS after trailers", answer: with(headers(":status", "200"), headers("a", "b"), headers("a", "b")), code: 0x105},
	{name: "stream ends inside HEADERS", answer: headers(":status", "200")[:6], finish: true, code: 0x106},
	{name: "stream ends inside DATA", answer: with(headers(":status", "200"), []byte{0, 9, 'x'}), finish: true, code: 0x106},
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
						if str := openUni(t, conn, b); test.finish {
							str.Close()
						}
					}
					if test.answer != nil {
						answer(t, conn, test.answer, test.finish)
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
		{"unknown frames", "GET", with(frame(0x21, []byte("abc")), headers(":status", "200"), frame(0x40, nil), frame(0, []byte("x")), frame(0x21, nil)), 200, "x"},
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
		"DATA frame cut off":         with(headers(":status", "200"), []byte{0, 9, 'x'}),
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

func TestServerInitiatedBidirectionalStream(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.clientQUIC.MaxIncomingStreams = 10
		conns := make(chan *quic.Conn, 3) // the client may try three times
		w.serveRaw(func(conn *quic.Conn) {
			str, err := conn.OpenStreamSync(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			str.Write([]byte("x"))
			conns <- conn
		})
		w.client.NewClientConn(w.rawConn())
		wantClosed(t, <-conns, http3.ErrCodeStreamCreationError)
	})
}

// A server that has answered may stop the upload; the answer counts (RFC 9114, Section 4.1).
func TestClientKeepsAnEarlyAnswer(t *testing.T) {
	for _, reset := range []bool{false, true} {
		inWorld(t, func(t *testing.T, w *world) {
			w.serveRaw(func(conn *quic.Conn) {
				str := answer(t, conn, with(headers(":status", "413", "content-length", "3"), frame(0, []byte("big"))), true)
				str.CancelRead(0x100)
			})
			body := io.Reader(bytes.NewReader(make([]byte, 10<<20)))
			req := w.request(http.MethodPost, "/", body)
			if reset { // the header alone fills the window
				req.Header.Set("X-Large", strings.Repeat("x", 4<<20))
			}
			rsp, got := w.do(req)
			if rsp.StatusCode != 413 || got != "big" {
				t.Errorf("got %s %q", rsp.Status, got)
			}
		})
	}
}

func TestResetAfterPartOfTheResponse(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.serveRaw(func(conn *quic.Conn) {
			str := answer(t, conn, with(headers(":status", "200"), frame(0, []byte("part"))), false)
			time.Sleep(time.Second)
			str.CancelWrite(0x10c)
		})
		rsp, err := w.client.RoundTrip(w.request(http.MethodGet, "/", nil))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(rsp.Body)
		if string(body) != "part" {
			t.Errorf("got %q", body)
		}
		wantErrorCode(t, err, http3.ErrCodeRequestCanceled, true)
	})
}
