package http3_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/internal/netsim"
	"github.com/quic-go/quic-go/internal/testcert"
	"github.com/quic-go/quic-go/quicvarint"
)

// slowNetwork has a round-trip time of 100 ms, so that there is always a lot in flight.
var slowNetwork = netsim.Options{Up: netsim.Direction{Delay: 50 * time.Millisecond}, Down: netsim.Direction{Delay: 50 * time.Millisecond}}

// A relay is servers that follow each other on one socket.
type relay struct {
	*world
	qt      *quic.Transport
	handler http.HandlerFunc
	ln      *quic.EarlyListener
	served  sync.WaitGroup
}

func (w *world) newRelay(handler http.HandlerFunc) *relay {
	r := &relay{world: w, qt: &quic.Transport{Conn: w.serverPC}, handler: handler}
	r.start()
	return r
}

// start starts a server.
func (r *relay) start() {
	r.t.Helper()
	ln, err := r.qt.ListenEarly(http3.ConfigureTLSConfig(testcert.ServerConfig()), r.serverQUIC)
	if err != nil {
		r.t.Fatal(err)
	}
	r.server = &http3.Server{Handler: r.handler}
	srv := r.server
	r.served.Go(func() { srv.ServeListener(ln) })
	r.ln = ln
	synctest.Wait()
}

// next lets the next server take over. It returns the one of before, which takes no more connections.
func (r *relay) next() *http3.Server {
	r.t.Helper()
	before := r.server
	r.ln.Close()
	r.start()
	return before
}

func (r *relay) close() {
	r.server.Close()
	r.ln.Close()
	r.qt.Close()
	r.served.Wait()
}

// Requests that are under way when a server shuts down are handled by it or by the next one: each of them once, idempotent
// or not.
func TestShutdownLosesNoRequest(t *testing.T) {
	for _, start := range []time.Duration{0, 30 * time.Millisecond, 170 * time.Millisecond, 400 * time.Millisecond} {
		inNetwork(t, slowNetwork, func(t *testing.T, w *world) {
			h := &handled{n: make(map[string]int)}
			r := w.newRelay(func(w http.ResponseWriter, r *http.Request) {
				time.Sleep(20 * time.Millisecond)
				h.serve(w, r)
			})
			defer r.close()
			w.get("/first")
			const n = 300
			var wg sync.WaitGroup
			wg.Go(func() {
				time.Sleep(100*time.Millisecond + start)
				if err := r.next().Shutdown(t.Context()); err != nil {
					t.Errorf("Shutdown: %v", err)
				}
			})
			for i := range n {
				time.Sleep(2 * time.Millisecond)
				wg.Go(func() {
					rsp, err := w.client.RoundTrip(w.request(http.MethodPost, fmt.Sprint("/", i), strings.NewReader("body")))
					if err != nil {
						t.Errorf("request %d: %v", i, err)
						return
					}
					defer rsp.Body.Close()
					if b, err := io.ReadAll(rsp.Body); err != nil || string(b) != "POST body" {
						t.Errorf("request %d: got %q, %v", i, b, err)
					}
				})
			}
			wg.Wait()
			for i := range n {
				if got := h.n[fmt.Sprint("/", i)]; got != 1 {
					t.Errorf("shutdown at %v: request %d was handled %d times", start, i, got)
				}
			}
		})
	}
}

// A request that arrives just after an idle connection began to shut down is answered.
func TestShutdownWaitsForWhatIsUnderWay(t *testing.T) {
	for _, early := range []time.Duration{time.Millisecond, 25 * time.Millisecond, 49 * time.Millisecond} {
		inNetwork(t, slowNetwork, func(t *testing.T, w *world) {
			h := &handled{n: make(map[string]int)}
			r := w.newRelay(h.serve)
			defer r.close()
			w.get("/first")
			time.Sleep(time.Second)
			done := make(chan error, 1)
			go func() {
				time.Sleep(early)
				done <- r.next().Shutdown(t.Context())
			}()
			if _, body := w.do(w.request(http.MethodPost, "/", strings.NewReader("body"))); body != "POST body" || h.n["/"] != 1 {
				t.Errorf("got %q, handled %d times", body, h.n["/"])
			}
			if err := <-done; err != nil {
				t.Errorf("Shutdown: %v", err)
			}
		})
	}
}

// readGoAway reads the next GOAWAY frame of a control stream.
func readGoAway(t *testing.T, control io.Reader) uint64 {
	t.Helper()
	q := quicvarint.NewReader(control)
	typ, err := quicvarint.Read(q)
	if err != nil || typ != 7 {
		t.Fatalf("got frame %#x, %v, want GOAWAY", typ, err)
	}
	quicvarint.Read(q) // the length
	id, err := quicvarint.Read(q)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// The first GOAWAY frame rejects nothing. Another one follows when requests that were under way have had the time to
// arrive, and says which are handled.
func TestShutdownSendsTwoGoAways(t *testing.T) {
	inNetwork(t, slowNetwork, func(t *testing.T, w *world) {
		release := make(chan struct{})
		w.serve(func(w http.ResponseWriter, r *http.Request) {
			<-release
			io.WriteString(w, "ok")
		})
		conn := w.rawConn()
		control, err := conn.AcceptUniStream(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		io.ReadFull(control, make([]byte, 7)) // the stream type and SETTINGS
		requests := []*quic.Stream{rawRequest(t, conn, getHeaders())}
		time.Sleep(time.Second)
		done := make(chan error, 1)
		go func() { done <- w.server.Shutdown(t.Context()) }()
		start := time.Now()
		time.Sleep(40 * time.Millisecond)
		requests = append(requests, rawRequest(t, conn, getHeaders())) // before the client can know
		if id := readGoAway(t, control); id != 1<<62-4 {
			t.Errorf("the first GOAWAY has ID %d, want %d", id, uint64(1<<62-4))
		}
		if id := readGoAway(t, control); id != 8 {
			t.Errorf("the second GOAWAY has ID %d, want 8", id)
		}
		if d := time.Since(start); d < 150*time.Millisecond || d > 500*time.Millisecond {
			t.Errorf("the second GOAWAY came after %v", d)
		}
		wantReset(t, rawRequest(t, conn, postHeaders()), http3.ErrCodeRequestRejected)
		select {
		case err := <-done:
			t.Errorf("Shutdown has returned %v while requests are handled", err)
		default:
		}
		close(release)
		for _, str := range requests {
			wantAnswered(t, str)
		}
		wantClosed(t, conn, http3.ErrCodeNoError)
		if err := <-done; err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	})
}

// A connection is closed at once if the client has nothing more to do, and soon if the client stays.
func TestShutdownOfIdleConnections(t *testing.T) {
	inNetwork(t, slowNetwork, func(t *testing.T, w *world) {
		w.serve(echo)
		w.get("/")
		conn := w.rawConn()
		time.Sleep(time.Second)
		start := time.Now()
		if err := w.server.Shutdown(t.Context()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if d := time.Since(start); d > time.Second {
			t.Errorf("Shutdown took %v", d)
		}
		wantClosed(t, conn, http3.ErrCodeNoError)
	})
}

// Clients that have given no credit for GOAWAY frames do not keep Shutdown from ending.
func TestShutdownWithoutCredit(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.serve(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		w.clientQUIC.InitialStreamReceiveWindow, w.clientQUIC.MaxStreamReceiveWindow = 10, 10
		conn := w.rawConn()
		rawRequest(t, conn, getHeaders())
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if err := w.server.Shutdown(ctx); err != context.DeadlineExceeded || time.Since(start) > 2*time.Second {
			t.Errorf("Shutdown: %v after %v", err, time.Since(start))
		}
		time.Sleep(10 * time.Second)
		wantReset(t, rawRequest(t, conn, getHeaders()), http3.ErrCodeRequestRejected)
		w.server.Close()
		wantClosed(t, conn, http3.ErrCodeNoError)
	})
}

func TestCloseDuringShutdown(t *testing.T) {
	for _, pause := range []time.Duration{0, 30 * time.Millisecond, 10 * time.Second} {
		inNetwork(t, slowNetwork, func(t *testing.T, w *world) {
			w.serve(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
			failed := make(chan error, 1)
			go func() {
				_, err := w.client.RoundTrip(w.request(http.MethodPost, "/", nil).WithContext(t.Context()))
				failed <- err
			}()
			time.Sleep(time.Second)
			done := make(chan error, 3)
			for range 3 {
				go func() { done <- w.server.Shutdown(t.Context()) }()
			}
			time.Sleep(pause)
			w.server.Close()
			for range 3 {
				if err := <-done; err != nil {
					t.Errorf("Shutdown: %v", err)
				}
			}
			if err := <-failed; !errors.Is(err, &http3.Error{ErrorCode: http3.ErrCodeNoError, Remote: true}) {
				t.Errorf("the request ended with %v", err)
			}
		})
	}
}

// Close ends the connections that take no more requests, too.
func TestTransportClosesLeavingConnections(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		conns := make(chan *quic.Conn, 10)
		w.serveRaw(func(conn *quic.Conn) {
			control := openUni(t, conn, settings)
			answer(t, conn, nil, false)
			control.Write(frame(7, []byte{4}))
			conns <- conn
		})
		for _, last := range []bool{false, true} {
			req := w.request(http.MethodGet, "/", nil)
			req.Close = last
			go w.client.RoundTrip(req)
			time.Sleep(time.Second)
		}
		w.client.Close()
		for range 2 {
			wantClosed(t, <-conns, http3.ErrCodeNoError)
		}
	})
}
