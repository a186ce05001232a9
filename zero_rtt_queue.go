package quic

import (
	"sync"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/udp"
)

// Limits of the 0-RTT packets that have overtaken the Initial of their connection. What exceeds them is dropped.
const (
	maxZeroRTTConns   = 32
	maxZeroRTTPackets = 31      // of one connection
	maxZeroRTTBytes   = 3 << 19 // 1.5 MiB of all connections, in memory that is pinned
	maxZeroRTTWait    = 100 * time.Millisecond
)

// A zeroRTTQueue keeps 0-RTT packets for a short time. RFC 9000, Section 5.2.2: "the server MAY buffer a limited
// number of these packets in anticipation of a late-arriving Initial packet."
type zeroRTTQueue struct {
	mu     sync.Mutex // rank 4
	conns  map[protocol.ConnectionID]*zeroRTTPackets
	bytes  int
	closed bool
}

type zeroRTTPackets struct {
	packets []udp.Packet
	timer   *time.Timer
}

// push takes over the Buffer of p if it returns true.
func (q *zeroRTTQueue) push(cid protocol.ConnectionID, p *udp.Packet) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	e := q.conns[cid]
	if q.closed || q.bytes+p.Buffer.Size() > maxZeroRTTBytes || e == nil && len(q.conns) >= maxZeroRTTConns ||
		e != nil && len(e.packets) >= maxZeroRTTPackets {
		return false
	}
	if e == nil {
		if q.conns == nil {
			q.conns = make(map[protocol.ConnectionID]*zeroRTTPackets)
		}
		e = &zeroRTTPackets{}
		e.timer = time.AfterFunc(maxZeroRTTWait, func() { q.expire(cid, e) })
		q.conns[cid] = e
	}
	e.packets = append(e.packets, *p)
	q.bytes += p.Buffer.Size()
	return true
}

// take returns the packets for a connection, whose Buffers are the caller's.
func (q *zeroRTTQueue) take(cid protocol.ConnectionID) []udp.Packet {
	q.mu.Lock()
	defer q.mu.Unlock()
	e := q.conns[cid]
	if e == nil {
		return nil
	}
	e.timer.Stop()
	q.removeLocked(cid, e)
	return e.packets
}

func (q *zeroRTTQueue) expire(cid protocol.ConnectionID, e *zeroRTTPackets) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.conns[cid] == e {
		q.removeLocked(cid, e)
		e.release()
	}
}

func (q *zeroRTTQueue) removeLocked(cid protocol.ConnectionID, e *zeroRTTPackets) {
	delete(q.conns, cid)
	for i := range e.packets {
		q.bytes -= e.packets[i].Buffer.Size()
	}
}

func (q *zeroRTTQueue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	for cid, e := range q.conns {
		e.timer.Stop()
		q.removeLocked(cid, e)
		e.release()
	}
}

func (e *zeroRTTPackets) release() {
	for i := range e.packets {
		e.packets[i].Buffer.Release()
	}
}
