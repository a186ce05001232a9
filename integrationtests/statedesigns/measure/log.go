package measure

import (
	"sync"
	"time"

	quic "github.com/quic-go/quic-go"
)

// A key names a stream. Stream IDs start again after a rejection of 0-RTT, in the next epoch.
type key struct {
	epoch int
	id    quic.StreamID
}

type eventKind uint8

const (
	// frames, in the order in which the endpoint handled or packed them
	sentStream eventKind = iota
	sentReset
	sentDatagram
	receivedStream
	receivedReset
	receivedStop
	receivedDatagram
	receivedAck
	// calls of the application
	calledRead
	calledClose
	calledCancelRead
	calledCancelWrite
	opened
	// the ends
	rejected // 0-RTT was rejected, an epoch is over
	over     // the connection is closed, by a call or a CONNECTION_CLOSE
)

// An event is one line of the log.
type event struct {
	kind        eventKind
	at          time.Time
	key         key
	offset, n   int64 // of a STREAM frame; n of a read; n is the length of a datagram
	fin, failed bool  // failed: the call returned an error, other than io.EOF
	pn          int64 // of the packet with a sent frame or datagram; the first one of an acknowledged range
	largest     int64 // of an acknowledged range
}

// A log collects the events of one connection, in one order.
type log struct {
	watchRejection bool // the connection is one whose 0-RTT will be rejected; immutable

	mu     sync.Mutex // guards what follows
	epoch  int
	events []event
}

// add appends an event of the current epoch, and returns its index.
func (l *log) add(e event) int {
	e.at = time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.kind < calledRead {
		e.key.epoch = l.epoch
	}
	l.events = append(l.events, e)
	if e.kind == rejected {
		l.epoch++
	}
	return len(l.events) - 1
}

// fail notes that a call, which was logged before it was made, returned an error.
func (l *log) fail(index int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events[index].failed = true
}

func (l *log) currentEpoch() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.epoch
}

// all returns a copy of the events so far.
func (l *log) all() []event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]event(nil), l.events...)
}
