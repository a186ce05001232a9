package http3_test

import (
	"net/http"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Handlers that run one after the other have the same goroutine, and none is left after a while without requests.
func TestWorkersAreUsedAgain(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var started sync.WaitGroup
		release := make(chan struct{})
		w.serve(func(_ http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/wait" {
				started.Done()
				<-release
			}
		})
		w.get("/")
		time.Sleep(20 * time.Second)
		synctest.Wait()
		before := runtime.NumGoroutine()
		for range 20 {
			w.get("/")
			synctest.Wait()
			if got := runtime.NumGoroutine(); got != before+1 {
				t.Fatalf("%d goroutines after a request, want one more than %d", got, before)
			}
		}
		// As many as there are requests at once.
		var wg sync.WaitGroup
		for range 30 {
			started.Add(1)
			wg.Go(func() { w.get("/wait") })
		}
		started.Wait()
		close(release)
		wg.Wait()
		synctest.Wait()
		if got := runtime.NumGoroutine(); got != before+30 {
			t.Errorf("%d goroutines after 30 requests at once, %d before", got, before)
		}
		time.Sleep(4 * time.Second)
		w.get("/") // they wait for longer
		time.Sleep(4 * time.Second)
		synctest.Wait()
		if got := runtime.NumGoroutine(); got != before+30 {
			t.Errorf("%d goroutines while requests come, want %d", got, before+30)
		}
		time.Sleep(7 * time.Second)
		synctest.Wait()
		if got := runtime.NumGoroutine(); got != before {
			t.Errorf("%d goroutines when no requests come any more, want %d", got, before)
		}
	})
}

// A handler that ends its goroutine, or panics, takes no other request with it.
func TestWorkersSurviveHandlers(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.serve(func(rw http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/exit":
				runtime.Goexit()
			case "/abort":
				panic(http.ErrAbortHandler)
			}
			rw.Write([]byte("fine"))
		})
		for range 5 {
			for _, path := range []string{"/exit", "/abort"} {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url(path), nil)
				if err != nil {
					t.Fatal(err)
				}
				if rsp, err := w.client.RoundTrip(req); err == nil {
					t.Errorf("%s: got %s, want an error", path, rsp.Status)
				}
			}
			if _, body := w.get("/"); body != "fine" {
				t.Errorf("got %q afterwards", body)
			}
		}
	})
}
