package measure

import (
	"context"
	"encoding/binary"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	quic "github.com/quic-go/quic-go"
)

var errClosedForDatagrams = errors.New("the stream is closed for datagrams")

// A layer is what HTTP datagrams need above QUIC: a map of streams that says which are closed for sending and which for
// receiving. An arm, the design under test, keeps the map up to date.
type layer struct {
	conn *quic.Conn
	arm  *arm
	log  *log // nil if reports are counted only

	mu      sync.Mutex // guards what follows
	entries map[*quic.Stream]*entry
	all     []*entry // in the order of opening; empty without a log

	closings         atomic.Int64 // reports of closings
	peak             atomic.Int64 // of the number of goroutines when something was reported
	given, delivered atomic.Int64 // datagrams
}

// An entry is what a layer keeps of one stream.
type entry struct {
	layer  *layer
	stream *quic.Stream
	key    key
	size   int           // of all datagrams of the stream: so the frame log can tell them apart
	pause  time.Duration // how long the observer of this stream takes

	sendClosed, receiveClosed, forgotten atomic.Bool
	delivered                            atomic.Int64

	sendReason, receiveReason error      // why the halves were closed; belongs to the callback
	unread                    chan State // that nobody reads

	mu      sync.Mutex // guards what follows
	reports []report
}

func newLayer(conn *quic.Conn, a *arm, l *log) *layer {
	layer := &layer{conn: conn, arm: a, log: l, entries: make(map[*quic.Stream]*entry)}
	if a.sweeps {
		context.AfterFunc(conn.Context(), layer.sweep)
	}
	return layer
}

// open adds a stream. It returns the stream as the application should use it.
func (l *layer) open(s *quic.Stream, k key, number int, pause time.Duration) (application, *entry) {
	e := &entry{layer: l, stream: s, key: k, size: firstSize + number, pause: pause}
	l.mu.Lock()
	l.entries[s] = e
	if l.log != nil {
		l.all = append(l.all, e)
	}
	l.mu.Unlock()
	return l.arm.attach(e), e
}

// opened returns the entries of all streams that there were, those in the map now are left.
func (l *layer) opened() []*entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]*entry(nil), l.all...)
}

func (l *layer) left() []*entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	left := make([]*entry, 0, len(l.entries))
	for _, e := range l.entries {
		left = append(left, e)
	}
	return left
}

func (l *layer) countLeft() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.entries)
}

// sweep is called after the end of the connection, for designs that hear nothing of it from the streams.
func (l *layer) sweep() {
	for _, e := range l.left() {
		e.closedForSending()
		e.closedForReceiving()
	}
}

// observe takes the report of a state.
func (e *entry) observe(s State) {
	if e.pause > 0 {
		time.Sleep(e.pause)
	}
	e.record(s)
	if s.closed() && s.isSend() && !e.sendClosed.Load() {
		e.closedForSending()
	}
	if s.closed() && s.isReceive() && !e.receiveClosed.Load() {
		e.closedForReceiving()
	}
	if s == Retired {
		e.forget()
	}
}

func (e *entry) closedForSending() {
	if !e.sendClosed.Swap(true) {
		e.record(SendClosed)
		e.closed()
	}
}

func (e *entry) closedForReceiving() {
	if !e.receiveClosed.Swap(true) {
		e.record(ReceiveClosed)
		e.closed()
	}
}

// closed is called after each closing. Designs that do not learn when a stream is over forget it after both.
func (e *entry) closed() {
	e.layer.closings.Add(1)
	n := int64(runtime.NumGoroutine())
	for old := e.layer.peak.Load(); n > old && !e.layer.peak.CompareAndSwap(old, n); old = e.layer.peak.Load() {
	}
	if !e.layer.arm.states && e.sendClosed.Load() && e.receiveClosed.Load() {
		e.forget()
	}
}

func (e *entry) record(s State) {
	if e.layer.log == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.reports = append(e.reports, report{s, time.Now()})
}

func (e *entry) reported() []report {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]report(nil), e.reports...)
}

// forget removes the stream from the map.
func (e *entry) forget() {
	if e.forgotten.Swap(true) {
		return
	}
	e.layer.mu.Lock()
	defer e.layer.mu.Unlock()
	delete(e.layer.entries, e.stream)
}

// firstSize is the size of the datagrams of the first stream. Those of the next are one byte longer.
const firstSize = 600

// sendDatagram sends a datagram of the stream, unless the layer knows that it must not.
func (e *entry) sendDatagram() error {
	if e.sendClosed.Load() {
		return errClosedForDatagrams
	}
	b := make([]byte, e.size)
	binary.BigEndian.PutUint64(b, uint64(e.key.id))
	err := e.layer.arm.send(e, b)
	if err == nil {
		e.layer.given.Add(1)
	}
	return err
}

// receiveDatagrams delivers the datagrams of the connection until its end.
func (l *layer) receiveDatagrams() {
	for {
		b, err := l.conn.ReceiveDatagram(context.Background())
		if err != nil {
			return
		}
		number := len(b) - firstSize
		l.mu.Lock()
		var e *entry
		if number >= 0 && number < len(l.all) {
			e = l.entries[l.all[number].stream]
		}
		l.mu.Unlock()
		if e != nil && !e.receiveClosed.Load() && l.arm.mayReceive(e) {
			l.delivered.Add(1)
			e.delivered.Add(1)
		}
	}
}
