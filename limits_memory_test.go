package quic_test

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	quic "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/quictest"
	"github.com/quic-go/quic-go/internal/wire"
)

const (
	// maxHostileMemory is what a peer can make a connection hold: the receive window and half of it for blocks that are not
	// full, the sent packets that it does not acknowledge, and all other queues.
	maxHostileMemory = int64(protocol.DefaultMaxConnectionReceiveWindow)*3/2 + 8<<20 + 2<<20 + protocol.MaxReceiveQueueBytes
	// What an idle connection costs at each end.
	maxIdleHeap       = 28 << 10
	maxIdleStack      = 8 << 10
	maxIdleGoroutines = 1
)

// together: a peer uses everything that it may fill at the same time.
func TestMemoryOfHostilePeerIsBounded(t *testing.T) {
	hostile(t, func(t *testing.T, s *scene) {
		window := protocol.DefaultMaxConnectionReceiveWindow
		s.config.InitialConnectionReceiveWindow = uint64(window)
		s.config.InitialStreamReceiveWindow = uint64(protocol.DefaultMaxStreamReceiveWindow)
		s.config.EnableDatagrams = true
		s.connect()
		data := make([]byte, 1<<20)
		before := heapInUse()
		s.peer.HoldAcks()
		for range 8 { // what the application writes is not the peer's
			str, err := s.conn.OpenStream()
			if err != nil {
				t.Fatal(err)
			}
			go str.Write(data)
		}
		const block, streams = 4 << 10, 2 * protocol.DefaultMaxIncomingStreams
		perStream := window / streams
		for n := range protocol.StreamNum(streams) {
			typ := []protocol.StreamType{bidi, uni}[n%2]
			for off := protocol.ByteCount(1); off < perStream; off += block {
				s.peer.Send(oneRTT, &wire.StreamFrame{StreamID: s.theirs(typ, n/2+1), Offset: off, Data: []byte{1}, DataLenPresent: true})
			}
			time.Sleep(10 * time.Millisecond)
		}
		for i := range 2 * protocol.MaxReceiveDatagrams {
			s.peer.Send(oneRTT, &wire.DatagramFrame{Data: make([]byte, 16_000), DataLenPresent: true}, &wire.PathChallengeFrame{Data: [8]byte{byte(i)}})
		}
		h := s.held()
		s.peer.Forget()
		release := quic.Block(s.conn)
		for range 2 * protocol.MaxReceiveQueuePackets {
			s.peer.Send(oneRTT, quictest.Padding(60_000))
		}
		s.pause()
		got := heapInUse() - before
		release()
		t.Logf("%d of %d bytes: %+v", got, maxHostileMemory, h)
		if h.StreamMemory < int(window)*9/10 || h.Datagrams == 0 {
			t.Errorf("the limits were not reached: %+v", h)
		}
		if got > maxHostileMemory {
			t.Errorf("%d bytes are held, want %d at most", got, maxHostileMemory)
		}
	})
}

// Idle connections are light, and leave nothing when they are over.
func TestIdleConnectionsAreLight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 200
		p := newPair(t, pairOptions{client: &quic.Config{KeepAlivePeriod: 10 * time.Second}})
		p.client.CloseWithError(0, "")
		time.Sleep(time.Minute)
		before := measure()
		var conns []*quic.Conn
		for range n {
			c, err := p.clientTr.Dial(t.Context(), p.listener.Addr(), p.clientTLS, &quic.Config{KeepAlivePeriod: 10 * time.Second})
			if err != nil {
				t.Fatal(err)
			}
			s, err := p.listener.Accept(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			conns = append(conns, c, s)
		}
		if raceEnabled {
			time.Sleep(20 * time.Second) // the race detector crashes after too many timers in one bubble
		} else {
			time.Sleep(10 * time.Minute)
		}
		idle := measure()
		heap, stack := (idle.heap-before.heap)/(2*n), (idle.stack-before.stack)/(2*n)
		t.Logf("%d bytes of heap, %d of stack for each end of a connection", heap, stack)
		if goroutines := idle.goroutines - before.goroutines; goroutines > maxIdleGoroutines*2*n {
			t.Errorf("%d goroutines for %d connections", goroutines, n)
		}
		if !raceEnabled && (heap > maxIdleHeap || stack > maxIdleStack) {
			t.Errorf("%d bytes of heap and %d of stack, want %d and %d at most", heap, stack, maxIdleHeap, maxIdleStack)
		}
		for _, c := range conns {
			c.CloseWithError(0, "")
		}
		conns = nil
		time.Sleep(time.Minute)
		after := measure()
		if growth := after.heap - before.heap; growth > 2<<20 {
			t.Errorf("the heap has grown by %d bytes", growth)
		}
		if after.goroutines > before.goroutines+3 { // the runtime starts some for cleanups
			t.Errorf("%d goroutines, %d before", after.goroutines, before.goroutines)
		}
		if left := quic.RoutedByTransport(p.clientTr) + quic.RoutedByTransport(p.serverTr); left > 0 {
			t.Errorf("%d connections, IDs or tokens are left", left)
		}
	})
}

type usage struct {
	heap, stack int64
	goroutines  int
}

// measure returns what everything in the process uses.
func measure() usage {
	synctest.Wait()
	heap := heapInUse()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return usage{heap: heap, stack: int64(m.StackInuse), goroutines: runtime.NumGoroutine()}
}
