package nethttp_test

import (
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"time"
)

// goroutinesBelow waits until no more than n goroutines are left.
func goroutinesBelow(t *testing.T, n int) {
	t.Helper()
	deadline := time.After(patience)
	for runtime.NumGoroutine() > n {
		select {
		case <-time.After(time.Millisecond):
		case <-deadline:
			buf := make([]byte, 1<<20)
			t.Fatalf("%d goroutines are left, want %d\n%s", runtime.NumGoroutine(), n, buf[:runtime.Stack(buf, true)])
		}
	}
}

// Requests that are cancelled at random moments, and an end in the middle of them, leave no goroutine behind.
func TestLoadOnSockets(t *testing.T) {
	const seed, requests = 1, 200
	before := runtime.NumGoroutine()
	rng := rand.New(rand.NewPCG(seed, 0))
	for _, closing := range []bool{false, true} {
		s := newHTTP3(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			go io.Copy(io.Discard, r.Body)
			w.(http.Flusher).Flush()
			io.Copy(w, untilEnd{r.Context()})
		}), options{})
		var clients sync.WaitGroup
		for range requests {
			after := time.Duration(rng.Int64N(int64(200 * time.Millisecond)))
			clients.Go(func() {
				ctx, cancel := context.WithTimeout(context.Background(), after)
				defer cancel()
				req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, untilEnd{ctx})
				if err != nil {
					t.Error(err)
					return
				}
				rsp, err := s.rt.RoundTrip(req)
				if err == nil {
					_, err = io.Copy(io.Discard, rsp.Body)
					rsp.Body.Close()
				}
				if err == nil {
					t.Error("a request without end has succeeded")
				}
			})
		}
		if !closing {
			clients.Wait()
		}
		s.close()
		clients.Wait()
	}
	goroutinesBelow(t, before)
}

// untilEnd is content that comes slowly until a context ends.
type untilEnd struct{ ctx context.Context }

func (u untilEnd) Read(p []byte) (int, error) {
	select {
	case <-time.After(time.Millisecond):
		return min(len(p), 1000), nil
	case <-u.ctx.Done():
		return 0, u.ctx.Err()
	}
}
