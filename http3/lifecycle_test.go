package http3_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/internal/testcert"
)

func TestShutdownAnswersWhatItHasReceived(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.serve(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Second)
			w.Write(make([]byte, 2<<20)) // takes some round trips
		})
		answered := make(chan error, 1)
		go func() {
			rsp, err := w.client.RoundTrip(w.request(http.MethodGet, "/", nil))
			if err == nil {
				var n int64
				if n, err = io.Copy(io.Discard, rsp.Body); err == nil && n != 2<<20 {
					err = fmt.Errorf("%d bytes", n)
				}
			}
			answered <- err
		}()
		time.Sleep(500 * time.Millisecond)
		if err := w.server.Shutdown(t.Context()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := <-answered; err != nil {
			t.Errorf("the request during the shutdown: %v", err)
		}
		if err := <-w.served; err != http.ErrServerClosed {
			t.Errorf("Serve: %v", err)
		}
	})
}

func TestShutdownEndsWithItsContext(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.serveTunnels()
		client, server := w.tunnel(w.clientConn())
		go server.ReceiveDatagram(context.Background())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := w.server.Shutdown(ctx); err != context.DeadlineExceeded {
			t.Errorf("Shutdown: %v", err)
		}
		client.Write([]byte("still there"))
		if _, err := io.ReadFull(server, make([]byte, 11)); err != nil {
			t.Errorf("after Shutdown: %v", err)
		}
		w.server.Close()
		_, err := server.Read(make([]byte, 1))
		wantErrorCode(t, err, http3.ErrCodeNoError, false)
	})
}

func TestRequestsAfterGoAwayAreRejected(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.serve(func(http.ResponseWriter, *http.Request) { time.Sleep(5 * time.Second) })
		conn := w.rawConn()
		first := rawRequest(t, conn, getHeaders())
		time.Sleep(time.Second)
		go w.server.Shutdown(t.Context())
		time.Sleep(time.Second)
		wantReset(t, rawRequest(t, conn, getHeaders()), http3.ErrCodeRequestRejected)
		control, err := conn.AcceptUniStream(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(io.LimitReader(control, 8))
		if want := []byte{0, 4, 4, 8, 1, 0x33, 1, 7}; string(b) != string(want) {
			t.Fatalf("the control stream begins with %x, want %x", b, want)
		}
		b = make([]byte, 12) // the rest of a GOAWAY frame with ID 2^62-4, and one with ID 4
		if io.ReadFull(control, b); string(b) != "\x08\xff\xff\xff\xff\xff\xff\xff\xfc\x07\x01\x04" {
			t.Errorf("after SETTINGS: % x", b)
		}
		wantAnswered(t, first)
		wantClosed(t, conn, http3.ErrCodeNoError)
	})
}

// A client sends what the server has not processed on another connection.
func TestClientRetriesAfterGoAway(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var conns atomic.Int32
		w.serveRaw(func(conn *quic.Conn) {
			n := conns.Add(1)
			control := openUni(t, conn, settings)
			if n == 1 {
				str := answer(t, conn, nil, false)
				control.Write(frame(7, []byte{0}))
				<-str.Context().Done() // the client gives it up
				return
			}
			answer(t, conn, with(headers(":status", "200"), frame(0, []byte("second"))), true)
		})
		if _, body := w.do(w.request(http.MethodPost, "/", strings.NewReader("body"))); body != "second" {
			t.Errorf("got %q", body)
		}
		if conns.Load() != 2 {
			t.Errorf("%d connections, want 2", conns.Load())
		}
	})
}

func TestClientClosesAConnectionAfterGoAway(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		conns := make(chan *quic.Conn, 1)
		w.serveRaw(func(conn *quic.Conn) {
			control := openUni(t, conn, settings)
			str := answer(t, conn, nil, false)
			control.Write(frame(7, []byte{4}))
			time.Sleep(time.Second)
			str.Write(headers(":status", "200"))
			str.Close()
			conns <- conn
		})
		w.get("/")
		wantClosed(t, <-conns, http3.ErrCodeNoError)
	})
}

func TestOpenRequestStreamAfterGoAway(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.serveRaw(func(conn *quic.Conn) { openUni(t, conn, with(settings, frame(7, []byte{4}))) })
		conn := w.clientConn()
		time.Sleep(time.Second)
		if _, err := conn.OpenRequestStream(t.Context()); err == nil {
			t.Error("a stream was opened after GOAWAY")
		}
	})
}

// A stream for which OpenRequestStream has waited while GOAWAY came is not used.
func TestGoAwayDuringOpenRequestStream(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.serverQUIC.MaxIncomingStreams = 1
		w.serveRaw(func(conn *quic.Conn) {
			control := openUni(t, conn, settings)
			str := answer(t, conn, nil, false)
			time.Sleep(time.Second)
			control.Write(frame(7, []byte{4}))
			time.Sleep(time.Second)
			str.CancelRead(0x10b)
			str.CancelWrite(0x10b)
		})
		conn := w.clientConn()
		first, err := conn.OpenRequestStream(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		first.SendRequestHeader(w.request(http.MethodGet, "/", nil))
		start := time.Now()
		if _, err := conn.OpenRequestStream(t.Context()); err == nil || time.Since(start) < 2*time.Second {
			t.Errorf("after %v: got %v", time.Since(start), err)
		}
	})
}

func TestIdleTimeout(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.server.IdleTimeout = 3 * time.Second
		w.clientQUIC.KeepAlivePeriod = time.Second
		w.serve(func(http.ResponseWriter, *http.Request) { time.Sleep(10 * time.Second) })
		conn := w.rawConn()
		start := time.Now()
		str := rawRequest(t, conn, getHeaders())
		time.Sleep(9 * time.Second)
		if err := conn.Context().Err(); err != nil {
			t.Fatalf("the connection ended during a request: %v", context.Cause(conn.Context()))
		}
		io.Copy(io.Discard, str)
		wantClosed(t, conn, http3.ErrCodeNoError)
		if d := time.Since(start); d < 12*time.Second || d > 14*time.Second {
			t.Errorf("closed after %v, want 13s", d)
		}
		var appErr *quic.ApplicationError
		if errors.As(context.Cause(conn.Context()), &appErr); appErr.ErrorMessage != "idle timeout" {
			t.Errorf("reason %q", appErr.ErrorMessage)
		}
		// Without any request.
		conn = w.rawConn()
		start = time.Now()
		wantClosed(t, conn, http3.ErrCodeNoError)
		if d := time.Since(start); d > 4*time.Second {
			t.Errorf("closed after %v, want 3s", d)
		}
	})
}

func TestServeReturnsAfterClose(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.serve(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		conn := w.rawConn()
		rawRequest(t, conn, getHeaders())
		time.Sleep(time.Second)
		if err := w.server.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if err := <-w.served; err != http.ErrServerClosed {
			t.Errorf("Serve: %v", err)
		}
		wantClosed(t, conn, http3.ErrCodeNoError)
		if err := w.server.Serve(w.serverPC); err != http.ErrServerClosed {
			t.Errorf("Serve after Close: %v", err)
		}
	})
}

func TestServeQUICConn(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.server.Handler = http.HandlerFunc(echo)
		results := make(chan error, 2)
		w.serveRaw(func(conn *quic.Conn) { results <- w.server.ServeQUICConn(conn) })
		conn := w.rawConn()
		wantAnswered(t, rawRequest(t, conn, getHeaders()))
		conn.CloseWithError(0x100, "")
		if err := <-results; err != nil {
			t.Errorf("after H3_NO_ERROR: %v", err)
		}
		conn = w.rawConn()
		conn.CloseWithError(0x101, "why")
		wantErrorCode(t, <-results, http3.ErrCodeGeneralProtocolError, true)
	})
}

func TestRawServerConn(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.server.Handler = http.HandlerFunc(echo)
		refused := make(chan error, 1)
		w.serveRaw(func(conn *quic.Conn) {
			raw, err := w.server.NewRawServerConn(conn)
			if err != nil {
				refused <- err
				return
			}
			go func() {
				for {
					str, err := conn.AcceptUniStream(context.Background())
					if err != nil {
						return
					}
					go raw.HandleUnidirectionalStream(str)
				}
			}()
			for {
				str, err := conn.AcceptStream(context.Background())
				if err != nil {
					return
				}
				go raw.HandleRequestStream(str)
			}
		})
		if _, body := w.do(w.request(http.MethodPost, "/", strings.NewReader("raw"))); body != "RAW" {
			t.Errorf("got %q", body)
		}
		if err := w.server.Shutdown(t.Context()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		conn := w.rawConn()
		<-conn.Context().Done()
		if err := <-refused; err != http.ErrServerClosed {
			t.Errorf("NewRawServerConn after Shutdown: %v", err)
		}
	})
}

func TestRawClientConn(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.serve(echo)
		qc := w.rawConn()
		raw := w.client.NewRawClientConn(qc)
		str, err := qc.AcceptUniStream(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		select {
		case <-raw.ReceivedSettings():
			t.Error("SETTINGS without HandleUnidirectionalStream")
		case <-time.After(time.Second):
		}
		if raw.Settings() != nil {
			t.Error("Settings before they were received")
		}
		go raw.HandleUnidirectionalStream(str)
		<-raw.ReceivedSettings()
		if s := raw.Settings(); !s.EnableDatagrams || !s.EnableExtendedConnect {
			t.Errorf("Settings: %+v", s)
		}
		rsp, err := raw.RoundTrip(w.request(http.MethodPost, "/", strings.NewReader("raw")))
		if err != nil {
			t.Fatal(err)
		}
		if b, _ := io.ReadAll(rsp.Body); string(b) != "RAW" {
			t.Errorf("got %q", b)
		}
	})
}

func TestTakenOverStreamOutlivesTheHandler(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		contexts := make(chan context.Context, 1)
		streams := make(chan *http3.Stream, 1)
		w.serve(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(200)
			str, err := w.(http3.HTTPStreamer).HTTPStream()
			if err != nil {
				t.Error(err)
				return
			}
			contexts <- r.Context()
			streams <- str
		})
		rsp, err := w.client.RoundTrip(w.request(http.MethodGet, "/", nil))
		if err != nil {
			t.Fatal(err)
		}
		ctx, str := <-contexts, <-streams
		time.Sleep(time.Second)
		if ctx.Err() != nil {
			t.Errorf("the request's context ended with the handler: %v", context.Cause(ctx))
		}
		if _, ok := ctx.Value(http3.ServerContextKey).(*http3.Server); !ok {
			t.Error("the request's context has no server")
		}
		io.WriteString(str, "later")
		str.Close()
		if b, err := io.ReadAll(rsp.Body); err != nil || string(b) != "later" {
			t.Errorf("got %q, %v", b, err)
		}
		<-ctx.Done()
	})
}

func TestTransportReconnects(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		conns := make(chan *quic.Conn, 2)
		w.server.ConnContext = func(ctx context.Context, c *quic.Conn) context.Context {
			conns <- c
			return ctx
		}
		w.serve(echo)
		w.get("/")
		(<-conns).CloseWithError(0x100, "")
		w.get("/") // whether the client knows it or not
		<-conns
		w.client.CloseIdleConnections()
		w.get("/")
		<-conns
	})
}

// A request that the server may have processed is sent again only if that does no harm.
func TestTransportRepeatsIdempotentRequestsOnly(t *testing.T) {
	for method, want := range map[string]int32{http.MethodGet: 3, http.MethodPost: 2} {
		inWorld(t, func(t *testing.T, w *world) {
			var requests atomic.Int32
			w.serveRaw(func(conn *quic.Conn) {
				openUni(t, conn, settings)
				for {
					str, err := conn.AcceptStream(context.Background())
					if err != nil {
						return
					}
					if requests.Add(1) == 2 {
						conn.CloseWithError(0x102, "crash")
						return
					}
					str.Write(headers(":status", "200"))
					str.Close()
				}
			})
			w.get("/")
			rsp, err := w.client.RoundTrip(w.request(method, "/", nil))
			if method == http.MethodGet && err != nil || method == http.MethodPost && err == nil {
				t.Errorf("%s: got %v, %v", method, rsp, err)
			}
			if got := requests.Load(); got != want {
				t.Errorf("%s: the server got %d requests, want %d", method, got, want)
			}
		})
	}
}

func TestTransportDialErrors(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		dialErr := errors.New("dial failed")
		w.client.Dial = func(context.Context, string, *tls.Config, *quic.Config) (*quic.Conn, error) { return nil, dialErr }
		results := make(chan error, 5)
		for range 5 {
			go func() { _, err := w.client.RoundTrip(w.request(http.MethodGet, "/", nil)); results <- err }()
		}
		for range 5 {
			if err := <-results; err != dialErr {
				t.Errorf("got %v, want %v", err, dialErr)
			}
		}
	})
}

// One request gives up; the dial goes on for the other one, and ends when both have given up.
func TestTransportDialOutlivesItsFirstRequest(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.serve(echo)
		dial := w.client.Dial
		cancelled := make(chan struct{}, 1)
		w.client.Dial = func(ctx context.Context, addr string, tlsConf *tls.Config, conf *quic.Config) (*quic.Conn, error) {
			select {
			case <-time.After(2 * time.Second):
				return dial(ctx, addr, tlsConf, conf)
			case <-ctx.Done():
				cancelled <- struct{}{}
				return nil, ctx.Err()
			}
		}
		try := func(timeout time.Duration) error {
			ctx, cancel := context.WithTimeout(t.Context(), timeout)
			defer cancel()
			rsp, err := w.client.RoundTrip(w.request(http.MethodGet, "/", nil).WithContext(ctx))
			if err == nil {
				io.Copy(io.Discard, rsp.Body)
			}
			return err
		}
		first := make(chan error, 1)
		go func() { first <- try(time.Second) }()
		time.Sleep(time.Millisecond)
		if err := try(time.Minute); err != nil {
			t.Errorf("the second request: %v", err)
		}
		if err := <-first; err != context.DeadlineExceeded {
			t.Errorf("the first request: %v", err)
		}
		w.client.CloseIdleConnections()
		if err := try(time.Second); err != context.DeadlineExceeded {
			t.Errorf("the third request: %v", err)
		}
		<-cancelled
	})
}

func TestTransportRefusesSeveralVersions(t *testing.T) {
	tr := &http3.Transport{QUICConfig: &quic.Config{Versions: []quic.Version{quic.Version1, quic.Version2}}}
	defer tr.Close()
	req, _ := http.NewRequest(http.MethodGet, "https://localhost/", nil)
	if _, err := tr.RoundTrip(req); err == nil || !strings.Contains(err.Error(), "can only use a single QUIC version") {
		t.Errorf("got %v", err)
	}
}

func TestEarlyData(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		early := make(chan bool, 10)
		w.serve(func(w http.ResponseWriter, r *http.Request) {
			early <- !r.TLS.HandshakeComplete
			io.WriteString(w, r.Method)
		})
		w.clientTLS.ClientSessionCache = tls.NewLRUClientSessionCache(10)
		w.get("/")
		<-early
		time.Sleep(time.Second) // for the session ticket
		w.client.CloseIdleConnections()
		if _, body := w.do(w.request(http3.MethodGet0RTT, "/", nil)); body != "GET" {
			t.Errorf("got %q", body)
		}
		if !<-early {
			t.Error("GET_0RTT came after the handshake")
		}
		time.Sleep(time.Second)
		w.client.CloseIdleConnections()
		w.get("/")
		if <-early {
			t.Error("GET came in 0-RTT")
		}
	})
}

// A server that has forgotten its keys rejects 0-RTT. The request is sent again.
func TestEarlyDataRejected(t *testing.T) {
	for _, method := range []string{http3.MethodGet0RTT, http.MethodPost} {
		inWorld(t, func(t *testing.T, w *world) {
			w.clientTLS.ClientSessionCache = tls.NewLRUClientSessionCache(10)
			w.serve(echo)
			w.get("/")
			time.Sleep(time.Second)
			w.client.CloseIdleConnections()
			time.Sleep(time.Second)
			w.server.Close()
			<-w.served
			w.server = &http3.Server{TLSConfig: testcert.ServerConfig(), QUICConfig: w.serverQUIC, EnableDatagrams: true}
			w.serve(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "again") })
			for range 3 {
				if _, body := w.do(w.request(method, "/", nil)); body != "again" {
					t.Errorf("%s: got %q", method, body)
				}
			}
		})
	}
}
