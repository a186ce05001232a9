package http3_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// A request that is cancelled, or whose connection ends, at any moment leaves nothing behind, and the next
// one works. The bubble fails if a goroutine is left.
func TestEndsAtEveryMoment(t *testing.T) {
	ends := map[string]func(w *world, cancel func(), conn *quic.Conn){
		"context":          func(_ *world, cancel func(), _ *quic.Conn) { cancel() },
		"server closes":    func(_ *world, _ func(), conn *quic.Conn) { conn.CloseWithError(0x100, "") },
		"transport closes": func(w *world, _ func(), _ *quic.Conn) { w.client.CloseIdleConnections(); w.client.Close() },
	}
	for name, end := range ends {
		for ms := 0; ms < 80; ms += 5 {
			t.Run(fmt.Sprint(name, " after ", ms, "ms"), func(t *testing.T) {
				inWorld(t, func(t *testing.T, w *world) { endAfter(t, w, time.Duration(ms)*time.Millisecond, end) })
			})
		}
	}
}

func endAfter(t *testing.T, w *world, d time.Duration, end func(*world, func(), *quic.Conn)) {
	conns := make(chan *quic.Conn, 2)
	w.server.ConnContext = func(ctx context.Context, c *quic.Conn) context.Context {
		conns <- c
		return ctx
	}
	w.serve(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		io.CopyN(w, r.Body, 50_000)
		w.(http.Flusher).Flush()
		time.Sleep(10 * time.Millisecond)
		w.Header().Set(http.TrailerPrefix+"X", "y")
		io.Copy(w, r.Body)
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	closed := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		body := &closeNotifier{Reader: bytes.NewReader(make([]byte, 300_000)), closed: closed}
		rsp, err := w.client.RoundTrip(w.request(http.MethodPost, "/", body).WithContext(ctx))
		if err == nil {
			io.Copy(io.Discard, rsp.Body)
			rsp.Body.Close()
		}
	}()
	time.Sleep(d)
	select {
	case c := <-conns:
		end(w, cancel, c)
	default:
		cancel()
	}
	<-done
	<-closed // RoundTrip has to close the body in any case
	synctest.Wait()
	again := &http3.Transport{TLSClientConfig: w.clientTLS, Dial: w.dial}
	defer again.Close()
	rsp, err := again.RoundTrip(w.request(http.MethodPost, "/", strings.NewReader("again")))
	if err != nil {
		t.Fatalf("the next request: %v", err)
	}
	if b, err := io.ReadAll(rsp.Body); string(b) != "again" || err != nil {
		t.Errorf("the next request: got %q, %v", b, err)
	}
}

type closeNotifier struct {
	io.Reader
	closed chan struct{}
}

func (c *closeNotifier) Close() error {
	close(c.closed)
	return nil
}

// A response without content needs no Close, even if the server sends some.
func TestResponsesWithoutContentHoldNoStream(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.serveRaw(func(conn *quic.Conn) {
			for {
				str, err := conn.AcceptStream(context.Background())
				if err != nil {
					return
				}
				str.Write(headers(":status", "200", "content-length", "4"))
				time.Sleep(time.Second)
				str.Write(frame(0, []byte("text")))
				str.Close()
			}
		})
		conn := w.clientConn()
		for range 3 {
			rsp, err := conn.RoundTrip(w.request(http.MethodHead, "/", nil))
			if err != nil {
				t.Fatal(err)
			}
			if b, err := io.ReadAll(rsp.Body); len(b) > 0 || err != nil {
				t.Errorf("got %q, %v", b, err)
			}
		}
		time.Sleep(5 * time.Second)
		if n := conn.OpenStreams(); n != 0 {
			t.Errorf("%d streams are open", n)
		}
	})
}
