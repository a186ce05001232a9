package quic

import (
	"context"
	"slices"

	"github.com/quic-go/quic-go/internal/protocol"
)

// incomingStreams are the streams of one type that the peer opens. Guarded by streamsMap.mu.
//
// accepted <= opened <= limit. A stream with a number in (accepted, opened] is made when its first frame
// arrives or when it is accepted, so a peer that opens the highest permitted stream first pays for
// one.
type incomingStreams struct {
	opened   protocol.StreamNum // the highest stream that the peer has opened
	accepted protocol.StreamNum // the highest stream that the application has got
	limit    protocol.StreamNum // as advertised
	max      protocol.StreamNum // how many may be open at once
	credit   protocol.StreamNum // handed back and not advertised
	waiting  int                // retired streams whose credit was not handed back
	again    bool               // the last MAX_STREAMS was lost

	early   map[protocol.StreamNum]*streamRecord // retired and not accepted
	arrived chan struct{}                        // capacity 1: there is something to accept, or an error
}

// wake lets one of those who accept look again. It wakes the next one if there is more.
func (in *incomingStreams) wake() {
	select {
	case in.arrived <- struct{}{}:
	default:
	}
}

func (in *incomingStreams) creditReturned(n protocol.StreamNum) {
	in.waiting -= int(n)
	in.credit += n
}

// keepUnaccepted makes a retired stream wait for the application all the same.
func (in *incomingStreams) keepUnaccepted(r *streamRecord) {
	n := r.id.StreamNum()
	if n <= in.accepted {
		return
	}
	if in.early == nil {
		in.early = make(map[protocol.StreamNum]*streamRecord)
	}
	in.early[n] = r
}

// peerIsShort reports that the peer has used up half of what it may open.
func (in *incomingStreams) peerIsShort() bool { return in.limit-in.opened <= in.max/2 }

// maxStreamsDue reports whether MAX_STREAMS has to be sent. Credit that the peer does not need yet is
// saved up.
func (in *incomingStreams) maxStreamsDue() bool {
	return in.again || in.credit > 0 && in.peerIsShort() && in.limit < protocol.MaxStreamCount
}

// outgoingStreams are the streams of one type that this endpoint opens. Guarded by streamsMap.mu.
type outgoingStreams struct {
	opened  protocol.StreamNum
	limit   protocol.StreamNum
	waiters []*openWaiter // first come, first served

	reported protocol.StreamNum // STREAMS_BLOCKED was sent for this limit, plus 1
	blocked  bool               // STREAMS_BLOCKED has to be sent
}

// An openWaiter is a call that waits for the peer to allow another stream. Its result is set, under
// streamsMap.mu, before done is closed.
type openWaiter struct {
	done   chan struct{}
	record *streamRecord
	err    error
}

// fail ends the calls that wait.
func (out *outgoingStreams) fail(err error) {
	for _, w := range out.waiters {
		w.err = err
		close(w.done)
	}
	out.waiters = nil
}

func (out *outgoingStreams) atLimit() bool { return out.opened >= out.limit }

// noteBlocked queues STREAMS_BLOCKED, once per limit. It reports whether it did.
func (out *outgoingStreams) noteBlocked() bool {
	if out.reported == out.limit+1 {
		return false
	}
	out.reported, out.blocked = out.limit+1, true
	return true
}

// openLocked opens the next stream. The limit was checked.
func (m *streamsMap) openLocked(typ protocol.StreamType) *streamRecord {
	m.outgoing[typ].opened++
	return m.addLocked(m.outgoing[typ].opened.StreamID(typ, m.p.perspective))
}

// raiseStreamLimitLocked handles a limit of the peer for the streams that we open.
func (m *streamsMap) raiseStreamLimitLocked(typ protocol.StreamType, limit protocol.StreamNum) {
	out := &m.outgoing[typ]
	// RFC 9000, Section 4.6: "A receiver MUST ignore any MAX_STREAMS frame that does not increase the stream
	// limit."
	if limit <= out.limit {
		return
	}
	out.limit = limit
	out.blocked = false
	if m.err != nil || m.rejected {
		return
	}
	n := 0
	for ; n < len(out.waiters) && !out.atLimit(); n++ {
		out.waiters[n].record = m.openLocked(typ)
		close(out.waiters[n].done)
	}
	out.waiters = slices.Delete(out.waiters, 0, n)
	if len(out.waiters) > 0 {
		out.noteBlocked()
	}
}

// unusableLocked returns why no stream can be opened or accepted at all.
func (m *streamsMap) unusableLocked() error {
	if m.err == nil && m.rejected {
		return Err0RTTRejected
	}
	return m.err
}

// open opens a stream, or returns a *StreamLimitReachedError. Any goroutine.
func (m *streamsMap) open(typ protocol.StreamType) (*streamRecord, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.unusableLocked(); err != nil {
		return nil, err
	}
	out := &m.outgoing[typ]
	if out.atLimit() || len(out.waiters) > 0 {
		if out.noteBlocked() {
			m.p.wake()
		}
		return nil, &StreamLimitReachedError{}
	}
	return m.openLocked(typ), nil
}

// openSync opens a stream as soon as the peer allows it. Any goroutine.
func (m *streamsMap) openSync(ctx context.Context, typ protocol.StreamType) (*streamRecord, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	w, r, err := m.enqueue(typ)
	if w == nil {
		return r, err
	}
	select {
	case <-w.done:
	case <-ctx.Done():
		m.mu.Lock()
		defer m.mu.Unlock()
		if w.record == nil && w.err == nil {
			out := &m.outgoing[typ]
			out.waiters = slices.DeleteFunc(out.waiters, func(x *openWaiter) bool { return x == w })
			return nil, ctx.Err()
		}
	}
	return w.record, w.err
}

// enqueue opens a stream, or returns a waiter if the peer does not allow one now.
func (m *streamsMap) enqueue(typ protocol.StreamType) (*openWaiter, *streamRecord, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.unusableLocked(); err != nil {
		return nil, nil, err
	}
	out := &m.outgoing[typ]
	if !out.atLimit() && len(out.waiters) == 0 {
		return nil, m.openLocked(typ), nil
	}
	w := &openWaiter{done: make(chan struct{})}
	out.waiters = append(out.waiters, w)
	if out.noteBlocked() {
		m.p.wake()
	}
	return w, nil, nil
}

// openStream opens a bidirectional stream at once.
func (m *streamsMap) openStream() (*Stream, error) {
	r, err := m.open(protocol.StreamTypeBidi)
	if err != nil {
		return nil, err
	}
	return r.public, nil
}

// openStreamSync opens a bidirectional stream and may wait for that.
func (m *streamsMap) openStreamSync(ctx context.Context) (*Stream, error) {
	r, err := m.openSync(ctx, protocol.StreamTypeBidi)
	if err != nil {
		return nil, err
	}
	return r.public, nil
}

// openUniStream opens a unidirectional stream at once.
func (m *streamsMap) openUniStream() (*SendStream, error) {
	r, err := m.open(protocol.StreamTypeUni)
	if err != nil {
		return nil, err
	}
	return r.send, nil
}

// openUniStreamSync opens a unidirectional stream and may wait for that.
func (m *streamsMap) openUniStreamSync(ctx context.Context) (*SendStream, error) {
	r, err := m.openSync(ctx, protocol.StreamTypeUni)
	if err != nil {
		return nil, err
	}
	return r.send, nil
}

// acceptStream returns the next bidirectional stream of the peer.
func (m *streamsMap) acceptStream(ctx context.Context) (*Stream, error) {
	r, err := m.accept(ctx, protocol.StreamTypeBidi)
	if err != nil {
		return nil, err
	}
	return r.public, nil
}

// acceptUniStream returns the next unidirectional stream of the peer.
func (m *streamsMap) acceptUniStream(ctx context.Context) (*ReceiveStream, error) {
	r, err := m.accept(ctx, protocol.StreamTypeUni)
	if err != nil {
		return nil, err
	}
	return r.receive, nil
}

// accept returns the streams of the peer in the order of their numbers, also those that are over
// already. A stream that is there is returned even if ctx has ended.
func (m *streamsMap) accept(ctx context.Context, typ protocol.StreamType) (*streamRecord, error) {
	m.mu.Lock()
	rejections := m.rejections
	m.mu.Unlock()
	for {
		if r, err := m.nextIncoming(typ, rejections); r != nil || err != nil {
			return r, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		select {
		case <-m.incoming[typ].arrived: // the channel never changes
		case <-ctx.Done():
		}
	}
}

// nextIncoming returns the next stream to accept, nil if there is none. rejections is how often 0-RTT had been
// rejected when Accept was called.
func (m *streamsMap) nextIncoming(typ protocol.StreamType, rejections int) (*streamRecord, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	in := &m.incoming[typ]
	err := m.unusableLocked()
	if err == nil && m.rejections != rejections {
		err = Err0RTTRejected
	}
	if err != nil {
		in.wake() // the others who wait have to hear of it, too
		return nil, err
	}
	if in.accepted == in.opened {
		return nil, nil
	}
	n := in.accepted + 1
	r := in.early[n]
	delete(in.early, n)
	if id := n.StreamID(typ, m.p.perspective.Opposite()); r == nil {
		if r = m.streams[id]; r == nil {
			r = m.addLocked(id)
		}
	}
	in.accepted = n
	if n < in.opened {
		in.wake()
	}
	return r, nil
}
