package quic

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/wire"
)

var errDatagramsDisabled = errors.New("datagram support disabled")

// A queuedDatagram is the payload of a DATAGRAM frame that waits for a packet. If it belongs to a
// stream, it is dropped once the FIN or the RESET_STREAM of the stream is in a packet.
type queuedDatagram struct {
	payload []byte
	stream  *SendStream
	memory  *datagramMemory // of the payload; nil for a long one
}

// A datagramMemory holds the payload of a datagram that fits a packet of common size.
type datagramMemory [protocol.MaxConfiguredPacketSize]byte

var datagramPool = sync.Pool{New: func() any { return new(datagramMemory) }}

// copyDatagram makes a queuedDatagram with a copy of payload.
func copyDatagram(payload []byte, s *SendStream) queuedDatagram {
	if len(payload) > len(datagramMemory{}) {
		return queuedDatagram{payload: slices.Clone(payload), stream: s}
	}
	memory := datagramPool.Get().(*datagramMemory)
	return queuedDatagram{payload: memory[:copy(memory[:], payload)], stream: s, memory: memory}
}

func (d *queuedDatagram) release() {
	if d.memory != nil {
		datagramPool.Put(d.memory)
	}
}

// A datagramWaiter is a call of SendDatagram that waits for room in the queue.
type datagramWaiter struct {
	stream *SendStream
	ready  chan struct{} // capacity 1
}

// The datagramQueue holds the datagrams that wait to be sent, at most protocol.MaxSendDatagrams,
// and those received that wait for the application, at most protocol.MaxReceiveDatagrams and
// protocol.MaxDatagramQueueBytes.
type datagramQueue struct {
	mu      sync.Mutex // rank 4, guards what follows
	send    ring[queuedDatagram]
	waiters []*datagramWaiter
	err     error

	received      ring[[]byte]
	receivedBytes int
	arrival       chan struct{} // capacity 1
}

func (q *datagramQueue) init() { q.arrival = make(chan struct{}, 1) }

// add puts a datagram on the queue. It waits while the queue is full, until the stream of the
// datagram or the connection ends.
func (q *datagramQueue) add(d queuedDatagram) error {
	for {
		w, err := q.tryAdd(d)
		if w == nil {
			return err
		}
		<-w.ready
	}
}

// tryAdd adds d, or fails, or returns what to wait for.
func (q *datagramQueue) tryAdd(d queuedDatagram) (*datagramWaiter, error) {
	q.mu.Lock()
	if q.err != nil {
		defer q.mu.Unlock()
		return nil, q.err
	}
	if d.stream != nil {
		if queueing, _ := d.stream.datagramsAllowed(); !queueing {
			q.wakeOneLocked() // the place that we were woken for is free for another one
			q.mu.Unlock()
			return nil, d.stream.closedReason()
		}
	}
	defer q.mu.Unlock()
	if q.send.len() < protocol.MaxSendDatagrams {
		q.send.push(d)
		return nil, nil
	}
	w := &datagramWaiter{stream: d.stream, ready: make(chan struct{}, 1)}
	q.waiters = append(q.waiters, w)
	return w, nil
}

// wakeOneLocked wakes the call that has waited longest.
func (q *datagramQueue) wakeOneLocked() {
	if len(q.waiters) > 0 && q.send.len() < protocol.MaxSendDatagrams {
		q.waiters[0].ready <- struct{}{}
		q.waiters = slices.Delete(q.waiters, 0, 1)
	}
}

// streamClosed wakes the calls that wait with a datagram of s.
func (q *datagramQueue) streamClosed(s *SendStream) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiters = slices.DeleteFunc(q.waiters, func(w *datagramWaiter) bool {
		if w.stream == s {
			w.ready <- struct{}{}
		}
		return w.stream == s
	})
}

// next returns the datagram to send next, without those whose stream has closed meanwhile.
func (q *datagramQueue) next() (payload []byte, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.send.len() > 0 {
		d := q.send.front()
		if d.stream == nil {
			return d.payload, true
		}
		if _, packing := d.stream.datagramsAllowed(); packing {
			return d.payload, true
		}
		q.popLocked()
	}
	return nil, false
}

// pop removes the datagram that next has returned.
func (q *datagramQueue) pop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.popLocked()
}

func (q *datagramQueue) popLocked() {
	d := q.send.pop()
	d.release()
	q.wakeOneLocked()
}

// forget drops the datagrams that wait to be sent: 0-RTT was rejected.
func (q *datagramQueue) forget() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.send = ring[queuedDatagram]{}
	for _, w := range q.waiters {
		w.ready <- struct{}{}
	}
	q.waiters = nil
}

// hasData reports whether next may return something.
func (q *datagramQueue) hasData() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.send.len() > 0
}

// handle stores a copy of a received datagram. If there is no room, it is dropped, which the result tells: RFC 9221,
// Section 5 allows that, and what has waited longer is what the application expects next.
func (q *datagramQueue) handle(payload []byte) (kept bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err != nil || q.received.len() >= protocol.MaxReceiveDatagrams ||
		q.receivedBytes+len(payload) > protocol.MaxDatagramQueueBytes {
		return false
	}
	q.received.push(append(make([]byte, 0, len(payload)), payload...))
	q.receivedBytes += len(payload)
	q.signalArrivalLocked()
	return true
}

func (q *datagramQueue) signalArrivalLocked() {
	select {
	case q.arrival <- struct{}{}:
	default:
	}
}

// receive returns the next received datagram.
func (q *datagramQueue) receive(ctx context.Context) ([]byte, error) {
	for {
		if payload, err := q.takeReceived(); payload != nil || err != nil {
			return payload, err
		}
		select {
		case <-q.arrival:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (q *datagramQueue) takeReceived() ([]byte, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.received.len() > 0 {
		payload := q.received.pop()
		q.receivedBytes -= len(payload)
		if q.received.len() > 0 {
			q.signalArrivalLocked() // for another caller
		}
		return payload, nil
	}
	if q.err != nil {
		q.signalArrivalLocked()
	}
	return nil, q.err
}

// close ends all calls with err, after the datagrams that were received before.
func (q *datagramQueue) close(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.err = err
	q.send = ring[queuedDatagram]{}
	for _, w := range q.waiters {
		w.ready <- struct{}{}
	}
	q.waiters = nil
	q.signalArrivalLocked()
}

// SendDatagram sends payload, which is copied, in a DATAGRAM frame (RFC 9221). It is neither repeated if
// it is lost nor ordered against streams. While 32 datagrams wait to be sent, SendDatagram
// blocks. It returns a *DatagramTooLargeError if payload does not fit a packet.
func (c *Conn) SendDatagram(payload []byte) error { return c.sendDatagram(payload, nil) }

// ReceiveDatagram returns the payload of the next received DATAGRAM frame. It blocks until there is
// one, ctx ends or the connection is over. Of datagrams that nobody receives, 1024 are
// kept; later ones are dropped.
func (c *Conn) ReceiveDatagram(ctx context.Context) ([]byte, error) {
	if !c.config.EnableDatagrams {
		return nil, errDatagramsDisabled
	}
	return c.datagrams.receive(ctx)
}

// SendDatagram sends payload in a DATAGRAM frame that belongs to the stream: it is refused with the error of
// the send half once that is closed, and it does not leave after the FIN or the RESET_STREAM of the
// stream. Apart from that it is like Conn.SendDatagram; it is also woken by the end of the half.
func (s *SendStream) SendDatagram(payload []byte) error {
	return s.rec.streams.p.sendDatagram(payload, s)
}

// SendDatagram is SendStream.SendDatagram of the send half.
func (s *Stream) SendDatagram(payload []byte) error { return s.send.SendDatagram(payload) }

func (c *Conn) sendDatagram(payload []byte, s *SendStream) error {
	limit := c.maxDatagramPayload.Load()
	if limit < 0 {
		return errDatagramsDisabled
	}
	if int64(len(payload)) > limit {
		return &DatagramTooLargeError{MaxDatagramPayloadSize: limit}
	}
	d := copyDatagram(payload, s)
	if err := c.datagrams.add(d); err != nil {
		d.release()
		return err
	}
	c.wake()
	return nil
}

// datagramReserve is the part of a packet that is not promised to a datagram, so that SendDatagram's limit does not change with
// the length of the peer's connection IDs unless it has to: first byte, a connection ID of 20 bytes, tag.
const datagramReserve = 1 + protocol.MaxConnectionIDLen + sealOverhead

// updateMaxDatagramPayload is called when the peer's limit or the size of packets changes.
func (c *Conn) updateMaxDatagramPayload() {
	limit, tp := int64(-1), c.peerParams
	if tp == nil && c.life.used0RTT {
		tp = c.life.remembered
	}
	if tp != nil && tp.MaxDatagramFrameSize > 0 && c.config.EnableDatagrams {
		room := min(c.maxPacketSize-datagramReserve, protocol.ByteCount(c.datagramRoom()))
		frame := tp.MaxDatagramFrameSize - protocol.ByteCount(wire.DatagramFrameOverhead(int(room), true))
		limit = max(int64(min(room, frame)), 0)
	}
	c.maxDatagramPayload.Store(limit)
}
