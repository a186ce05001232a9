package quic

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go/internal/qerr"
)

// heapNow returns the bytes of reachable objects.
func heapNow() int64 {
	runtime.GC()
	runtime.GC() // what finalizers and pools held
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// What a connection may cost before the client has proved anything.
const (
	maxHalfOpenHeap       = 40 << 10
	maxHalfOpenGoroutines = 2
	// runtimeGoroutines are what the runtime may start meanwhile for cleanups.
	runtimeGoroutines = 3
)

// clients that begin handshakes and vanish get as far as maxHandshakes, and from retryHandshakes on only if their addresses
// are not spoofed. After the handshake timeout nothing is left.
func TestHalfOpenConnectionsAreBounded(t *testing.T) {
	inBubble(t, &Transport{}, func(t *testing.T, n *rawNet) {
		n.listen(t, nil)
		heap, goroutines := heapNow(), runtime.NumGoroutine()
		open := func(k int) initial {
			i := defaultInitial()
			i.dst = cid(fmt.Sprintf("client %08d", k))
			if k >= retryHandshakes {
				h := n.retry(t, i)
				i.dst, i.token = h.SrcCID, bytes.Clone(h.Token)
			}
			n.send(t, i.packet())
			return i
		}
		for k := range maxHandshakes {
			open(k)
			n.wantNothing(t, "an Initial without a ClientHello")
		}
		if got := n.transport.handshakes(); got != maxHandshakes {
			t.Fatalf("%d handshakes, want %d", got, maxHandshakes)
		}
		if got := runtime.NumGoroutine() - goroutines; got > maxHalfOpenGoroutines*maxHandshakes+runtimeGoroutines {
			t.Errorf("%d goroutines for %d handshakes", got, maxHandshakes)
		}
		got := (heapNow() - heap) / maxHandshakes
		t.Logf("%d bytes of heap for each handshake", got)
		if got > maxHalfOpenHeap && !raceDetector {
			t.Errorf("%d bytes for each handshake, want %d at most", got, maxHalfOpenHeap)
		}
		for k := range 10 {
			i := open(maxHandshakes + k)
			if got := closeCode(t, i, n.receive(t)); got != qerr.ConnectionRefused {
				t.Errorf("the answer to one more is %v, want %v", got, qerr.ConnectionRefused)
			}
		}
		if got := n.transport.handshakes(); got != maxHandshakes {
			t.Errorf("%d handshakes, want %d", got, maxHandshakes)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := RoutedByTransport(n.transport) + n.transport.handshakes(); got != 0 {
			t.Errorf("%d connections or connection IDs are left", got)
		}
		if got := runtime.NumGoroutine(); got > goroutines+runtimeGoroutines {
			t.Errorf("%d goroutines, %d before", got, goroutines)
		}
	})
}
