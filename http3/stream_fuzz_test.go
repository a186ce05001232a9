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

// wantHTTP3Close checks that the peer has closed a connection, if it is closed, with a code of HTTP/3.
func wantHTTP3Close(t *testing.T, conn *quic.Conn) {
	t.Helper()
	if conn.Context().Err() == nil {
		return
	}
	var appErr *quic.ApplicationError
	err := context.Cause(conn.Context())
	if !errors.As(err, &appErr) || !appErr.Remote || appErr.ErrorCode < 0x100 || appErr.ErrorCode > 0x202 {
		t.Errorf("the connection ended with %v", err)
	}
	if appErr.ErrorCode == quic.ApplicationErrorCode(http3.ErrCodeInternalError) {
		t.Errorf("the peer blames itself: %v", err)
	}
}

// contents returns the payloads of the DATA frames of a request, and whether the stream ends between frames.
func contents(b []byte) (data []byte, clean bool) {
	for len(b) > 0 {
		typ, n, err := quicvarint.Parse(b)
		if err != nil {
			return data, false
		}
		length, m, err := quicvarint.Parse(b[n:])
		if err != nil || length > uint64(len(b)-n-m) {
			return data, false
		}
		b = b[n+m:]
		if typ == 0 {
			data = append(data, b[:length]...)
		}
		b = b[length:]
	}
	return data, true
}

// seedFrames returns frames of all types that are known or must not be sent, good and bad ones, and parts of them.
func seedFrames() (frames [][]byte) {
	for _, typ := range []uint64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0xd, 0x21, 0xf0700, 0xf0701} {
		for _, payload := range [][]byte{nil, {0}, {0x40}, {0x33, 2}, {0, 0, 0}} {
			frames = append(frames, frame(typ, payload))
		}
		frames = append(frames, frame(typ, []byte{0, 1})[:2])
	}
	return frames
}

// Whatever follows the header of a request: the handler reads what is in the DATA frames, and a clean
// end only if the stream has ended between frames.
func FuzzRequestStream(f *testing.F) {
	f.Add(frame(0, []byte("content")))
	f.Add(with(frame(0, []byte("a")), frame(0x21, []byte("grease")), frame(0, nil), frame(0, []byte("b")), headers("a", "b")))
	f.Add([]byte{0, 9, 'x'})
	f.Add([]byte{0x40})
	f.Add(with(headers("a", "b"), frame(0, []byte("x"))))
	f.Add(frame(4, nil))
	f.Add(frame(1, []byte{0, 0, 0xff, 0x24}))
	f.Fuzz(func(t *testing.T, b []byte) {
		inWorld(t, func(t *testing.T, w *world) {
			type result struct {
				body []byte
				err  error
			}
			results := make(chan result, 1)
			w.serve(func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				results <- result{body, err}
			})
			conn := w.rawConn()
			openControl(t, conn)
			str := rawRequest(t, conn, with(postHeaders(), b))
			got := <-results
			data, clean := contents(b)
			if !bytes.HasPrefix(data, got.body) && clean {
				t.Errorf("the handler reads %q, which does not begin %q", got.body, data)
			}
			if got.err == nil && (!clean || !bytes.Equal(got.body, data)) {
				t.Errorf("the handler reads %q and a clean end; the frames have %q, clean %t", got.body, data, clean)
			}
			if got.err == nil {
				wantAnswered(t, str)
			}
			time.Sleep(time.Second)
			wantHTTP3Close(t, conn)
		})
	})
}

// Whatever a client sends on a unidirectional stream: the server answers requests, or closes the
// connection with a code of HTTP/3.
func FuzzUnidirectionalStream(f *testing.F) {
	for _, test := range rogueClients {
		for _, b := range test.uni {
			f.Add(b, false)
		}
	}
	for typ := range byte(5) {
		f.Add([]byte{typ}, true)
		f.Add([]byte{typ, 0}, false)
	}
	for i, b := range seedFrames() {
		f.Add(with([]byte{0}, b), i%2 == 0)
		f.Add(with(settings, b, b), i%2 == 1)
	}
	f.Add(with(settings, frame(7, []byte{0}), frame(0x21, []byte("grease")), frame(0xf0700, []byte("\x00u=1"))), false)
	f.Fuzz(func(t *testing.T, b []byte, finish bool) {
		inWorld(t, func(t *testing.T, w *world) {
			w.serve(echo)
			conn := w.rawConn()
			if str := openUni(t, conn, b); finish && str != nil {
				str.Close()
			}
			time.Sleep(time.Second)
			wantHTTP3Close(t, conn)
			if conn.Context().Err() == nil {
				wantAnswered(t, rawRequest(t, conn, getHeaders()))
			}
		})
	})
}

// Whatever a server answers: the client reports a response and its content, or an error.
func FuzzResponseStream(f *testing.F) {
	for _, test := range rogueServers {
		f.Add(test.answer, false)
	}
	for i, b := range seedFrames() {
		f.Add(b, i%2 == 0)
		f.Add(with(headers(":status", "200"), b), i%2 == 1)
	}
	f.Add(with(headers(":status", "103"), headers(":status", "200", "content-length", "1"), frame(0, []byte("x")), headers("a", "b")), true)
	f.Fuzz(func(t *testing.T, b []byte, finish bool) {
		inWorld(t, func(t *testing.T, w *world) {
			conns := make(chan *quic.Conn, 3)
			w.serveRaw(func(conn *quic.Conn) {
				openUni(t, conn, settings)
				conns <- conn
				str, err := conn.AcceptStream(context.Background())
				if err != nil {
					return
				}
				str.Write(b)
				if finish {
					str.Close()
				}
			})
			req := w.request(http.MethodGet, "/", nil)
			ctx, cancel := context.WithTimeout(req.Context(), 5*time.Second)
			defer cancel()
			rsp, err := w.client.RoundTrip(req.WithContext(ctx))
			if err == nil {
				body, err := io.ReadAll(rsp.Body)
				data, clean := contents(b)
				if err == nil && (!finish || !clean || !rsp.Uncompressed && !bytes.Equal(body, data)) {
					t.Errorf("the client reads %q and a clean end; the frames have %q, clean %t", body, data, clean)
				}
				rsp.Body.Close()
			}
			time.Sleep(time.Second)
			wantHTTP3Close(t, <-conns)
		})
	})
}
