package nethttp_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/internal/testcert"
)

// A stack is a server and a client that talk with each other.
type stack struct {
	name  string
	url   string // of the server
	rt    http.RoundTripper
	idle  func() // closes idle connections
	close func() // ends both
	log   *syncBuffer
}

// options are what a row may change of a stack.
type options struct {
	maxHeaderBytes         int
	maxResponseHeaderBytes int
	disableCompression     bool
}

// A syncBuffer is a log that may be written by any goroutine.
type syncBuffer struct {
	mu      sync.Mutex
	buf     bytes.Buffer
	written chan struct{} // has capacity 1
}

func newSyncBuffer() *syncBuffer { return &syncBuffer{written: make(chan struct{}, 1)} }

// waitFor waits until the log contains s. It reports whether it does.
func (b *syncBuffer) waitFor(s string) bool {
	timeout := time.After(patience)
	for !strings.Contains(b.String(), s) {
		select {
		case <-b.written:
		case <-timeout:
			return false
		}
	}
	return true
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case b.written <- struct{}{}:
	default:
	}
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// newHTTP2 starts net/http with HTTP/2.
func newHTTP2(_ *testing.T, handler http.Handler, o options) *stack {
	s := &stack{name: "HTTP/2", log: newSyncBuffer()}
	srv := httptest.NewUnstartedServer(handler)
	srv.EnableHTTP2 = true
	srv.TLS = testcert.ServerConfig("h2")
	srv.Config.ErrorLog = log.New(s.log, "", 0)
	srv.Config.MaxHeaderBytes = o.maxHeaderBytes
	srv.StartTLS()
	rt := &http.Transport{
		TLSClientConfig:        testcert.ClientConfig(),
		ForceAttemptHTTP2:      true,
		MaxResponseHeaderBytes: int64(o.maxResponseHeaderBytes),
		DisableCompression:     o.disableCompression,
	}
	s.rt, s.url, s.idle = rt, srv.URL, rt.CloseIdleConnections
	s.close = func() {
		rt.CloseIdleConnections()
		srv.CloseClientConnections()
		srv.Close()
	}
	return s
}

// newHTTP3 starts this stack.
func newHTTP3(t *testing.T, handler http.Handler, o options) *stack {
	t.Helper()
	pc, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	s := &stack{name: "HTTP/3", log: newSyncBuffer()}
	srv := &http3.Server{
		Handler:        handler,
		TLSConfig:      testcert.ServerConfig(),
		MaxHeaderBytes: o.maxHeaderBytes,
		Logger:         slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelError})),
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		srv.Serve(pc)
	}()
	rt := &http3.Transport{
		TLSClientConfig:        testcert.ClientConfig(),
		MaxResponseHeaderBytes: o.maxResponseHeaderBytes,
		DisableCompression:     o.disableCompression,
	}
	s.rt, s.url, s.idle = rt, "https://"+pc.LocalAddr().String(), rt.CloseIdleConnections
	s.close = func() {
		rt.Close()
		srv.Close()
		<-ended
		pc.Close()
	}
	return s
}

// patience is how long anything may take on a busy machine.
const patience = 30 * time.Second

// A trial is one run of a row with one stack. Handlers use its methods, too.
type trial struct {
	*testing.T
	*notes
	*stack
	client  *http.Client
	step    chan struct{} // for rows whose handler and client wait for each other
	written chan struct{} // closed by a handler that has written all

	mu       sync.Mutex
	panicked bool // a handler has
	running  int
	idle     *sync.Cond
}

// run runs a row with a stack.
func (r *row) run(t *testing.T, newStack func(*testing.T, http.Handler, options) *stack) *notes {
	t.Helper()
	c := &trial{T: t, notes: &notes{}, step: make(chan struct{}, 10), written: make(chan struct{})}
	c.idle = sync.NewCond(&c.mu)
	c.stack = newStack(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		c.begin()
		returned := false
		defer func() { c.end(returned || r.quiet) }()
		r.handler(c, w, req)
		returned = true
	}), r.options)
	c.client = &http.Client{Transport: c.rt, Timeout: patience}
	client := r.client
	if client == nil {
		client = func(c *trial) { c.get("/") }
	}
	client(c)
	c.close()
	c.await()
	if c.panicked {
		c.log.waitFor("panic serving")
	}
	if strings.Contains(c.log.String(), "panic serving") {
		c.note("panic logged", "yes")
	}
	return c.notes
}

func (c *trial) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running++
}

func (c *trial) end(regular bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.panicked = c.panicked || !regular
	c.running--
	c.idle.Broadcast()
}

// await waits until all handlers have returned.
func (c *trial) await() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.running > 0 {
		c.idle.Wait()
	}
}

// signal lets the other side go on from wait.
func (c *trial) signal() { c.step <- struct{}{} }

// wait waits for signal.
func (c *trial) wait() {
	select {
	case <-c.step:
	case <-time.After(patience):
		c.Errorf("%s: waited in vain", c.stack.name)
	}
}

// request makes a request; edits change it.
func (c *trial) request(method, path string, body io.Reader, edits ...func(*http.Request)) *http.Request {
	req, err := http.NewRequest(method, c.url+path, body)
	if err != nil {
		c.Fatal(err)
	}
	for _, edit := range edits {
		edit(req)
	}
	return req
}

// send sends a request, and notes its response.
func (c *trial) send(method, path string, body io.Reader, edits ...func(*http.Request)) *http.Response {
	rsp, err := c.client.Do(c.request(method, path, body, edits...))
	return c.noteResponse(rsp, err)
}

func (c *trial) get(path string, edits ...func(*http.Request)) *http.Response {
	return c.send(http.MethodGet, path, nil, edits...)
}

// outcome returns a client that notes only whether there is a response.
func outcome(edits ...func(*http.Request)) func(*trial) {
	return func(c *trial) {
		rsp, err := c.rt.RoundTrip(c.request(http.MethodGet, "/", nil, edits...))
		c.noteError("client: error", err)
		if err == nil {
			c.note("client: status", "%s", rsp.Status)
			rsp.Body.Close()
		}
	}
}

// withContext is an edit.
func withContext(ctx context.Context) func(*http.Request) {
	return func(req *http.Request) { *req = *req.WithContext(ctx) }
}

// header is an edit.
func header(key string, values ...string) func(*http.Request) {
	return func(req *http.Request) { req.Header[key] = values }
}

// emptyHTTP3 returns a transport that trusts nobody.
func emptyHTTP3(c *trial) http.RoundTripper {
	rt := &http3.Transport{TLSClientConfig: &tls.Config{RootCAs: x509.NewCertPool()}}
	c.Cleanup(func() { rt.Close() })
	return rt
}
