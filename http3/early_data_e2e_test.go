package http3_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/internal/testcert"
)

// restarts are how a server comes back such that it rejects the 0-RTT of its former clients.
var restarts = []struct {
	name   string
	change func(conf *quic.Config, srv *http3.Server)
	keys   [32]byte // of the tickets; those of before are zero
}{
	{"with other ticket keys", func(*quic.Config, *http3.Server) {}, [32]byte{1}},
	{"with fewer streams", func(conf *quic.Config, _ *http3.Server) { conf.MaxIncomingStreams = 2 }, [32]byte{}},
	{"with smaller windows", func(conf *quic.Config, _ *http3.Server) { conf.InitialStreamReceiveWindow = 100 }, [32]byte{}},
	{"with other settings", func(_ *quic.Config, srv *http3.Server) { srv.AdditionalSettings = map[uint64]uint64{0x4711: 1} }, [32]byte{}},
	{"without 0-RTT", func(conf *quic.Config, _ *http3.Server) { conf.Allow0RTT = false }, [32]byte{}},
}

// A rejection is a client that has a ticket of a server that will reject 0-RTT.
type rejection struct {
	*world
	mu       sync.Mutex
	conns    []*quic.Conn
	early    int // dials that ended before the handshake
	accepted int
}

func (r *rejection) newServer(keys [32]byte) *http3.Server {
	conf := testcert.ServerConfig()
	conf.SetSessionTicketKeys([][32]byte{keys})
	return &http3.Server{TLSConfig: conf, QUICConfig: r.serverQUIC.Clone(), EnableDatagrams: true}
}

// inRejection runs f in a world for each of the restarts.
func inRejection(t *testing.T, handler http.HandlerFunc, f func(t *testing.T, r *rejection)) {
	for _, restart := range restarts {
		t.Run(restart.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				r := &rejection{world: w}
				w.clientTLS.ClientSessionCache = tls.NewLRUClientSessionCache(10)
				w.server = r.newServer([32]byte{})
				w.serve(handler)
				w.get("/")
				time.Sleep(time.Second) // for the ticket
				w.client.CloseIdleConnections()
				time.Sleep(time.Second)
				w.server.Close()
				<-w.served
				w.server = r.newServer(restart.keys)
				restart.change(w.server.QUICConfig, w.server)
				w.server.ConnContext = func(ctx context.Context, _ *quic.Conn) context.Context {
					r.mu.Lock()
					defer r.mu.Unlock()
					r.accepted++
					return ctx
				}
				w.serve(handler)
				w.client.Dial = r.dialEarly
				f(t, r)
				if len(r.conns) != 1 || r.accepted != 1 || r.early != 1 {
					t.Errorf("%d connections dialled, %d with 0-RTT, %d accepted, want 1 each", len(r.conns), r.early, r.accepted)
				}
				for _, conn := range r.conns {
					if conn.ConnectionState().Used0RTT {
						t.Error("the server has accepted 0-RTT")
					}
				}
			})
		})
	}
}

func (r *rejection) dialEarly(ctx context.Context, addr string, tlsConf *tls.Config, conf *quic.Config) (*quic.Conn, error) {
	conn, err := r.dial(ctx, addr, tlsConf, conf)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns = append(r.conns, conn)
	select {
	case <-conn.HandshakeComplete():
	default:
		r.early++
	}
	return conn, nil
}

// A handled counts how often each request reached the handler.
type handled struct {
	mu sync.Mutex
	n  map[string]int
}

func (h *handled) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	h.mu.Lock()
	h.n[r.URL.Path]++
	h.mu.Unlock()
	fmt.Fprintf(w, "%s %s", r.Method, body)
}

// When 0-RTT is rejected, all requests are answered on the same connection after the handshake, each by one
// call of the handler.
func TestRejectedEarlyDataIsSentAgain(t *testing.T) {
	h := &handled{n: make(map[string]int)}
	inRejection(t, h.serve, func(t *testing.T, r *rejection) {
		h.n = make(map[string]int)
		large := strings.Repeat("0123456789", 10_000)
		requests := []struct {
			method string
			body   io.Reader
			want   string
		}{
			{http3.MethodGet0RTT, nil, "GET "},
			{http3.MethodGet0RTT, nil, "GET "},
			{http3.MethodGet0RTT, strings.NewReader("body"), "GET body"},
			{http3.MethodGet0RTT, io.MultiReader(strings.NewReader("no GetBody")), "GET no GetBody"},
			{http3.MethodGet0RTT, strings.NewReader(large), "GET " + large},
			{http3.MethodHead0RTT, nil, ""},
			{http.MethodGet, nil, "GET "},
			{http.MethodPost, strings.NewReader("body"), "POST body"},
			{http.MethodPost, io.MultiReader(strings.NewReader("no GetBody")), "POST no GetBody"},
			{http.MethodPut, strings.NewReader(large), "PUT " + large},
		}
		var wg sync.WaitGroup
		for i, q := range requests {
			wg.Go(func() {
				rsp, err := r.client.RoundTrip(r.request(q.method, fmt.Sprint("/", i), q.body))
				if err != nil {
					t.Errorf("request %d: %v", i, err)
					return
				}
				defer rsp.Body.Close()
				if b, err := io.ReadAll(rsp.Body); err != nil || string(b) != q.want {
					t.Errorf("request %d: got %.100q, %v", i, b, err)
				}
			})
		}
		wg.Wait()
		for i := range requests {
			if n := h.n[fmt.Sprint("/", i)]; n != 1 {
				t.Errorf("request %d was handled %d times", i, n)
			}
		}
	})
}

// Requests that are waiting when the rejection becomes known, and those that are cancelled, do no harm to each other.
func TestRejectedEarlyDataOfCancelledRequests(t *testing.T) {
	inRejection(t, echo, func(t *testing.T, r *rejection) {
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				if i%2 == 0 {
					ctx, cancel = context.WithTimeout(t.Context(), time.Duration(i+1)*time.Millisecond)
				}
				defer cancel()
				rsp, err := r.client.RoundTrip(r.request(http3.MethodGet0RTT, "/", nil).WithContext(ctx))
				if err == nil {
					io.Copy(io.Discard, rsp.Body)
					rsp.Body.Close()
				}
				if err != nil && (i%2 == 1 || err != context.DeadlineExceeded) {
					t.Errorf("request %d: %v", i, err)
				}
			})
		}
		wg.Wait()
	})
}

// A RequestStream of before the rejection fails; NextConnection makes the connection usable again.
func TestRequestStreamOfRejectedEarlyData(t *testing.T) {
	inRejection(t, echo, func(t *testing.T, r *rejection) {
		qc, err := r.dialEarly(t.Context(), "", r.clientTLS, r.clientQUIC)
		if err != nil {
			t.Fatal(err)
		}
		var streams []*http3.RequestStream
		conn := r.client.NewClientConn(qc)
		for range 3 {
			str, err := conn.OpenRequestStream(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := str.SendRequestHeader(r.request(http.MethodPost, "/", strings.NewReader("early"))); err != nil {
				t.Fatal(err)
			}
			str.Write([]byte("early"))
			str.Close()
			streams = append(streams, str)
		}
		for _, str := range streams {
			if _, err := str.ReadResponse(); !errors.Is(err, quic.Err0RTTRejected) {
				t.Errorf("ReadResponse: %v, want %v", err, quic.Err0RTTRejected)
			}
		}
		if _, err := conn.OpenRequestStream(t.Context()); !errors.Is(err, quic.Err0RTTRejected) {
			t.Errorf("OpenRequestStream: %v, want %v", err, quic.Err0RTTRejected)
		}
		if qc, err = qc.NextConnection(t.Context()); err != nil {
			t.Fatal(err)
		}
		conn = r.client.NewClientConn(qc)
		str, err := conn.OpenRequestStream(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		str.SendRequestHeader(r.request(http.MethodPost, "/", strings.NewReader("again")))
		str.Write([]byte("again"))
		str.Close()
		if rsp, err := str.ReadResponse(); err != nil || rsp.StatusCode != 200 {
			t.Fatalf("ReadResponse: %v, %v", rsp, err)
		}
		if b, err := io.ReadAll(str); err != nil || string(b) != "AGAIN" {
			t.Errorf("got %q, %v", b, err)
		}
		qc.CloseWithError(0x100, "")
	})
}

// The ClientConn of before the rejection takes no datagrams away from the one of afterwards.
func TestDatagramsAfterRejectedEarlyData(t *testing.T) {
	inRejection(t, sendDatagrams, func(t *testing.T, r *rejection) {
		qc, err := r.dialEarly(t.Context(), "", r.clientTLS, r.clientQUIC)
		if err != nil {
			t.Fatal(err)
		}
		r.client.NewClientConn(qc)
		if qc, err = qc.NextConnection(t.Context()); err != nil {
			t.Fatal(err)
		}
		str, err := r.client.NewClientConn(qc).OpenRequestStream(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer str.Close()
		req := r.request(http.MethodConnect, "/tunnel", nil)
		req.Proto = "test"
		if err := str.SendRequestHeader(req); err != nil {
			t.Fatal(err)
		}
		if _, err := str.ReadResponse(); err != nil {
			t.Fatal(err)
		}
		for i := range 20 {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			if b, err := str.ReceiveDatagram(ctx); err != nil || len(b) != 1 || b[0] != byte(i) {
				t.Errorf("datagram %d: got %x, %v", i, b, err)
			}
			cancel()
		}
		io.Copy(io.Discard, str) // until the handler has returned
		qc.CloseWithError(0x100, "")
	})
}

// sendDatagrams is a handler that sends 20 datagrams to a tunnel.
func sendDatagrams(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/tunnel" {
		return
	}
	w.WriteHeader(http.StatusOK)
	str, err := w.(http3.HTTPStreamer).HTTPStream()
	if err != nil {
		return
	}
	for i := range 20 {
		time.Sleep(time.Millisecond)
		str.SendDatagram([]byte{byte(i)})
	}
	time.Sleep(time.Second)
	str.Close()
}
