package http3

import (
	"sync/atomic"
	"time"
)

const (
	// maxIdleWorkers is how many goroutines of workers wait for a request.
	maxIdleWorkers = 128
	// idleWorkerTime is how long all of them wait, at least, before they end.
	idleWorkerTime = 5 * time.Second
)

// workers are the goroutines that handle the requests of a listener. Each is used again, because its stack has grown
// then: growing it is a large part of a small request. There are as many as there are requests, and a few that wait
// for the next ones while requests come.
type workers struct {
	next chan task
	end  <-chan struct{} // nobody waits after it is closed

	idle    atomic.Int32
	busy    atomic.Bool // a request has come since the last call of check
	watched atomic.Bool // check will be called; true if somebody waits
}

// A task is a request to handle. The zero task ends a worker.
type task struct {
	conn *serverConn
	str  *Stream
}

func newWorkers(end <-chan struct{}) *workers {
	return &workers{next: make(chan task), end: end}
}

// handle handles a request on another goroutine. A nil *workers has none that wait.
func (w *workers) handle(t task) {
	if w == nil {
		go t.conn.handleRequest(t.str)
		return
	}
	select {
	case w.next <- t:
		w.busy.Store(true)
	default:
		go w.run(t)
	}
}

// run handles a request, and those that come later. It ends early if a handler ends the goroutine.
func (w *workers) run(t task) {
	for t.conn != nil {
		t.conn.handleRequest(t.str)
		t = w.wait()
	}
}

// wait waits for the next task of a worker.
func (w *workers) wait() (t task) {
	defer w.idle.Add(-1)
	if w.idle.Add(1) > maxIdleWorkers {
		return task{}
	}
	w.watch()
	select {
	case t = <-w.next:
	case <-w.end:
	}
	return t
}

// watch makes check be called.
func (w *workers) watch() {
	if !w.watched.Load() && w.watched.CompareAndSwap(false, true) {
		time.AfterFunc(idleWorkerTime, w.check)
	}
}

// check ends those who wait, unless a request has come meanwhile.
func (w *workers) check() {
	for waiting := !w.busy.Swap(false); waiting; {
		select {
		case w.next <- task{}:
		default:
			waiting = false
		}
	}
	w.watched.Store(false)
	if w.idle.Load() > 0 {
		w.watch()
	}
}
