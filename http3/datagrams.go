package http3

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/quicvarint"
)

// maxQuarterStreamID is the largest value of the Quarter Stream ID field (RFC 9297, Section 2.1).
const maxQuarterStreamID = 1<<60 - 1

// An earlyDatagram is one of a request stream that is not yet open.
type earlyDatagram struct {
	id       quic.StreamID
	payload  []byte
	received time.Time
}

// receiveDatagrams hands the datagrams of the connection to its streams until it is over.
func (c *connection) receiveDatagrams() {
	for {
		b, err := c.qc.ReceiveDatagram(c.ctx)
		if err != nil {
			return
		}
		// "Receipt of a QUIC DATAGRAM frame whose payload is too short to allow parsing the Quarter
		// Stream ID field MUST be treated as an HTTP/3 connection error of type H3_DATAGRAM_ERROR";
		// "Receipt of an HTTP/3 Datagram that includes a larger value MUST be treated as an HTTP/3
		// connection error of type H3_DATAGRAM_ERROR" (RFC 9297, Section 2.1)
		quarter, n, err := quicvarint.Parse(b)
		if err != nil || quarter > maxQuarterStreamID {
			c.abort(connErrorf(ErrCodeDatagramError, "invalid quarter stream ID"))
			return
		}
		c.log.datagramParsed(quic.StreamID(4*quarter), len(b), len(b)-n)
		if err := c.deliverDatagram(quic.StreamID(4*quarter), b[n:]); err != nil {
			c.abort(err)
			return
		}
	}
}

// deliverDatagram queues a datagram for its stream. One for a stream that is over is dropped, one for
// a stream that a client will open is kept for a while (RFC 9297, Section 2.1).
func (c *connection) deliverDatagram(id quic.StreamID, payload []byte) *connError {
	c.mu.Lock()
	if c.beyondLimitLocked(id) {
		c.mu.Unlock()
		// "If an HTTP/3 Datagram is received and its Quarter Stream ID field maps to a stream that cannot be created
		// due to client-initiated bidirectional stream limits, it SHOULD be treated as an HTTP/3 connection error of
		// type H3_ID_ERROR." (RFC 9297, Section 2.1)
		return connErrorf(ErrCodeIDError, "datagram for stream %d, which is beyond the limit", id)
	}
	s := c.streams[id]
	if s == nil && c.role == server && id >= c.nextID {
		if len(c.early) >= maxEarlyDatagrams {
			c.early = append(c.early[:0], c.early[1:]...)
		}
		c.early = append(c.early, earlyDatagram{id: id, payload: payload, received: time.Now()})
	}
	c.mu.Unlock()
	if s == nil {
		return nil
	}
	// The callback that closes the queue comes at the end of the turn in which the half has closed: look
	// at the half itself, so that nothing that arrived after that gets through.
	if state, _ := s.str.ReceiveState(); state.Closed() || s.datagrams.push(payload) {
		return nil
	}
	// "If an HTTP Datagram is received and it is associated with a request that has no known semantics for HTTP
	// Datagrams, the receiver MUST terminate the request. If HTTP/3 is in use, the request stream MUST be aborted with
	// H3_DATAGRAM_ERROR (0x33)." (RFC 9297, Section 2)
	s.abort(ErrCodeDatagramError)
	return nil
}

// A datagramQueue holds the datagrams received for one stream, at most maxStreamDatagrams, and
// maxDatagramBytes in all queues of the connection. What exceeds that is dropped, as the network
// could have done.
type datagramQueue struct {
	conn *connection

	mu      sync.Mutex // leaf, guards what follows
	waiting datagramRing
	err     error         // why nothing more will arrive
	refused bool          // the request has no semantics for datagrams
	retired bool          // what waits counts no more, it is the user's
	changed chan struct{} // closed, and replaced, on a change; nil if nobody waits
}

// A datagramRing is the memory of a datagramQueue. It grows with what waits and is used again.
type datagramRing struct {
	slots [][]byte // a power of two of them
	first int
	n     int
}

func (r *datagramRing) at(i int) *[]byte { return &r.slots[(r.first+i)&(len(r.slots)-1)] }

func (r *datagramRing) push(payload []byte) {
	if r.n == len(r.slots) {
		slots := make([][]byte, max(2*r.n, 4))
		for i := range r.n {
			slots[i] = *r.at(i)
		}
		r.slots, r.first = slots, 0
	}
	*r.at(r.n) = payload
	r.n++
}

func (r *datagramRing) pop() (payload []byte) {
	slot := r.at(0)
	payload, *slot = *slot, nil
	r.first++
	r.n--
	return payload
}

// push reports false if the request has no semantics for datagrams.
func (q *datagramQueue) push(payload []byte) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err != nil || q.refused || q.waiting.n >= maxStreamDatagrams {
		return q.err != nil || !q.refused
	}
	n := accounted(payload)
	if q.conn.datagramBytes.Add(n) > maxDatagramBytes {
		q.conn.datagramBytes.Add(-n)
		return true
	}
	q.waiting.push(payload)
	q.wakeLocked()
	return true
}

// refuse drops what waits, and makes push refuse what comes: nobody can receive datagrams of the request.
func (q *datagramQueue) refuse() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.refused = true
	q.forgetLocked()
	q.waiting = datagramRing{}
}

// close makes pop return err once the queue is empty.
func (q *datagramQueue) close(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err != nil {
		return
	}
	q.err = err
	q.wakeLocked()
}

// retire takes what waits out of the account of the connection.
func (q *datagramQueue) retire() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.forgetLocked()
	q.retired = true
}

// forgetLocked takes what waits out of the account.
func (q *datagramQueue) forgetLocked() {
	if q.retired {
		return
	}
	for i := range q.waiting.n {
		q.conn.datagramBytes.Add(-accounted(*q.waiting.at(i)))
	}
}

// accounted is what a datagram that waits counts, so that empty ones are bounded too.
func accounted(payload []byte) int64 { return int64(len(payload)) + datagramOverhead }

func (q *datagramQueue) wakeLocked() {
	if q.changed != nil {
		close(q.changed)
		q.changed = nil
	}
}

// pop returns the next datagram, or waits for it.
func (q *datagramQueue) pop(ctx context.Context) ([]byte, error) {
	for {
		payload, changed, err := q.tryPop()
		if changed == nil {
			return payload, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// tryPop returns a datagram, or an error, or the channel that tells of a change.
func (q *datagramQueue) tryPop() (payload []byte, changed <-chan struct{}, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.waiting.n > 0 {
		payload = q.waiting.pop()
		if !q.retired {
			q.conn.datagramBytes.Add(-accounted(payload))
		}
		return payload, nil, nil
	}
	if q.err != nil {
		return nil, nil, q.err
	}
	if q.changed == nil {
		q.changed = make(chan struct{})
	}
	return nil, q.changed, nil
}

// ReceiveDatagram returns the next HTTP Datagram of the stream (RFC 9297). It waits for one until ctx
// ends. Once the receive half of the stream is closed no more datagrams arrive: those that are queued
// are returned, then the error that closed it, io.EOF if the peer has finished the stream.
// It may be called concurrently with all other methods.
func (s *Stream) ReceiveDatagram(ctx context.Context) ([]byte, error) {
	return s.datagrams.pop(ctx)
}

// SendDatagram sends an HTTP Datagram that belongs to the stream (RFC 9297). It waits for the
// SETTINGS frame of the peer, and while the queue of the connection is full. It returns the error of the
// send half once that is closed: a datagram that is still queued then is not sent any more.
// A payload that does not fit a packet is refused with a *quic.DatagramTooLargeError.
// It may be called concurrently with all other methods.
func (s *Stream) SendDatagram(payload []byte) error {
	// "QUIC DATAGRAM frames MUST NOT be sent until the SETTINGS_H3_DATAGRAM setting has been both
	// sent and received with a value of 1." (RFC 9297, Section 2.1.1)
	if !s.conn.datagramsOn {
		return errDatagramsDisabled
	}
	select {
	case <-s.conn.settingsReceived:
	case <-s.str.Context().Done():
		_, err := s.SendState()
		if err == nil {
			err = quic.ErrStreamClosed
		}
		return err
	}
	if !s.conn.settings.EnableDatagrams {
		return errDatagramsDisabled
	}
	quarter := uint64(s.StreamID() / 4)
	memory := datagramBuffers.Get().(*datagramMemory)
	defer datagramBuffers.Put(memory)
	b := append(quicvarint.Append(memory[:0], quarter), payload...) // a long one is moved elsewhere
	if err := s.str.SendDatagram(b); err != nil {
		if tooLarge, ok := errors.AsType[*quic.DatagramTooLargeError](err); ok {
			overhead := int64(len(b) - len(payload))
			return &quic.DatagramTooLargeError{MaxDatagramPayloadSize: tooLarge.MaxDatagramPayloadSize - overhead}
		}
		return convertError(err)
	}
	s.log.datagramCreated(s.StreamID(), len(b), len(payload))
	return nil
}

// A datagramMemory holds a datagram of common size on its way to the queue of the connection, which copies it.
type datagramMemory [1500]byte

var datagramBuffers = sync.Pool{New: func() any { return new(datagramMemory) }}

// receiveClosed closes the queue of a stream whose receive half is closed.
func (s *Stream) receiveClosed() {
	_, err := s.ReceiveState()
	if err == nil {
		err = io.EOF
	}
	s.datagrams.close(err)
}
