package quic

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/wire"
)

// creditCheckInterval is how often the loop looks for stream credit that the garbage collector has
// found, while the peer may be waiting for some.
const creditCheckInterval = time.Second

// streamsParams is what the streams of a connection need from it.
type streamsParams struct {
	perspective protocol.Perspective
	ctx         context.Context       // parent of the contexts of streams
	maxIncoming [2]protocol.StreamNum // indexed by protocol.StreamType

	streamWindow, maxStreamWindow protocol.ByteCount
	connWindow, maxConnWindow     protocol.ByteCount
	// allowConnGrowth asks whether the connection's receive window may grow by delta; nil permits it.
	// It is called on the loop, without locks.
	allowConnGrowth func(delta protocol.ByteCount) bool

	requireCreditRelease bool
	resetStreamAt        bool // we accept RESET_STREAM_AT

	// wake makes the loop take a turn. It never blocks and may be called under any lock.
	wake func()
	// sendDatagram sends a datagram that belongs to the stream, see datagramsAllowed.
	sendDatagram func(payload []byte, s *SendStream) error
	// streamClosedForDatagrams is told once when a stream on which datagramsAllowed was asked has closed
	// for writing; nil if nobody wants to know. It is called by deliver, without locks.
	streamClosedForDatagrams func(*SendStream)
	// onStreamState is told every state of every stream; nil if nobody wants to know. It is called by
	// deliver, without locks.
	onStreamState func(protocol.StreamID, StreamState)
	// onPriority is told what SetPriority is called with, in that call; nil if nobody wants to know.
	onPriority func(id protocol.StreamID, urgency int8, incremental bool)
}

// The streamsMap holds the streams of a connection and their limits. The handle, append, on
// and other methods without a comment on that are for the loop goroutine only.
type streamsMap struct {
	p streamsParams // immutable

	// leaves, each with a mutex of its own
	pending pendingList
	control controlList
	sched   scheduler

	credit        connCredit
	gaps          atomic.Int32     // in the received data of all streams
	dropped       *[2]atomic.Int64 // retired streams that the garbage collector has found; its own memory, see creditToken
	resetStreamAt atomic.Bool      // both sides accept RESET_STREAM_AT

	closed bool // loop only: close was called

	mu         sync.Mutex // rank 2; guards what follows
	streams    map[protocol.StreamID]*streamRecord
	incoming   [2]incomingStreams // by stream type
	outgoing   [2]outgoingStreams // by stream type
	sendLimits sendLimits
	err        error // the end of the connection
	rejected   bool  // 0-RTT was rejected and NextConnection was not called
	rejections int   // how often 0-RTT was rejected
}

// sendLimits are the peer's initial limits for the data of a stream.
type sendLimits struct {
	bidiLocal, bidiRemote, uni protocol.ByteCount // as seen by the peer
}

func newStreamsMap(p streamsParams) *streamsMap {
	m := &streamsMap{
		p:       p,
		streams: make(map[protocol.StreamID]*streamRecord),
		dropped: new([2]atomic.Int64),
	}
	m.credit.init(p.connWindow, p.maxConnWindow)
	for t := range m.incoming {
		limit := min(max(p.maxIncoming[t], 0), protocol.MaxStreamCount)
		m.incoming[t] = incomingStreams{limit: limit, max: limit, arrived: make(chan struct{}, 1)}
	}
	return m
}

// setPeerParameters handles the peer's transport parameters: those remembered for 0-RTT first, then
// the real ones. Limits only grow.
func (m *streamsMap) setPeerParameters(tp *wire.TransportParameters) {
	m.resetStreamAt.Store(m.p.resetStreamAt && tp.EnableResetStreamAt)
	m.credit.raise(tp.InitialMaxData)
	m.mu.Lock()
	l := &m.sendLimits
	l.bidiLocal = max(l.bidiLocal, tp.InitialMaxStreamDataBidiLocal)
	l.bidiRemote = max(l.bidiRemote, tp.InitialMaxStreamDataBidiRemote)
	l.uni = max(l.uni, tp.InitialMaxStreamDataUni)
	records := slices.Collect(maps.Values(m.streams))
	m.raiseStreamLimitLocked(protocol.StreamTypeBidi, tp.MaxBidiStreamNum)
	m.raiseStreamLimitLocked(protocol.StreamTypeUni, tp.MaxUniStreamNum)
	m.mu.Unlock()
	for _, r := range records {
		if r.send != nil {
			r.send.raiseLimit(m.initialSendLimit(r.id))
		}
	}
	m.feedWriters()
}

// initialSendLimit returns how much may be sent on a new stream. The caller holds m.mu or is the
// loop, which alone changes the limits.
func (m *streamsMap) initialSendLimit(id protocol.StreamID) protocol.ByteCount {
	switch {
	case id.Type() == protocol.StreamTypeUni:
		return m.sendLimits.uni
	case id.InitiatedBy() == m.p.perspective:
		return m.sendLimits.bidiRemote
	}
	return m.sendLimits.bidiLocal
}

// addLocked makes a stream.
func (m *streamsMap) addLocked(id protocol.StreamID) *streamRecord {
	r := newRecord(m, id)
	m.streams[id] = r
	return r
}

// lookup returns the stream, or nil if it is not there (any more).
func (m *streamsMap) lookup(id protocol.StreamID) *streamRecord {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.streams[id]
}

// holds reports whether r is in the map. After a rejection of 0-RTT there may be another stream of
// the same ID.
func (m *streamsMap) holds(r *streamRecord) bool { return m.lookup(r.id) == r }

// remove forgets a retired stream. It reports whether it handed back the credit.
func (m *streamsMap) remove(r *streamRecord) (returned bool) {
	m.mu.Lock()
	if m.streams[r.id] == r {
		delete(m.streams, r.id)
	}
	if !r.isLocal() {
		returned = r.retireCreditLocked()
		if m.err == nil {
			m.incoming[r.id.Type()].keepUnaccepted(r)
		}
	}
	m.mu.Unlock()
	if !m.closed {
		r.watchForLastReference()
	}
	return returned
}

// collectDropped hands back the credit of the streams that the application has dropped. It reports
// whether there were any.
func (m *streamsMap) collectDropped() (returned bool) {
	for t := range m.dropped {
		if m.dropped[t].Load() == 0 {
			continue
		}
		returned = true
		m.mu.Lock()
		m.incoming[t].creditReturned(protocol.StreamNum(m.dropped[t].Swap(0)))
		m.mu.Unlock()
	}
	return returned
}

// creditDeadline returns when the loop should take a turn to look for stream credit that the garbage
// collector has found: it cannot wake the loop. Zero if there is no need.
func (m *streamsMap) creditDeadline(now monotime.Time) monotime.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	for t := range m.incoming {
		if in := &m.incoming[t]; in.waiting > 0 && in.peerIsShort() && !m.p.requireCreditRelease {
			return now.Add(creditCheckInterval)
		}
	}
	return 0
}

// rejectEarlyData handles the rejection of 0-RTT: every stream is abandoned, and opening and accepting
// fails until useAfterReject. New streams get their IDs from the start. All that the
// remembered transport parameters allowed is void; setPeerParameters has to be called (again) with the
// real ones after this.
func (m *streamsMap) rejectEarlyData() {
	m.mu.Lock()
	m.rejected = true
	m.rejections++
	m.sendLimits = sendLimits{}
	records := slices.Collect(maps.Values(m.streams))
	for t := range m.outgoing {
		m.outgoing[t].fail(Err0RTTRejected)
		m.outgoing[t] = outgoingStreams{}
		m.incoming[t].wake()
	}
	m.mu.Unlock()
	m.credit.forget()
	abandonAll(records, Err0RTTRejected)
}

// useAfterReject makes opening and accepting streams work again: NextConnection was called.
// Any goroutine.
func (m *streamsMap) useAfterReject() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rejected = false
}

// close ends all streams because the connection is over. The caller calls deliver once more after it.
func (m *streamsMap) close(err error) {
	if m.closed {
		return
	}
	m.closed = true
	m.mu.Lock()
	m.err = err
	records := slices.Collect(maps.Values(m.streams))
	for t := range m.incoming {
		m.outgoing[t].fail(err)
		m.incoming[t].early = nil
		m.incoming[t].wake()
	}
	m.mu.Unlock()
	abandonAll(records, err)
}

func abandonAll(records []*streamRecord, err error) {
	for _, r := range records {
		if r.send != nil {
			r.send.abandon(err)
		}
		if r.receive != nil {
			r.receive.abandon(err)
		}
	}
}

// feedWriters wakes as many writers that wait for the credit of the connection as there is credit.
func (m *streamsMap) feedWriters() {
	for left := m.credit.writable(); left > 0; {
		s := m.sched.popStarved()
		if s == nil {
			return
		}
		left -= s.onConnCredit()
	}
}
