package quic

import (
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/quic-go/quic-go/internal/protocol"
)

// A streamRecord is what the two halves of a stream have in common and what the streams map
// holds. Record, halves and public handle of a stream are one allocation, see newRecord.
type streamRecord struct {
	// immutable
	id      protocol.StreamID
	streams *streamsMap
	send    *SendStream    // nil if there is no send half
	receive *ReceiveStream // nil if there is no receive half
	public  *Stream        // nil for a unidirectional stream

	// subscribers, see stream_observer.go
	observed  atomic.Bool // there is or was an observer
	datagrams atomic.Bool // the datagram queue wants to know when the send half closes
	retired   atomic.Bool
	reported  stateMask // told to streamsParams.onStreamState; loop only
	told      bool      // streamClosedForDatagrams was called; loop only
	observers observerList

	pendingLink pendingLink // guarded by pendingList.mu
	controlLink controlLink // guarded by controlList.mu

	credit streamCredit // guarded by streamsMap.mu
	letGo  atomic.Bool  // shortcut: credit.released is set or does not matter
}

// streamCredit is what decides when the stream limit of the peer may grow by one again.
type streamCredit struct {
	retired  bool         // the stream left the map
	released bool         // the application has let go
	token    *creditToken // of a retired stream that waits for the application
}

// A creditToken hands back the credit of one retired stream, once. It must not lead to the
// stream or to the streams map: the runtime holds it until the stream is collected.
type creditToken struct {
	dropped *atomic.Int64 // one of streamsMap.dropped
	used    atomic.Bool
}

// newRecord makes a stream whose halves are in their first states.
func newRecord(m *streamsMap, id protocol.StreamID) *streamRecord {
	if id.Type() == protocol.StreamTypeBidi {
		s := &struct {
			record  streamRecord
			public  Stream
			send    SendStream
			receive ReceiveStream
		}{}
		s.record.send, s.record.receive, s.record.public = &s.send, &s.receive, &s.public
		s.public = Stream{send: &s.send, receive: &s.receive}
		return s.record.init(m, id)
	}
	if id.InitiatedBy() == m.p.perspective {
		s := &struct {
			record streamRecord
			send   SendStream
		}{}
		s.record.send = &s.send
		return s.record.init(m, id)
	}
	s := &struct {
		record  streamRecord
		receive ReceiveStream
	}{}
	s.record.receive = &s.receive
	return s.record.init(m, id)
}

func (r *streamRecord) init(m *streamsMap, id protocol.StreamID) *streamRecord {
	r.id, r.streams = id, m
	r.letGo.Store(r.isLocal())
	if r.send != nil {
		r.send.init(r)
	}
	if r.receive != nil {
		r.receive.init(r)
	}
	if m.p.onStreamState != nil {
		m.pending.push(r) // its first states
	}
	return r
}

// isLocal reports whether the stream was opened by this endpoint.
func (r *streamRecord) isLocal() bool { return r.id.InitiatedBy() == r.streams.p.perspective }

// visited returns the states of both halves and, at the end, StreamStateRetired.
func (r *streamRecord) visited() (m stateMask) {
	if r.retired.Load() {
		m = maskOf(StreamStateRetired)
	}
	if r.send != nil {
		m |= r.send.states.seen()
	}
	if r.receive != nil {
		m |= r.receive.states.seen()
	}
	return m
}

// sendOver and receiveOver report that the half is terminal or missing.
func (r *streamRecord) sendOver() bool {
	return r.send == nil || r.send.states.seen()&terminalStates != 0
}
func (r *streamRecord) receiveOver() bool {
	return r.receive == nil || r.receive.states.seen()&terminalStates != 0
}

// over reports that no half has a further transition.
func (r *streamRecord) over() bool { return r.sendOver() && r.receiveOver() }

// applicationLetGo notes that the application has seen the end of the stream, has closed or
// cancelled it. The caller holds no lock.
func (r *streamRecord) applicationLetGo() {
	if !r.letGo.Load() && !r.streams.p.requireCreditRelease {
		r.releaseCredit()
	}
}

// releaseCredit allows the peer to open another stream, now or when this one has retired.
func (r *streamRecord) releaseCredit() {
	if r.letGo.Swap(true) {
		return
	}
	m := r.streams
	m.mu.Lock()
	r.credit.released = true
	returned := r.credit.retired && r.credit.token.use()
	if returned {
		m.incoming[r.id.Type()].creditReturned(1)
	}
	m.mu.Unlock()
	if returned {
		m.p.wake()
	}
}

// retireCreditLocked is called once, when the stream leaves the map. It reports whether it handed
// back the credit. The caller holds streamsMap.mu.
func (r *streamRecord) retireCreditLocked() (returned bool) {
	in := &r.streams.incoming[r.id.Type()]
	in.waiting++
	r.credit.retired = true
	if r.credit.released {
		in.creditReturned(1)
		return true
	}
	r.credit.token = &creditToken{dropped: &r.streams.dropped[r.id.Type()]}
	return false
}

// watchForLastReference makes the runtime hand back the credit of a retired stream that the
// application has dropped without looking at its end. The caller holds no lock.
func (r *streamRecord) watchForLastReference() {
	if token := r.credit.token; token != nil && !r.streams.p.requireCreditRelease {
		runtime.AddCleanup(r, (*creditToken).unreachable, token)
	}
}

func (t *creditToken) use() bool { return t.used.CompareAndSwap(false, true) }

// unreachable runs on a goroutine of the runtime. It does not wake the loop: the goroutine is
// outside of the testing/synctest bubble that the loop may live in, so it must not touch
// the loop's channels. The credit goes out with the loop's next turn, see creditDeadline.
func (t *creditToken) unreachable() {
	if t.use() {
		t.dropped.Add(1)
	}
}

// pendingLink makes pendingList intrusive: a stream is at most once in it.
type pendingLink struct {
	next   *streamRecord
	queued bool
}

// pendingList holds the streams that deliver has to look at.
type pendingList struct {
	mu         sync.Mutex // rank 4
	head, tail *streamRecord
	ended      bool // the connection is over and everything was delivered
}

// push adds r. It returns false if nobody will look at the list any more.
func (l *pendingList) push(r *streamRecord) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return false
	}
	if r.pendingLink.queued {
		return true
	}
	r.pendingLink.queued = true
	if l.tail == nil {
		l.head = r
	} else {
		l.tail.pendingLink.next = r
	}
	l.tail = r
	return true
}

// pop removes the first stream. If there is none and end is set, it closes the list.
func (l *pendingList) pop(end bool) *streamRecord {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.head
	if r == nil {
		l.ended = l.ended || end
		return nil
	}
	l.head = r.pendingLink.next
	if l.head == nil {
		l.tail = nil
	}
	r.pendingLink = pendingLink{}
	return r
}

func (l *pendingList) empty() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.head == nil
}
