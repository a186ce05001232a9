package http3_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/quic-go/quic-go"
)

// A role is what the endpoint under test is.
type role string

const (
	roleClient role = "client"
	roleServer role = "server"
)

// A rogue is a peer that speaks QUIC and sends what it likes on the streams of HTTP/3. The endpoint under test is a
// Server or a Transport, as the role says.
type rogue struct {
	t    *testing.T
	w    *world
	role role
	conn *quic.Conn

	// handler is what a server under test does with requests. Without one the body of the request is read to its end.
	handler http.HandlerFunc
	// request is what a client under test sends. Without one it is a GET.
	request *http.Request
	// result is what has become of the request of a client under test.
	result chan roundTripResult
}

type roundTripResult struct {
	rsp  *http.Response
	body []byte
	err  error // of RoundTrip, or of reading the body
}

// connect makes a connection to the endpoint under test. A client under test has begun its request then.
func (r *rogue) connect() *quic.Conn {
	r.t.Helper()
	if r.role == roleServer {
		if r.handler == nil {
			r.handler = func(_ http.ResponseWriter, req *http.Request) { io.Copy(io.Discard, req.Body) }
		}
		r.w.serve(r.handler)
		r.conn = r.w.rawConn()
		return r.conn
	}
	conns := make(chan *quic.Conn, 3) // a client may try three times
	r.w.serveRaw(func(conn *quic.Conn) { conns <- conn })
	if r.request == nil {
		r.request = r.w.request(http.MethodGet, "/", nil)
	}
	r.result = make(chan roundTripResult, 1)
	go func() {
		var res roundTripResult
		if res.rsp, res.err = r.w.client.RoundTrip(r.request); res.err == nil {
			res.body, res.err = io.ReadAll(res.rsp.Body)
		}
		r.result <- res
	}()
	r.conn = <-conns
	return r.conn
}

// uni connects and sends each b on a unidirectional stream of its own.
func (r *rogue) uni(bs ...[]byte) []*quic.SendStream {
	r.t.Helper()
	if r.conn == nil {
		r.connect()
	}
	var strs []*quic.SendStream
	for _, b := range bs {
		strs = append(strs, openUni(r.t, r.conn, b))
	}
	return strs
}

// message sends b on a request stream: as a request, or as the answer to the client's.
func (r *rogue) message(b []byte) *quic.Stream {
	r.t.Helper()
	if r.conn == nil {
		r.connect()
	}
	if r.role == roleClient {
		return answer(r.t, r.conn, b, false)
	}
	str, err := r.conn.OpenStream()
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := str.Write(b); err != nil {
		r.t.Fatal(err)
	}
	return str
}

// header is a field section that the endpoint under test accepts from its peer.
func (r *rogue) header(more ...string) []byte {
	if r.role == roleServer {
		return postHeaders(more...)
	}
	return headers(append([]string{":status", "200"}, more...)...)
}

// wantConnError checks that the connection is closed with code, and that a request of a client has failed.
func (r *rogue) wantConnError(code uint64) {
	r.t.Helper()
	wantClosedCode(r.t, r.conn, code)
	if r.role == roleClient {
		if res := <-r.result; res.err == nil {
			r.t.Errorf("the client got %s", res.rsp.Status)
		}
	}
}
