package quic

import (
	"sync"
	"sync/atomic"
)

// An observer is one subscription to the states of a stream. It is called on the loop
// goroutine; after the end of the connection in its subscriber's own call.
type observer struct {
	onState     func(StreamState) // nil if onFinalSize is set
	onFinalSize func(int64)
	delivered   stateMask   // what it was told; belongs to who calls it
	stopped     atomic.Bool // nothing more is to be told
	next        *observer   // guarded by observerList.mu
}

type observerList struct {
	mu    sync.Mutex // rank 4
	first *observer
}

func (l *observerList) add(o *observer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := &l.first
	for *p != nil {
		p = &(*p).next
	}
	*p = o
}

// remove unlinks o. The link of o itself stays, for a delivery that stands on it.
func (l *observerList) remove(o *observer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for p := &l.first; *p != nil; p = &(*p).next {
		if *p == o {
			*p = o.next
			return
		}
	}
}

// after returns the observer behind o, the first one for nil.
func (l *observerList) after(o *observer) *observer {
	l.mu.Lock()
	defer l.mu.Unlock()
	if o == nil {
		return l.first
	}
	return o.next
}

// subscribe adds o. What has happened so far is delivered to it in order before anything new.
func (r *streamRecord) subscribe(o *observer) (stop func() bool) {
	r.observers.add(o)
	r.observed.Store(true)
	if r.streams.pending.push(r) {
		r.streams.p.wake()
	} else {
		r.deliverTo(o)
	}
	return func() bool {
		if !o.stopped.CompareAndSwap(false, true) {
			return false
		}
		r.observers.remove(o)
		return true
	}
}

// watched reports whether somebody has to be told of one of these states.
func (r *streamRecord) watched(news stateMask) bool {
	return r.observed.Load() || r.streams.p.onStreamState != nil ||
		news&closedStates != 0 && r.datagrams.Load()
}

// deliverTo tells o what it does not know yet.
func (r *streamRecord) deliverTo(o *observer) {
	for !o.stopped.Load() {
		news := r.visited() &^ o.delivered
		if o.onFinalSize != nil {
			news &= finalSizeStates | maskOf(StreamStateRetired)
		}
		if news == 0 {
			return
		}
		s := news.first()
		o.delivered |= maskOf(s)
		if s == StreamStateRetired || o.onFinalSize != nil {
			if !o.stopped.CompareAndSwap(false, true) {
				return
			}
			r.observers.remove(o)
		}
		switch {
		case o.onFinalSize == nil:
			o.onState(s)
		case s != StreamStateRetired:
			o.onFinalSize(r.receive.knownFinalSize())
		}
	}
}

// deliverToAll tells each observer, and the connection, what they do not know yet. It returns
// early, by panic, if a callback panics; *at is the observer it stood on.
func (r *streamRecord) deliverToAll(at **observer) {
	p := &r.streams.p
	if p.onStreamState != nil {
		for news := r.visited() &^ r.reported; news != 0; news &^= maskOf(news.first()) {
			r.reported |= maskOf(news.first())
			p.onStreamState(r.id, news.first())
		}
	}
	if !r.told && r.datagrams.Load() && r.send.closedReason() != nil {
		r.told = true
		if p.streamClosedForDatagrams != nil {
			p.streamClosedForDatagrams(r.send)
		}
	}
	for o := r.observers.after(nil); o != nil; o = r.observers.after(o) {
		*at = o
		r.deliverTo(o)
	}
	*at = nil
}

// deliver reports the states that were entered since the last call, retires and forgets
// the streams that are over and hands back their credit. It is called by the loop at the
// end of each turn, with no lock held. If it has made frames to send, it wakes the loop. If
// a callback panics or calls runtime.Goexit, so does deliver; it can be called again.
func (m *streamsMap) deliver() {
	returned := m.collectDropped()
	m.feedWriters()
	for {
		r := m.pending.pop(m.closed)
		if r == nil {
			break
		}
		returned = m.deliverStream(r) || returned
	}
	if returned && m.maxStreamsDue() {
		m.p.wake()
	}
}

// deliverStream reports whether it handed back credit.
func (m *streamsMap) deliverStream(r *streamRecord) (returned bool) {
	var at *observer
	done := false
	defer func() {
		if !done {
			m.callbackFailed(r, at)
		}
	}()
	if r.send != nil {
		r.send.endContext() // if the goroutine that closed the stream has not got there yet
	}
	if r.receive != nil && r.sendOver() {
		r.receive.giveUpReset()
	}
	r.deliverToAll(&at)
	if r.over() && !r.retired.Load() {
		r.retired.Store(true)
		r.deliverToAll(&at)
		returned = m.remove(r)
	}
	done = true
	return returned
}

// callbackFailed cleans up behind a callback that panicked, or ended its goroutine: the
// observer is not called again, a stream that is over is forgotten now, and the other observers
// are told by the next deliver. The panic goes on.
func (m *streamsMap) callbackFailed(r *streamRecord, o *observer) {
	if o != nil {
		o.stopped.Store(true)
		r.observers.remove(o)
	}
	m.pending.push(r)
	if r.over() && m.holds(r) {
		r.retired.Store(true)
		m.remove(r)
	}
}
