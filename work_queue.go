package quic

import (
	"sync"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/udp"
	"github.com/quic-go/quic-go/qlog"
)

// A work is a received datagram that needs an answer, or a decision, from the Transport itself.
type work struct {
	p    udp.Packet
	over *closedConn // answers with its packet; nil: the datagram is of no connection
}

// A workQueue holds what the reader leaves to the worker, as sending may block and the application's callbacks may
// take time. It is bounded by protocol.MaxServerUnprocessedPackets and MaxServerUnprocessedBytes, the memory
// that the datagrams pin; what comes while it is full is dropped.
//
// The worker is a goroutine that ends when the queue is empty, so that idle Transports have none.
type workQueue struct {
	mu      sync.Mutex // rank 4
	items   ring[work]
	bytes   int
	running bool
	closed  bool
}

// push reports whether the queue took w, and whether the caller has to start the worker.
func (q *workQueue) push(w work) (taken, start bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	size := w.p.Buffer.Size()
	if q.closed || q.items.len() >= protocol.MaxServerUnprocessedPackets ||
		q.bytes+size > protocol.MaxServerUnprocessedBytes {
		return false, false
	}
	q.items.push(w)
	q.bytes += size
	start = !q.running
	q.running = true
	return true, start
}

// pop returns the oldest item. If there is none, the worker has to end.
func (q *workQueue) pop() (work, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.items.len() == 0 {
		q.running = false
		return work{}, false
	}
	w := q.items.pop()
	q.bytes -= w.p.Buffer.Size()
	return w, true
}

// close drops what is left and refuses what comes later.
func (q *workQueue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	for q.items.len() > 0 {
		w := q.items.pop()
		w.p.Buffer.Release()
	}
}

// enqueue leaves w to the worker.
func (t *Transport) enqueue(w work) {
	taken, start := t.work.push(w)
	if !taken {
		t.logDropped(w.p.Data, qlog.PacketDropDOSPrevention)
		w.p.Buffer.Release()
	}
	if start {
		go t.runWorker()
	}
}

func (t *Transport) runWorker() {
	for {
		w, ok := t.work.pop()
		if !ok {
			return
		}
		kept := false
		if w.over != nil {
			t.reply(&w.p, w.over.packet)
		} else {
			kept = t.handleUnmatched(&w.p)
		}
		if !kept {
			w.p.Buffer.Release()
		}
	}
}

// reply sends a datagram to where p came from. Nothing is done about errors, as nothing depends on it.
func (t *Transport) reply(p *udp.Packet, b []byte) {
	d := udp.Destination{Remote: p.Remote, Local: p.Local, IfIndex: p.IfIndex}
	if err := t.conn.WriteBatch(b, len(b), protocol.ECNNon, &d); err != nil {
		logf(logDebugs, "reply of %d bytes: %v", len(b), err)
	}
}
