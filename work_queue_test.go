package quic

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
)

func TestWorkQueueIsBounded(t *testing.T) {
	for _, tc := range []struct{ size, want int }{
		{1200, min(protocol.MaxServerUnprocessedPackets, protocol.MaxServerUnprocessedBytes/(2<<10))},
		{10_000, protocol.MaxServerUnprocessedBytes / (16 << 10)},
	} {
		var q workQueue
		taken := 0
		for range 5000 {
			w := work{p: received(make([]byte, tc.size))}
			if ok, _ := q.push(w); ok {
				taken++
			}
		}
		if taken != tc.want {
			t.Errorf("%d datagrams of %d bytes are kept, want %d", taken, tc.size, tc.want)
		}
		for range taken {
			if w, ok := q.pop(); !ok || len(w.p.Data) != tc.size {
				t.Fatal("pop does not return what was kept")
			}
		}
		if _, ok := q.pop(); ok || q.bytes != 0 {
			t.Errorf("the empty queue returns something or holds %d bytes", q.bytes)
		}
	}
}

func TestWorkQueueStartsOneWorker(t *testing.T) {
	var q workQueue
	if taken, start := q.push(work{p: received([]byte("a"))}); !taken || !start {
		t.Error("the first datagram does not start the worker")
	}
	if taken, start := q.push(work{p: received([]byte("b"))}); !taken || start {
		t.Error("the second datagram starts another worker")
	}
	for range 3 {
		q.pop()
	}
	if _, start := q.push(work{p: received([]byte("c"))}); !start {
		t.Error("the worker is not started again")
	}
	q.close()
	if taken, _ := q.push(work{p: received([]byte("d"))}); taken {
		t.Error("a closed queue takes a datagram")
	}
}

// zeroRTTSizes returns how many connections have packets in q, and the memory of these.
func zeroRTTSizes(q *zeroRTTQueue) (conns, bytes int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.conns), q.bytes
}

func TestZeroRTTQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q zeroRTTQueue
		kept := 0
		for i := range 100 {
			for range 100 {
				p := received(make([]byte, 1200))
				if q.push(protocol.ParseConnectionID([]byte{byte(i)}), &p) {
					kept++
				}
			}
		}
		if conns, bytes := zeroRTTSizes(&q); bytes != kept*(2<<10) || bytes > maxZeroRTTBytes || kept == 0 || conns > maxZeroRTTConns {
			t.Errorf("%d packets of %d connections take %d bytes, want at most %d", kept, conns, bytes, maxZeroRTTBytes)
		}
		time.Sleep(maxZeroRTTWait)
		synctest.Wait()
		if conns, bytes := zeroRTTSizes(&q); conns != 0 || bytes != 0 {
			t.Errorf("%d connections and %d bytes are left after %v, want none", conns, bytes, maxZeroRTTWait)
		}
	})
}

func TestZeroRTTQueueOfOneConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q zeroRTTQueue
		for i := range 100 {
			p := received([]byte{byte(i)})
			if got, want := q.push(cid("a"), &p), i < maxZeroRTTPackets; got != want {
				t.Fatalf("packet %d is kept: %t, want %t", i, got, want)
			}
		}
		pkts := q.take(cid("a"))
		for i, p := range pkts {
			if p.Data[0] != byte(i) {
				t.Fatal("the order has changed")
			}
		}
		if len(pkts) != maxZeroRTTPackets || q.bytes != 0 || q.take(cid("a")) != nil {
			t.Errorf("take returns %d packets, %d bytes are left", len(pkts), q.bytes)
		}
		p := received([]byte{1})
		q.push(cid("b"), &p)
		q.close()
		if q.push(cid("c"), &p) || len(q.conns) != 0 {
			t.Error("a closed queue keeps packets")
		}
	})
}
