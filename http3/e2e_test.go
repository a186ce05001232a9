package http3_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/internal/netsim"
)

func TestGet(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.serve(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "%s %s", r.Method, r.URL.Path) })
		rsp, body := w.get("/path")
		if rsp.StatusCode != 200 || body != "GET /path" {
			t.Errorf("got %s %q, want 200 OK GET /path", rsp.Status, body)
		}
		if rsp.ContentLength != int64(len(body)) || rsp.TLS == nil || rsp.ProtoMajor != 3 {
			t.Errorf("got length %d, TLS %v, major %d", rsp.ContentLength, rsp.TLS, rsp.ProtoMajor)
		}
	})
}

func TestUploadAndDownload(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789abcdef"), 64<<10) // 1 MiB
	for _, loss := range []float64{0, 0.02} {
		dir := netsim.Direction{Delay: 5 * time.Millisecond, Loss: loss}
		inNetwork(t, netsim.Options{Up: dir, Down: dir}, func(t *testing.T, w *world) {
			w.serve(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })
			_, body := w.do(w.request(http.MethodPost, "/", bytes.NewReader(data)))
			if body != string(data) {
				t.Errorf("loss %v: got %d bytes back, want the %d bytes sent", loss, len(body), len(data))
			}
		})
	}
}

func TestParallelRequestsShareAConnection(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var conns atomic.Int32
		w.server.ConnContext = func(ctx context.Context, _ *quic.Conn) context.Context {
			conns.Add(1)
			return ctx
		}
		w.serve(echo)
		results := make(chan error)
		for i := range 150 { // more than streams are allowed at a time
			go func() {
				rsp, err := w.client.RoundTrip(w.request(http.MethodPost, "/", strings.NewReader(fmt.Sprint("body ", i))))
				if err != nil {
					results <- err
					return
				}
				body, err := io.ReadAll(rsp.Body)
				if err == nil && string(body) != fmt.Sprint("BODY ", i) {
					err = fmt.Errorf("request %d got %q", i, body)
				}
				results <- err
			}()
		}
		for range 150 {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
		if conns.Load() != 1 {
			t.Errorf("%d connections, want 1", conns.Load())
		}
	})
}

func TestTrailers(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		seen := make(chan http.Header, 1)
		w.serve(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Trailer", "X-Sum")
			io.Copy(w, r.Body)
			w.Header().Set("X-Sum", "42")
			w.Header().Set(http.TrailerPrefix+"X-Late", "late")
			seen <- r.Trailer
		})
		req := w.request(http.MethodPost, "/", io.MultiReader(strings.NewReader("body")))
		req.Trailer = http.Header{"X-Request": {"r"}}
		rsp, body := w.do(req)
		if got := <-seen; got.Get("X-Request") != "r" {
			t.Errorf("the handler sees trailers %v", got)
		}
		if body != "body" || rsp.Trailer.Get("X-Sum") != "42" || rsp.Trailer.Get("X-Late") != "late" {
			t.Errorf("got %q and trailers %v", body, rsp.Trailer)
		}
	})
}

func TestInformationalResponses(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.serve(func(w http.ResponseWriter, r *http.Request) {
			n := 5
			if r.URL.Path == "/six" {
				n = 6
			}
			for i := range n {
				w.Header().Set("Link", fmt.Sprint("</", i, ">"))
				w.WriteHeader(http.StatusEarlyHints)
			}
			io.WriteString(w, "final")
		})
		var hints []string
		req := w.request(http.MethodGet, "/five", nil)
		req = req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
			Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
				hints = append(hints, h.Get("Link"))
				return nil
			},
		}))
		if _, body := w.do(req); body != "final" || len(hints) != 5 || hints[4] != "</4>" {
			t.Errorf("got %q after %q", body, hints)
		}
		if rsp, err := w.client.RoundTrip(w.request(http.MethodGet, "/six", nil)); err == nil {
			t.Errorf("got %s after six informational responses, want an error", rsp.Status)
		}
	})
}

// A client that waits for 100 (Continue) gets it when the handler reads the body.
func TestExpectContinue(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.serve(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/read" {
				io.Copy(w, r.Body)
			}
		})
		for path, want := range map[string]int{"/read": 1, "/refuse": 0} {
			got := 0
			req := w.request(http.MethodPost, path, strings.NewReader("body"))
			req.Header.Set("Expect", "100-continue")
			req = req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{Got100Continue: func() { got++ }}))
			w.do(req)
			if got != want {
				t.Errorf("%s: got %d times 100 (Continue), want %d", path, got, want)
			}
		}
	})
}

func TestRequestCancellation(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		gone := make(chan error, 1)
		w.serve(func(w http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			gone <- context.Cause(r.Context())
		})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		_, err := w.client.RoundTrip(w.request(http.MethodGet, "/", nil).WithContext(ctx))
		if err != context.Canceled {
			t.Errorf("RoundTrip: got %v, want %v", err, context.Canceled)
		}
		var streamErr *quic.StreamError
		if err := <-gone; !errors.As(err, &streamErr) || !streamErr.Remote {
			t.Errorf("the handler's context ended with %v, want the client's STOP_SENDING", err)
		}
	})
}

func TestResponseBodyCloseStopsTheServer(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		result := make(chan error, 1)
		w.serve(func(w http.ResponseWriter, r *http.Request) {
			for {
				if _, err := w.Write(make([]byte, 10_000)); err != nil {
					result <- err
					return
				}
			}
		})
		rsp, err := w.client.RoundTrip(w.request(http.MethodGet, "/", nil))
		if err != nil {
			t.Fatal(err)
		}
		io.ReadFull(rsp.Body, make([]byte, 100))
		rsp.Body.Close()
		wantErrorCode(t, <-result, http3.ErrCodeRequestCanceled, true)
	})
}

func TestServerAnswersWithoutReadingTheBody(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.serve(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "no, thanks") })
		body := &endless{closed: make(chan struct{})}
		start := time.Now()
		_, got := w.do(w.request(http.MethodPost, "/", body))
		if got != "no, thanks" {
			t.Errorf("got %q", got)
		}
		<-body.closed
		if d := time.Since(start); d > time.Second {
			t.Errorf("the upload goes on for %v", d)
		}
	})
}

// endless is a body without end.
type endless struct{ closed chan struct{} }

func (e *endless) Read(p []byte) (int, error) { return len(p), nil }
func (e *endless) Close() error {
	close(e.closed)
	return nil
}

// A server that has answered does not wait for the end of the request.
func TestCloseAfterTheAnswer(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.serve(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "ok") })
		str, err := w.clientConn().OpenRequestStream(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := str.SendRequestHeader(w.request(http.MethodPost, "/", nil)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if err := str.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		rsp, err := str.ReadResponse()
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(rsp.Body); string(b) != "ok" || err != nil {
			t.Errorf("got %q, %v", b, err)
		}
	})
}

func TestFullDuplex(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.serve(func(w http.ResponseWriter, r *http.Request) {
			buf := make([]byte, 10)
			for {
				n, err := r.Body.Read(buf)
				w.Write(buf[:n])
				w.(http.Flusher).Flush()
				if err != nil {
					return
				}
			}
		})
		pr, pw := io.Pipe()
		go io.WriteString(pw, "ping")
		rsp, err := w.client.RoundTrip(w.request(http.MethodPost, "/", pr))
		if err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 4)
		for range 3 {
			if _, err := io.ReadFull(rsp.Body, buf); err != nil || string(buf) != "ping" {
				t.Fatalf("got %q, %v", buf, err)
			}
			io.WriteString(pw, "ping")
		}
		pw.Close()
		if _, err := io.ReadAll(rsp.Body); err != nil {
			t.Error(err)
		}
	})
}

func TestExpiredWriteDeadlineResumesWithinTheFrame(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		data := bytes.Repeat([]byte("x"), 3<<20)
		w.serve(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(200)
			str, err := w.(http3.HTTPStreamer).HTTPStream()
			if err != nil {
				t.Error(err)
				return
			}
			defer str.Close()
			for rest := data; len(rest) > 0; {
				str.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
				n, err := str.Write(rest)
				rest = rest[n:]
				if err != nil && !isTimeout(err) {
					t.Errorf("Write: %v", err)
					return
				}
			}
		})
		rsp, err := w.client.RoundTrip(w.request(http.MethodGet, "/", nil))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second) // the stream's window fills up
		body, err := io.ReadAll(rsp.Body)
		if err != nil || !bytes.Equal(body, data) {
			t.Errorf("got %d bytes and %v, want %d", len(body), err, len(data))
		}
	})
}

func isTimeout(err error) bool {
	t, ok := err.(interface{ Timeout() bool })
	return ok && t.Timeout()
}

func TestHandlerPanic(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.serve(func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "some content")
			panic(http.ErrAbortHandler)
		})
		_, err := w.client.RoundTrip(w.request(http.MethodGet, "/", nil))
		wantErrorCode(t, err, http3.ErrCodeInternalError, true)
	})
}

func TestHeaderLimits(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.server.MaxHeaderBytes = 5000
		w.client.MaxResponseHeaderBytes = 5000
		w.serve(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/large" {
				w.Header().Set("X-Large", strings.Repeat("x", 10_000))
			}
		})
		req := w.request(http.MethodGet, "/", nil)
		req.Header.Set("X-Large", strings.Repeat("x", 10_000))
		if rsp, _ := w.do(req); rsp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("a large request header is answered with %s", rsp.Status)
		}
		if _, err := w.client.RoundTrip(w.request(http.MethodGet, "/large", nil)); err == nil || !strings.Contains(err.Error(), "HEADERS frame too large") {
			t.Errorf("a large response header: got error %v", err)
		}
		if rsp, _ := w.get("/"); rsp.StatusCode != 200 {
			t.Errorf("afterwards: %s", rsp.Status)
		}
	})
}

func TestGzip(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.serve(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(gzipped("text"))
		})
		rsp, body := w.get("/")
		if body != "text" || !rsp.Uncompressed || rsp.ContentLength != -1 {
			t.Errorf("got %q, uncompressed %t, length %d", body, rsp.Uncompressed, rsp.ContentLength)
		}
	})
}

func TestConnectIsATunnel(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.serve(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(200)
			str, err := w.(http3.HTTPStreamer).HTTPStream()
			if err != nil {
				t.Error(err)
				return
			}
			go func() {
				io.Copy(str, str)
				str.Close()
			}()
		})
		cc := w.clientConn()
		str, err := cc.OpenRequestStream(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := str.SendRequestHeader(w.request(http.MethodConnect, "", nil)); err != nil {
			t.Fatal(err)
		}
		if rsp, err := str.ReadResponse(); err != nil || rsp.StatusCode != 200 {
			t.Fatalf("ReadResponse: %v, %v", rsp, err)
		}
		str.Write([]byte("through"))
		buf := make([]byte, 7)
		if _, err := io.ReadFull(str, buf); err != nil || string(buf) != "through" {
			t.Errorf("got %q, %v", buf, err)
		}
		str.Close()
		if _, err := str.Read(buf); err != io.EOF {
			t.Errorf("at the end: %v", err)
		}
	})
}

// clientConn makes a ClientConn of its own.
func (w *world) clientConn() *http3.ClientConn {
	w.t.Helper()
	return w.client.NewClientConn(w.rawConn())
}

func TestExtendedConnectNeedsTheSetting(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.serveRaw(func(conn *quic.Conn) { openUni(t, conn, []byte{0x00, 0x04, 0x00}) })
		req := w.request(http.MethodConnect, "/", nil)
		req.Proto = "websocket"
		_, err := w.client.RoundTrip(req)
		if err == nil || err.Error() != "http3: server didn't enable Extended CONNECT" {
			t.Errorf("got %v", err)
		}
	})
}

func TestNothingIsLeftBehind(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.serve(echo)
		for range 500 {
			w.do(w.request(http.MethodPost, "/", strings.NewReader("body")))
		}
		w.client.CloseIdleConnections()
		synctest.Wait() // a goroutine that is left makes the bubble fail
	})
}
