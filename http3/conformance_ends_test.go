package http3_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/internal/testcert"
)

// endCases: requests and responses that end early, CONNECT, and error codes.
var endCases = map[string]conformanceCase{
	"T-424": cancelledRequests,
	"T-425": earlyAnswers,
	// We send a rejected request again if the server has also said that it goes away. Otherwise it would be likely to
	// reject the request again.
	"T-426": func(t *testing.T, r *rogue) {
		r.connect()
		rejectRequest(r)
		wantErrorCode(t, (<-r.result).err, http3.ErrCodeRequestRejected, true)
		time.Sleep(time.Second)
		r.wantUsable()
		for _, again := range []bool{false, true} { // the body can be had again
			r.conn.CloseWithError(0x100, "")
			time.Sleep(time.Second)
			r.request = r.w.request(http.MethodPost, "/", strings.NewReader("body"))
			if !again {
				r.request.GetBody = nil
			}
			r.connect()
			r.request = nil
			control := r.uni(settings)[0]
			str := r.requestStream()
			io.ReadAll(str)
			control.Write(frame(7, []byte{4}))
			time.Sleep(100 * time.Millisecond)
			str.CancelWrite(0x10b)
			if !again {
				wantErrorCode(t, (<-r.result).err, http3.ErrCodeRequestRejected, true)
				continue
			}
			r.conn, r.pending = <-r.conns, true
			str = r.requestStream()
			if b, err := io.ReadAll(str); err != nil || !bytes.HasSuffix(b, frame(0, []byte("body"))) {
				t.Errorf("the second request is %x, %v", b, err)
			}
			str.Write(with(r.header(), frame(0, []byte("ok"))))
			str.Close()
			r.wantResult("ok")
		}
		if len(r.conns) > 0 {
			t.Error("the client has made another connection")
		}
	},
	"T-427": func(t *testing.T, r *rogue) {
		r.connect()
		for _, code := range []quic.StreamErrorCode{0x10c, 0x102, 0x100} {
			for _, part := range [][]byte{nil, {1}, r.header()[:6], headers(":status", "103"), r.header(), r.header("content-length", "4"),
				with(r.header(), frame(0, []byte("part"))), with(r.header("content-length", "4"), frame(0, []byte("part"))),
				with(r.header(), []byte{0, 9, 'x'}), with(r.header(), frame(0, []byte("part")), headers("x-end", "v"))} {
				if !r.pending {
					r.roundTripAgain()
				}
				str := r.message(part)
				time.Sleep(100 * time.Millisecond)
				str.CancelWrite(code)
				wantErrorCode(t, (<-r.result).err, http3.ErrCode(code), true)
			}
		}
		r.wantUsable()
	},
	"T-428": func(t *testing.T, r *rogue) {
		for _, more := range [][]byte{nil, frame(0, []byte("x")), frame(0x21, []byte("x"))} {
			for _, f := range [][]byte{headers("x-end", "v"), r.header(), frame(1, nil)} {
				r.tunnel(with(more, f))
				r.wantMessageError(0x105, true)
			}
		}
		if r.role == roleClient {
			// If there is no tunnel the response may have trailers.
			r.request = r.w.request(http.MethodConnect, "/", nil)
			r.connect()
			r.message(with(headers(":status", "502"), frame(0, []byte("no")), headers("x-end", "v"))).Close()
			r.wantResult("no")
		}
	},
	"T-429": func(t *testing.T, r *rogue) {
		unknown := with(frame(0x21, nil), frame(0x40, make([]byte, 1<<20)), frame(0xf0702, []byte("x")))
		r.tunnel(with(unknown, frame(0, []byte("da")), unknown, frame(0, []byte("ta")), unknown)).Close()
		if r.role == roleClient {
			r.wantResult("data")
		} else if m := <-r.handled; m.err != nil || string(m.body) != "data" {
			t.Errorf("the handler reads %q, %v", m.body, m.err)
		}
		r.wantUsable()
	},
	"T-430": meaninglessCodes(0, 0x5555, 0x111, 0xff, 1<<62-1),
	"T-431": meaninglessCodes(0x21, 0x1f*8+0x21, 0x1f*1000+0x21, (1<<62-1-0x21)/0x1f*0x1f+0x21),
}

// tunnel makes a connection with a CONNECT request, and sends b after the header of the rogue.
func (r *rogue) tunnel(b []byte) *quic.Stream {
	r.t.Helper()
	header := headers(":method", "CONNECT", ":authority", "localhost:443")
	if r.role == roleClient {
		header = r.header()
		r.request = r.w.request(http.MethodConnect, "/", nil)
	}
	r.connect()
	return r.message(with(header, b))
}

func rejectRequest(r *rogue) {
	str := r.requestStream()
	str.CancelRead(0x10b)
	str.CancelWrite(0x10b)
}

// cancelledRequests: a client cancels requests whose handlers read, write or wait.
func cancelledRequests(t *testing.T, r *rogue) {
	running := make(chan int, 1)
	running <- 0
	cancelled := make(chan error, 1000)
	r.handler = func(w http.ResponseWriter, req *http.Request) {
		running <- <-running + 1
		defer func() { running <- <-running - 1 }()
		_, err := io.Copy(io.Discard, req.Body)
		if req.ContentLength < 0 { // the request is cancelled as a whole
			<-req.Context().Done()
			if _, err := w.Write(make([]byte, 1<<20)); !errors.Is(err, &http3.Error{ErrorCode: http3.ErrCodeRequestCanceled, Remote: true}) {
				t.Errorf("writing the response: got %v", err)
			}
		} else if req.Context().Err() != nil {
			t.Error("the response cannot be sent although only the request was reset")
		}
		cancelled <- err
	}
	// More of them than there may be streams at a time.
	r.connect()
	for i := range 300 {
		both := i%3 > 0
		var more []string
		if !both {
			more = []string{"content-length", "1000000"}
		}
		str := r.message(with(postHeaders(more...), frame(0, []byte("part"))))
		time.Sleep(50 * time.Millisecond)
		if both {
			str.CancelRead(0x10c)
		}
		str.CancelWrite(0x10c)
		wantErrorCode(t, <-cancelled, http3.ErrCodeRequestCanceled, true)
		if !both {
			if status := readStatus(t, str); status != "200" {
				t.Errorf("got status %q", status)
			}
		}
	}
	time.Sleep(time.Second)
	if n := <-running; n != 0 {
		t.Errorf("%d handlers are left", n)
	}
	r.handler = func(http.ResponseWriter, *http.Request) {}
	r.wantUsable()
}

// earlyAnswers: a server answers without having read the whole request.
func earlyAnswers(t *testing.T, r *rogue) {
	answer := with(headers(":status", "413", "content-length", "3"), frame(0, []byte("big")))
	for _, large := range []bool{false, true} {
		for _, stopFirst := range []bool{false, true} {
			for _, code := range []quic.StreamErrorCode{0x100, 0x10c} {
				r.request = r.w.request(http.MethodPost, "/", bytes.NewReader(make([]byte, 10<<20)))
				if large { // the header alone fills the window
					r.request.Header.Set("X-Large", strings.Repeat("x", 4<<20))
				}
				r.connect()
				str := r.requestStream()
				time.Sleep(100 * time.Millisecond)
				if stopFirst {
					str.CancelRead(code)
					time.Sleep(100 * time.Millisecond)
				}
				str.Write(answer)
				time.Sleep(100 * time.Millisecond)
				str.CancelRead(code)
				time.Sleep(100 * time.Millisecond)
				str.Close()
				res := <-r.result
				if res.err != nil || res.rsp.StatusCode != 413 || string(res.body) != "big" {
					t.Errorf("got %q, %v", res.body, res.err)
				}
				r.wantUsable()
				r.conn.CloseWithError(0x100, "")
				time.Sleep(time.Second)
			}
		}
	}
}

// meaninglessCodes is the case that streams and connections end with codes that nobody knows.
//
// "use of an error code in an unexpected context or receipt of an unknown error code MUST be treated as equivalent to
// H3_NO_ERROR." (RFC 9114, Section 8)
func meaninglessCodes(codes ...uint64) conformanceCase {
	return func(t *testing.T, r *rogue) {
		for _, code := range codes {
			t.Logf("code %#x", code)
			r.connect()
			r.streamsEndWith(quic.StreamErrorCode(code))
			r.wantUsable()
			r.conn.CloseWithError(quic.ApplicationErrorCode(code), "")
			time.Sleep(time.Second)
		}
		// Streams and connections that can tell end as with H3_NO_ERROR.
		if r.role == roleClient {
			r.connect()
			c := r.w.client.NewClientConn(r.w.rawConn())
			r.conn = <-r.conns
			for _, code := range append(codes, 0x100) {
				wantQuietClose(t, c, r, quic.StreamErrorCode(code))
			}
			return
		}
		r.w.server.Close()
		for _, code := range append(codes, 0x100) {
			if err := serveUntilClosed(t, r.w, quic.ApplicationErrorCode(code)); err != nil {
				t.Errorf("ServeQUICConn: got %v, want none after code %#x", err, code)
			}
		}
		if err := serveUntilClosed(t, r.w, 0x101); err == nil {
			t.Error("ServeQUICConn returns no error after H3_GENERAL_PROTOCOL_ERROR")
		}
	}
}

// streamsEndWith ends request streams in both directions with a code.
func (r *rogue) streamsEndWith(code quic.StreamErrorCode) {
	r.t.Helper()
	// What was reset is incomplete whatever the code is.
	str := r.message(with(r.header(), frame(0, []byte("part"))))
	time.Sleep(100 * time.Millisecond)
	str.CancelWrite(code)
	if r.role == roleServer {
		wantErrorCode(r.t, (<-r.handled).err, http3.ErrCode(code), true)
		return
	}
	wantErrorCode(r.t, (<-r.result).err, http3.ErrCode(code), true)
	// A response does not depend on why the server wants no more of the request.
	r.request = r.w.request(http.MethodPost, "/", bytes.NewReader(make([]byte, 10<<20)))
	r.roundTrip()
	r.request = nil
	str = r.requestStream()
	str.CancelRead(code)
	time.Sleep(100 * time.Millisecond)
	str.Write(with(r.header(), frame(0, []byte("ok"))))
	str.Close()
	r.wantResult("ok")
}

// wantQuietClose checks that closing a stream that the server has stopped with code is no error.
func wantQuietClose(t *testing.T, c *http3.ClientConn, r *rogue, code quic.StreamErrorCode) {
	t.Helper()
	str, err := c.OpenRequestStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := str.SendRequestHeader(r.w.request(http.MethodPost, "/", nil)); err != nil {
		t.Fatal(err)
	}
	r.requestStream().CancelRead(code)
	time.Sleep(100 * time.Millisecond)
	if err := str.Close(); err != nil {
		t.Errorf("Close: got %v after the server has stopped the stream with %#x", err, uint64(code))
	}
}

// serveUntilClosed returns what ServeQUICConn returns when the client closes the connection with code.
func serveUntilClosed(t *testing.T, w *world, code quic.ApplicationErrorCode) error {
	t.Helper()
	ln, err := quic.Listen(w.serverPC, testcert.ServerConfig(http3.NextProtoH3), w.serverQUIC)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	served := make(chan error, 1)
	go func() {
		conn, err := ln.Accept(context.Background())
		if err != nil {
			served <- err
			return
		}
		served <- (&http3.Server{}).ServeQUICConn(conn)
	}()
	conn := w.rawConn()
	time.Sleep(100 * time.Millisecond)
	conn.CloseWithError(code, "")
	return <-served
}
