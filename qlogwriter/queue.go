package qlogwriter

import (
	"sync"
	"time"
)

const (
	// maxQueued bounds the bytes that wait for Run. RecordEvent waits at the limit: a trace with holes would be
	// taken for packets that were never sent.
	maxQueued = 1 << 20
	// flushSize is how many bytes are written at once, if they come within flushDelay.
	flushSize  = 64 << 10
	flushDelay = 50 * time.Millisecond
)

// A queue holds records until they are written.
type queue struct {
	begun chan struct{} // capacity 1: there is a first record
	full  chan struct{} // capacity 1: flushSize is reached
	ended chan struct{} // closed by end

	mu      sync.Mutex
	room    sync.Cond // the records were taken, or the end has come
	records []byte
	over    bool
}

func newQueue() *queue {
	q := &queue{begun: make(chan struct{}, 1), full: make(chan struct{}, 1), ended: make(chan struct{})}
	q.room.L = &q.mu
	return q
}

// end lets what comes later be ignored. It is called once.
func (q *queue) end() {
	q.mu.Lock()
	q.over = true
	q.mu.Unlock()
	close(q.ended)
	q.room.Broadcast()
}

// add copies a record into the queue. It waits for room.
func (q *queue) add(record []byte) {
	q.mu.Lock()
	for !q.over && len(q.records) > 0 && len(q.records)+len(record) > maxQueued {
		q.room.Wait()
	}
	before := len(q.records)
	if !q.over {
		q.records = append(q.records, record...)
	}
	after := len(q.records)
	q.mu.Unlock()
	if before == 0 && after > 0 {
		notify(q.begun)
	}
	if before < flushSize && after >= flushSize {
		notify(q.full)
	}
}

func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// wait returns when there is enough to write, and reports whether nothing more will come.
func (q *queue) wait() (over bool) {
	select {
	case <-q.begun:
	case <-q.ended:
		return true
	}
	delay := time.NewTimer(flushDelay)
	defer delay.Stop()
	select {
	case <-q.full:
	case <-delay.C:
	case <-q.ended:
		return true
	}
	return false
}

// take returns the records, for an empty buffer.
func (q *queue) take(empty []byte) []byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	taken := q.records
	q.records = empty[:0]
	q.room.Broadcast()
	return taken
}
