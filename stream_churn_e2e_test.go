package quic_test

import (
	"context"
	"errors"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	quic "github.com/quic-go/quic-go"
)

// heapInUse returns the bytes of reachable objects.
func heapInUse() int64 {
	runtime.GC()
	runtime.GC() // what finalizers and pools held
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// 100,000 short streams leave nothing behind: the maps are empty, the goroutines are at their base, the heap is flat.
func TestStreamChurnEndToEnd(t *testing.T) {
	streams, workers := 100_000, 50
	if raceEnabled || testing.Short() {
		streams = 2000
	}
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairOptions{})
		ctx, cancel := context.WithCancel(t.Context())
		var servers sync.WaitGroup
		for range workers {
			servers.Go(func() { echoStreams(ctx, p.server) })
		}
		synctest.Wait()
		base := runtime.NumGoroutine()
		churn(t, p.client, workers, streams/5)
		settle()
		before := heapInUse()
		churn(t, p.client, workers, streams-streams/5)
		settle()
		after := heapInUse()
		if growth := after - before; growth > 1<<20 {
			t.Errorf("the heap has grown by %d bytes in %d streams", growth, streams)
		}
		if n := runtime.NumGoroutine(); n > base {
			t.Errorf("%d goroutines, %d before", n, base)
		}
		expectNoStreams(t, p.client, p.server)
		cancel()
		servers.Wait()
	})
}

// echoStreams serves streams one after the other.
func echoStreams(ctx context.Context, c *quic.Conn) {
	b := make([]byte, 100)
	for {
		s, err := c.AcceptStream(ctx)
		if err != nil {
			return
		}
		n, _ := io.ReadFull(s, b)
		s.Write(b[:n])
		s.Close()
	}
}

// churn opens n streams, sends a few bytes on each and reads them back.
func churn(t *testing.T, c *quic.Conn, workers, n int) {
	t.Helper()
	var left atomic.Int64
	left.Store(int64(n))
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			b := make([]byte, 100)
			for left.Add(-1) >= 0 {
				s, err := c.OpenStreamSync(t.Context())
				if err != nil {
					t.Errorf("OpenStreamSync: %v", err)
					return
				}
				s.Write([]byte("hello"))
				s.Close()
				if k, err := io.ReadFull(s, b); k != 5 || err != io.ErrUnexpectedEOF {
					t.Errorf("the echo has %d bytes, %v", k, err)
				}
			}
		})
	}
	wg.Wait()
}

// A client that opens streams and resets them at once cannot start more handlers than the stream limit, however
// fast it is and whatever it resets.
func TestOpenAndResetFlood(t *testing.T) {
	const limit = 20
	for name, cfg := range map[string]*quic.Config{
		"credit by the end of the stream": {MaxIncomingStreams: limit},
		"credit by the application":       {MaxIncomingStreams: limit, RequireStreamCreditRelease: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPair(t, pairOptions{net: delayed(), server: cfg})
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				defer cancel()
				var running, most, served atomic.Int64
				handle := func(s *quic.Stream) {
					most.Store(max(most.Load(), running.Add(1))) // Accept is serial, so Store is safe
					go func() {
						if cfg.RequireStreamCreditRelease {
							s.Read(make([]byte, 10)) // sees the reset, which returns no credit here
							defer s.ReleaseStreamCredit()
						}
						time.Sleep(time.Second) // does not look at the stream
						running.Add(-1)
						served.Add(1)
						if _, err := io.ReadAll(s); !errors.As(err, new(*quic.StreamError)) && ctx.Err() == nil {
							t.Errorf("ReadAll: %v", err)
						}
					}()
				}
				go func() {
					for {
						s, err := p.server.AcceptStream(ctx)
						if err != nil {
							return
						}
						handle(s)
					}
				}()
				for i := 0; ; i++ {
					s, err := p.client.OpenStreamSync(ctx)
					if err != nil {
						break
					}
					if i%2 == 0 {
						s.Write([]byte("request"))
					}
					s.CancelWrite(1)
					s.CancelRead(1)
				}
				if n := most.Load(); n > limit || n < limit/2 {
					t.Errorf("up to %d handlers ran at the same time, want at most %d", n, limit)
				}
				if n := served.Load(); n < 10*limit {
					t.Errorf("%d streams were served in 30 seconds, want more than %d", n, 10*limit)
				}
				time.Sleep(2 * time.Second)
			})
		})
	}
}

// An application that walks away from streams that are over leaks neither memory nor credit: the garbage collector finds them.
func TestDroppedStreamsReturnCredit(t *testing.T) {
	const limit = 10
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairOptions{net: delayed(), server: &quic.Config{MaxIncomingStreams: limit}})
		for i := range 5 * limit {
			a := openWithGC(t, p.client)
			mustWrite(t, a, "x")
			acceptAndDrop(t, p.server)
			h := watch(a)
			a.CancelWrite(1) // nobody reads the error
			a.CancelRead(1)  // nobody writes any more
			expectRetiredOnce(t, h)
			if n := quic.StreamCount(p.server); n > 1 {
				t.Fatalf("after %d streams the server still holds %d", i+1, n)
			}
		}
	})
}

// openWithGC opens a stream, for which the garbage collector may have to find some credit first.
func openWithGC(t *testing.T, c *quic.Conn) *quic.Stream {
	t.Helper()
	for range 100 {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		s, err := c.OpenStreamSync(ctx)
		cancel()
		if err == nil {
			return s
		}
		runtime.GC()
	}
	t.Fatal("the credit of the dropped streams does not come back")
	return nil
}

func acceptAndDrop(t *testing.T, c *quic.Conn) {
	t.Helper()
	s, err := c.AcceptStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(s, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
}
