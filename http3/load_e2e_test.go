package http3_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// crowdSize is the number of workers, requestsAtOnce that of requests at the same time. The race detector is slow.
func crowdSize() int      { return 50 / slowdown() }
func requestsAtOnce() int { return 1000 / slowdown() }

func slowdown() int {
	if raceEnabled {
		return 10
	}
	return 1
}

// A usage is what is held after everything has come to rest.
type usage struct {
	goroutines int
	heap       uint64
}

func measure() usage {
	synctest.Wait()
	var m runtime.MemStats
	for range 3 { // pools survive one collection
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return usage{runtime.NumGoroutine(), m.HeapAlloc}
}

// maxHeapGrowth is far below what a thousand requests hold that are not let go.
const maxHeapGrowth = 4 << 20

// wantUsage compares what is held with what was held before.
func (w *world) wantUsage(before usage) {
	w.t.Helper()
	time.Sleep(time.Minute) // so that what is lost was sent again, and timers have fired
	after := measure()
	if after.goroutines > before.goroutines {
		buf := make([]byte, 1<<20)
		w.t.Errorf("%d goroutines, %d before\n%s", after.goroutines, before.goroutines, buf[:runtime.Stack(buf, true)])
	}
	if after.heap > before.heap+maxHeapGrowth {
		w.t.Errorf("%d bytes on the heap, %d before", after.heap, before.heap)
	}
	if streams, active := w.server.Load(); streams > 0 || active > 0 {
		w.t.Errorf("the server holds %d streams, %d are active", streams, active)
	}
	if conns, active := w.client.Load(); conns > 1 || active > 0 {
		w.t.Errorf("the client holds %d connections and %d requests", conns, active)
	}
}

// A drip is a body that comes slowly and does not end.
type drip struct {
	ctx   context.Context
	pause time.Duration
}

func (d drip) Read(p []byte) (int, error) {
	select {
	case <-time.After(d.pause):
		return min(len(p), 2000), nil
	case <-d.ctx.Done():
		return 0, d.ctx.Err()
	}
}

// dripping is a handler that reads and writes slowly and without end, or does not answer.
func dripping(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/silent":
		<-r.Context().Done()
	case "/read":
		io.Copy(io.Discard, r.Body)
	case "/write":
		w.(http.Flusher).Flush()
		io.Copy(w, drip{r.Context(), 5 * time.Millisecond})
	case "/both":
		go io.Copy(io.Discard, r.Body)
		w.(http.Flusher).Flush()
		io.Copy(w, drip{r.Context(), 5 * time.Millisecond})
	default:
		echo(w, r)
	}
}

// A thousand requests at the same time, each of them cancelled at some moment, leave nothing behind on a connection
// that stays.
func TestCancelledRequestsLeaveNothing(t *testing.T) {
	for _, seed := range []uint64{1, 2} {
		inWorld(t, func(t *testing.T, w *world) {
			w.serverQUIC.MaxIncomingStreams = 1000
			w.clientQUIC.KeepAlivePeriod = 10 * time.Second
			w.serve(dripping)
			w.get("/")
			time.Sleep(time.Minute)
			before := measure()
			rng := rand.New(rand.NewPCG(seed, 0))
			var wg sync.WaitGroup
			for i := range requestsAtOnce() {
				path := []string{"/silent", "/read", "/write", "/both"}[i%4]
				after := time.Duration(rng.Int64N(int64(300 * time.Millisecond)))
				wg.Go(func() { w.cancelled(path, after) })
			}
			wg.Wait()
			w.wantUsage(before)
			if _, body := w.get("/"); body != "" {
				t.Errorf("seed %d: got %q afterwards", seed, body)
			}
		})
	}
}

// cancelled sends a request that is cancelled after a while.
func (w *world) cancelled(path string, after time.Duration) {
	ctx, cancel := context.WithTimeout(w.t.Context(), after)
	defer cancel()
	var body io.Reader
	if path == "/read" || path == "/both" {
		body = drip{ctx, 5 * time.Millisecond}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url(path), body)
	if err != nil {
		w.t.Error(err)
		return
	}
	rsp, err := w.client.RoundTrip(req)
	if err == nil {
		_, err = io.Copy(io.Discard, rsp.Body)
		rsp.Body.Close()
	}
	if err == nil {
		w.t.Errorf("%s: the request has succeeded", path)
	}
}

// A crowd is workers that send requests one after the other.
type crowd struct {
	*relay
	handled handled
	stop    chan struct{}
	wg      sync.WaitGroup

	mu        sync.Mutex
	succeeded map[string]bool
	failed    map[string]error
}

func (w *world) newCrowd() *crowd {
	c := &crowd{stop: make(chan struct{}), succeeded: make(map[string]bool), failed: make(map[string]error)}
	c.handled.n = make(map[string]int)
	c.relay = w.newRelay(func(rw http.ResponseWriter, r *http.Request) {
		time.Sleep(5 * time.Millisecond)
		c.handled.serve(rw, r)
	})
	return c
}

func (c *crowd) work(n int) {
	for i := range n {
		method := []string{http.MethodGet, http.MethodPost}[i%2]
		c.wg.Go(func() {
			for j := 0; ; j++ {
				select {
				case <-c.stop:
					return
				case <-time.After(time.Millisecond):
					c.send(method, fmt.Sprintf("/%d/%d", i, j))
				}
			}
		})
	}
}

func (c *crowd) send(method, path string) {
	ctx, cancel := context.WithTimeout(c.t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, c.url(path), nil)
	if err != nil {
		c.t.Error(err)
		return
	}
	rsp, err := c.client.RoundTrip(req)
	if err == nil {
		_, err = io.Copy(io.Discard, rsp.Body)
		rsp.Body.Close()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.failed[path] = err
		return
	}
	c.succeeded[path] = true
}

// finish stops the workers. No request that may not be repeated was handled twice, and those that have succeeded were
// handled.
func (c *crowd) finish() {
	close(c.stop)
	c.wg.Wait()
	for path := range c.succeeded {
		if c.handled.n[path] == 0 {
			c.t.Errorf("%s has succeeded without being handled", path)
		}
	}
	for path, n := range c.handled.n {
		var worker int
		fmt.Sscanf(path, "/%d/", &worker)
		if worker%2 == 1 && n > 1 {
			c.t.Errorf("POST %s was handled %d times", path, n)
		}
	}
	if len(c.succeeded) < 1000/slowdown() {
		c.t.Errorf("only %d requests have succeeded, %d have failed", len(c.succeeded), len(c.failed))
	}
}

// Servers that end in the middle of requests and come back on the same address leave nothing behind.
func TestRestartsUnderLoad(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.clientQUIC.KeepAlivePeriod = 10 * time.Second
		c := w.newCrowd()
		defer c.close()
		w.do(w.request(http.MethodGet, "/", nil))
		time.Sleep(time.Minute)
		before := measure()
		c.work(crowdSize())
		for range 10 {
			time.Sleep(100 * time.Millisecond)
			c.next().Close()
		}
		time.Sleep(100 * time.Millisecond)
		c.finish()
		w.wantUsage(before)
		w.do(w.request(http.MethodGet, "/", nil))
	})
}

// Servers that shut down one after the other answer all requests, each of them once.
func TestShutdownsUnderLoad(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.clientQUIC.KeepAlivePeriod = 10 * time.Second
		c := w.newCrowd()
		defer c.close()
		w.do(w.request(http.MethodGet, "/", nil))
		time.Sleep(time.Minute)
		before := measure()
		c.work(crowdSize())
		for range 10 {
			time.Sleep(100 * time.Millisecond)
			if err := c.next().Shutdown(t.Context()); err != nil {
				t.Errorf("Shutdown: %v", err)
			}
		}
		c.finish()
		for path, err := range c.failed {
			t.Errorf("%s: %v", path, err)
		}
		for path, n := range c.handled.n {
			if n > 1 && path != "/" {
				t.Errorf("%s was handled %d times", path, n)
			}
		}
		w.wantUsage(before)
	})
}
