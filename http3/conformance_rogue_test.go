package http3_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// A role is what the endpoint under test is.
type role string

const (
	roleClient role = "client"
	roleServer role = "server"
)

// A rogue is a peer that speaks QUIC and sends what it likes on the streams of HTTP/3. The endpoint under test is a
// Server or a Transport, as the role says. The methods act on the latest connection.
type rogue struct {
	t    *testing.T
	w    *world
	role role
	conn *quic.Conn

	// handler is what a server under test does with requests. Without one the body of the request is read to its
	// end, and what came of it is told to handled.
	handler http.HandlerFunc
	handled chan messageRead
	// request is what a client under test sends. Without one it is a GET.
	request *http.Request
	// result is what has become of the latest request of a client under test.
	result chan roundTripResult

	started bool
	conns   chan *quic.Conn // from a client under test
	pending bool            // a request of the client was not accepted yet
}

type roundTripResult struct {
	rsp  *http.Response
	body []byte
	err  error // of RoundTrip, or of reading the body
}

// A messageRead is a request that a handler has read.
type messageRead struct {
	req  *http.Request
	body []byte
	err  error
}

func (r *rogue) start() {
	if r.started {
		return
	}
	r.started = true
	if r.role == roleServer {
		r.handled = make(chan messageRead, 1000)
		r.w.serve(func(w http.ResponseWriter, req *http.Request) {
			if r.handler != nil {
				r.handler(w, req)
				return
			}
			body, err := io.ReadAll(req.Body)
			r.handled <- messageRead{req, body, err}
		})
		return
	}
	r.conns = make(chan *quic.Conn, 3) // a client may try three times
	r.w.serveRaw(func(conn *quic.Conn) { r.conns <- conn })
}

// connect makes a connection to the endpoint under test. A client under test has begun its request then.
func (r *rogue) connect() *quic.Conn {
	r.t.Helper()
	r.start()
	if r.role == roleServer {
		r.conn = r.w.rawConn()
		return r.conn
	}
	r.roundTrip()
	r.conn = <-r.conns
	return r.conn
}

// roundTrip makes a client under test begin its request.
func (r *rogue) roundTrip() {
	req := r.request
	if req == nil {
		req = r.w.request(http.MethodGet, "/", nil)
	}
	result := make(chan roundTripResult, 1)
	r.result, r.pending = result, true
	go func() {
		var res roundTripResult
		if res.rsp, res.err = r.w.client.RoundTrip(req); res.err == nil {
			res.body, res.err = io.ReadAll(res.rsp.Body)
		}
		result <- res
	}()
}

// uni sends each b on a unidirectional stream of its own.
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
	str := r.requestStream()
	if _, err := str.Write(b); err != nil {
		r.t.Fatal(err)
	}
	return str
}

// requestStream opens a request stream, or accepts the client's.
func (r *rogue) requestStream() *quic.Stream {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 5*time.Second)
	defer cancel()
	open := r.conn.OpenStreamSync
	if r.role == roleClient {
		open = r.conn.AcceptStream
		r.pending = false
	}
	str, err := open(ctx)
	if err != nil {
		r.t.Fatal(err)
	}
	return str
}

// ourControl accepts the control stream of the endpoint under test.
func (r *rogue) ourControl() *quic.ReceiveStream {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 5*time.Second)
	defer cancel()
	str, err := r.conn.AcceptUniStream(ctx)
	if err != nil {
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

// beginnings are the beginnings of a valid message, up to the places where a frame may come. The first is empty.
func (r *rogue) beginnings() [][]byte {
	data, trailers := frame(0, []byte("data")), headers("x-end", "value")
	return [][]byte{nil, r.header(), with(r.header(), data), with(r.header(), data, trailers)}
}

// wantConnError checks that the connection is closed with code, and that a request of a client has failed with it.
func (r *rogue) wantConnError(code uint64) {
	r.t.Helper()
	wantClosedCode(r.t, r.conn, code)
	if r.role == roleClient {
		wantErrorCode(r.t, (<-r.result).err, http3.ErrCode(code), false)
	}
}

// wantMessageError is wantConnError, and checks that a handler, if handled, has failed to read the body with code.
func (r *rogue) wantMessageError(code uint64, handled bool) {
	r.t.Helper()
	r.wantConnError(code)
	if r.role == roleServer {
		r.wantHandled(handled, code)
	}
}

// wantHandled checks that no handler was called, or that one could not read the body because of a local error.
func (r *rogue) wantHandled(handled bool, code uint64) {
	r.t.Helper()
	select {
	case m := <-r.handled:
		if !handled {
			r.t.Errorf("a handler was called")
		}
		wantErrorCode(r.t, m.err, http3.ErrCode(code), false)
	case <-time.After(5 * time.Second):
		if handled {
			r.t.Errorf("no handler was called")
		}
	}
}

// wantUsable checks that the connection serves a further request. A client's request that was not answered yet is
// answered first.
func (r *rogue) wantUsable() {
	r.t.Helper()
	if r.role == roleServer {
		wantAnswered(r.t, rawRequest(r.t, r.conn, getHeaders()))
		if r.handler == nil {
			if m := <-r.handled; m.err != nil {
				r.t.Errorf("the handler of a further request reads %v", m.err)
			}
		}
		return
	}
	if !r.pending {
		r.roundTripAgain()
	}
	r.message(with(r.header(), frame(0, []byte("ok")))).Close()
	r.wantResult("ok")
	if r.pending = false; len(r.conns) > 0 {
		r.t.Error("the client has made another connection")
	}
}

// roundTripAgain makes a client under test begin another request on a connection that has served one. It is one that is
// not repeated when the connection ends.
func (r *rogue) roundTripAgain() {
	if r.role == roleClient {
		r.request = r.w.request(http.MethodPost, "/", nil)
		r.roundTrip()
		r.request = nil
	}
}

// wantResult checks that the request of a client is answered.
func (r *rogue) wantResult(body string) {
	r.t.Helper()
	if res := <-r.result; res.err != nil || string(res.body) != body {
		r.t.Errorf("the client got %q, %v, want %q", res.body, res.err, body)
	}
}

// wantStopped checks that the peer does not want a stream (STOP_SENDING with code).
func wantStopped(t *testing.T, str interface{ Context() context.Context }, code http3.ErrCode) {
	t.Helper()
	select {
	case <-str.Context().Done():
	case <-time.After(5 * time.Second):
		t.Errorf("the stream is not stopped, want it stopped with %#x", uint64(code))
		return
	}
	if err := context.Cause(str.Context()); !isStreamError(err, quic.StreamErrorCode(code)) {
		t.Errorf("the stream was stopped with %v, want %#x", err, uint64(code))
	}
}

// wantSilent checks that the peer leaves a stream alone for a while.
func wantSilent(t *testing.T, str interface{ Context() context.Context }) {
	t.Helper()
	select {
	case <-str.Context().Done():
		t.Errorf("the stream ended with %v", context.Cause(str.Context()))
	case <-time.After(time.Second):
	}
}

// closesOnUni is the case that any of bs on a unidirectional stream ends the connection with code.
func closesOnUni(code uint64, bs ...[]byte) conformanceCase {
	return func(t *testing.T, r *rogue) {
		for _, b := range bs {
			t.Logf("a stream with %x", b)
			r.connect()
			r.uni(b)
			r.wantConnError(code)
		}
	}
}

// closesOnControl is the case that any of the frames on the control stream ends the connection with code.
func closesOnControl(code uint64, frames ...[]byte) conformanceCase {
	var bs [][]byte
	for _, f := range frames {
		bs = append(bs, with(settings, f))
	}
	return closesOnUni(code, bs...)
}

// closesOnRequest is the case that any of the frames anywhere on a request stream ends the connection with code.
func closesOnRequest(code uint64, frames ...[]byte) conformanceCase {
	return func(t *testing.T, r *rogue) {
		for _, f := range frames {
			for _, before := range r.beginnings() {
				t.Logf("%x after %x", f, before)
				r.connect()
				r.message(with(before, f))
				r.wantMessageError(code, before != nil)
			}
		}
	}
}

// inTurn is the case that consists of others.
func inTurn(cases ...conformanceCase) conformanceCase {
	return func(t *testing.T, r *rogue) {
		for _, c := range cases {
			c(t, r)
		}
	}
}

// onlyAs limits a case to a role.
func onlyAs(role role, c conformanceCase) conformanceCase {
	return func(t *testing.T, r *rogue) {
		if r.role == role {
			c(t, r)
		}
	}
}

// isLimit reports whether a stream cannot be opened for now.
func isLimit(err error) bool {
	var limit *quic.StreamLimitReachedError
	return errors.As(err, &limit)
}
