package http09

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/internal/testcert"
)

// serve starts a server on the loopback interface and returns its address.
func serve(t *testing.T, mux *http.ServeMux) string {
	t.Helper()
	ln, err := quic.ListenAddrEarly("127.0.0.1:0", testcert.ServerConfig(NextProto), &quic.Config{Allow0RTT: true})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- (&Server{Handler: mux}).ServeListener(ln) }()
	t.Cleanup(func() {
		ln.Close()
		if err := <-served; !errors.Is(err, quic.ErrServerClosed) {
			t.Errorf("ServeListener: %v", err)
		}
	})
	return ln.Addr().String()
}

func newClient(t *testing.T) *RoundTripper {
	r := &RoundTripper{TLSClientConfig: testcert.ClientConfig()}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return r
}

func get(t *testing.T, r *RoundTripper, method, url string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	rsp, err := r.RoundTrip(req)
	if err != nil {
		return "", err
	}
	defer rsp.Body.Close()
	if rsp.StatusCode != http.StatusOK {
		t.Errorf("status %d", rsp.StatusCode)
	}
	body, err := io.ReadAll(rsp.Body)
	return string(body), err
}

func hello(t *testing.T) *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("/hello", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Ignored", "1")
		w.WriteHeader(http.StatusTeapot)
		io.WriteString(w, "hello "+r.URL.RawQuery)
	})
	mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) {
		for range 100 {
			if _, err := w.Write(make([]byte, 10_000)); err != nil {
				t.Errorf("Write: %v", err)
			}
		}
	})
	return mux
}

func TestRequests(t *testing.T) {
	addr := serve(t, hello(t))
	r := newClient(t)
	for _, method := range []string{http.MethodGet, MethodGet0RTT} {
		if body, err := get(t, r, method, "https://"+addr+"/hello?a=b"); body != "hello a=b" || err != nil {
			t.Errorf("%s: %q, %v", method, body, err)
		}
	}
	if body, err := get(t, r, http.MethodGet, "https://"+addr+"/large"); len(body) != 1_000_000 || err != nil {
		t.Errorf("large file: %d bytes, %v", len(body), err)
	}
	if body, err := get(t, r, http.MethodGet, "https://"+addr+"/missing"); !strings.Contains(body, "not found") || err != nil {
		t.Errorf("missing file: %q, %v", body, err)
	}
	if _, err := get(t, r, http.MethodPost, "https://"+addr+"/hello"); err == nil {
		t.Error("POST succeeds")
	}
}

func TestRequestsShareAConnection(t *testing.T) {
	addr := serve(t, hello(t))
	r := newClient(t)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if body, err := get(t, r, http.MethodGet, "https://"+addr+"/hello"); body != "hello " || err != nil {
				t.Errorf("%q, %v", body, err)
			}
		})
	}
	wg.Wait()
	if len(r.conns) != 1 {
		t.Errorf("%d connections, want 1", len(r.conns))
	}
	first := r.conns[addr]
	first.conn.CloseWithError(0, "")
	if body, err := get(t, r, http.MethodGet, "https://"+addr+"/hello"); body != "hello " || err != nil {
		t.Errorf("after the end of the connection: %q, %v", body, err)
	}
	if r.conns[addr] == first {
		t.Error("a connection that is over is still in use")
	}
}

func TestFailedDialIsForgotten(t *testing.T) {
	addr := serve(t, hello(t))
	r := newClient(t)
	r.TLSClientConfig = &tls.Config{RootCAs: testcert.Pool(), ServerName: "wrong.example"}
	if _, err := get(t, r, http.MethodGet, "https://"+addr+"/hello"); err == nil {
		t.Fatal("a wrong certificate is accepted")
	}
	r.TLSClientConfig = testcert.ClientConfig()
	if body, err := get(t, r, http.MethodGet, "https://"+addr+"/hello"); body != "hello " || err != nil {
		t.Errorf("%q, %v", body, err)
	}
}

func TestZeroRTT(t *testing.T) {
	addr := serve(t, hello(t))
	cache := tls.NewLRUClientSessionCache(1)
	for i := range 2 {
		r := newClient(t)
		r.TLSClientConfig.ClientSessionCache = cache
		if body, err := get(t, r, MethodGet0RTT, "https://"+addr+"/hello"); body != "hello " || err != nil {
			t.Fatalf("%q, %v", body, err)
		}
		conn := r.conns[addr].conn
		<-conn.HandshakeComplete()
		if used := conn.ConnectionState().Used0RTT; used != (i == 1) {
			t.Errorf("connection %d: Used0RTT is %t", i, used)
		}
		// The ticket comes behind the response.
		if body, err := get(t, r, http.MethodGet, "https://"+addr+"/large"); len(body) != 1_000_000 || err != nil {
			t.Fatalf("%d bytes, %v", len(body), err)
		}
		r.Close()
	}
}

func TestCancelledRequest(t *testing.T) {
	mux := http.NewServeMux()
	stopped := make(chan error, 1)
	mux.HandleFunc("/endless", func(w http.ResponseWriter, r *http.Request) {
		for {
			if _, err := w.Write(make([]byte, 1000)); err != nil {
				stopped <- context.Cause(r.Context())
				return
			}
		}
	})
	addr := serve(t, mux)
	r := newClient(t)
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+addr+"/endless", nil)
	if err != nil {
		t.Fatal(err)
	}
	rsp, err := r.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := io.Copy(io.Discard, rsp.Body); err == nil {
		t.Error("the response of a cancelled request ends well")
	}
	var streamErr *quic.StreamError
	if err := <-stopped; !errors.As(err, &streamErr) || !streamErr.Remote {
		t.Errorf("the handler's context has ended with %v", err)
	}
}

func TestBadRequests(t *testing.T) {
	addr := serve(t, hello(t))
	conn, err := quic.DialAddr(t.Context(), addr, testcert.ClientConfig(NextProto), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseWithError(0, "")
	for _, line := range []string{"", "POST /hello", "GET", "GET \x7f", "GET " + strings.Repeat("/", maxRequestSize)} {
		str, err := conn.OpenStream()
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(str, line)
		str.Close()
		var streamErr *quic.StreamError
		if _, err := io.ReadAll(str); !errors.As(err, &streamErr) || streamErr.ErrorCode != errorCodeBadRequest {
			t.Errorf("%.20q: %v, want the stream reset", line, err)
		}
	}
}
