package simnet

import (
	"container/heap"
	"sync"
	"time"
)

// maxQueuedPackets bounds the packets in a delayLine. At the limit the newest packet is dropped.
const maxQueuedPackets = 1 << 16

// A delayLine holds packets until they are due and then delivers them, those that are due at the
// same time in the order of pushing. It has no goroutine while nothing is due.
type delayLine struct {
	deliver func(p Packet, closed <-chan struct{}) // may block until closed is closed

	mu      sync.Mutex
	queue   delayQueue
	pushed  uint64
	timer   *time.Timer
	started bool
	running bool
	closed  chan struct{} // nil before start
	ended   bool
	run     sync.WaitGroup
}

// delayed is a packet that waits.
type delayed struct {
	p   Packet
	due time.Time
	seq uint64
}

// start begins delivering. Packets pushed before have waited since then.
func (l *delayLine) start() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.started || l.ended {
		return
	}
	l.started = true
	l.closed = make(chan struct{})
	l.armLocked()
}

// push delivers p after latency.
func (l *delayLine) push(p Packet, latency time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended || len(l.queue) >= maxQueuedPackets {
		return
	}
	heap.Push(&l.queue, delayed{p: p, due: time.Now().Add(latency), seq: l.pushed})
	l.pushed++
	l.armLocked()
}

// armLocked sets the timer to the first packet, unless deliverDue will do it.
func (l *delayLine) armLocked() {
	if !l.started || l.running || l.ended || len(l.queue) == 0 {
		return
	}
	d := time.Until(l.queue[0].due)
	if l.timer == nil {
		l.timer = time.AfterFunc(d, l.deliverDue)
		return
	}
	l.timer.Reset(d)
}

// deliverDue is what the timer calls, on a goroutine of its own.
func (l *delayLine) deliverDue() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.running || l.ended {
		return
	}
	l.running = true
	l.run.Add(1)
	defer l.run.Done()
	for !l.ended && len(l.queue) > 0 && !l.queue[0].due.After(time.Now()) {
		p := heap.Pop(&l.queue).(delayed).p
		l.mu.Unlock()
		l.deliver(p, l.closed)
		l.mu.Lock()
	}
	l.running = false
	l.armLocked()
}

// close drops what is not delivered and waits for a delivery that is under way.
func (l *delayLine) close() {
	l.mu.Lock()
	if !l.ended {
		l.ended = true
		l.queue = nil
		if l.closed != nil {
			close(l.closed)
		}
		if l.timer != nil {
			l.timer.Stop()
		}
	}
	l.mu.Unlock()
	l.run.Wait()
}

// delayQueue implements heap.Interface.
type delayQueue []delayed

func (q delayQueue) Len() int { return len(q) }

func (q delayQueue) Less(i, j int) bool {
	if !q[i].due.Equal(q[j].due) {
		return q[i].due.Before(q[j].due)
	}
	return q[i].seq < q[j].seq
}

func (q delayQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push implements heap.Interface.
func (q *delayQueue) Push(x any) { *q = append(*q, x.(delayed)) }

// Pop implements heap.Interface.
func (q *delayQueue) Pop() any {
	old := *q
	x := old[len(old)-1]
	old[len(old)-1] = delayed{}
	*q = old[:len(old)-1]
	return x
}
