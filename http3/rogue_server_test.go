package http3_test

import (
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

func TestInformationalResponsesAreSkipped(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.serveRaw(func(conn *quic.Conn) {
			answer(t, conn, with(headers(":status", "103"), headers(":status", "100"), headers(":status", "200"), frame(0, []byte("x"))), true)
		})
		if rsp, body := w.get("/"); rsp.StatusCode != 200 || body != "x" {
			t.Errorf("got %s %q", rsp.Status, body)
		}
	})
}
