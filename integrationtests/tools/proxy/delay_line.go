package quicproxy

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// A delayLine hands on datagrams when their time has come, those of equal times in their order.
type delayLine struct {
	send  func([]byte)
	added chan struct{} // capacity 1
	done  chan struct{} // of the Proxy

	mu      sync.Mutex
	waiting []delayed // by time
}

type delayed struct {
	at   time.Time
	data []byte
}

func newDelayLine(done chan struct{}, send func([]byte)) *delayLine {
	return &delayLine{send: send, added: make(chan struct{}, 1), done: done}
}

func (l *delayLine) add(b []byte, delay time.Duration) {
	d := delayed{time.Now().Add(delay), slices.Clone(b)}
	l.mu.Lock()
	i, _ := slices.BinarySearchFunc(l.waiting, d, func(have, d delayed) int {
		return cmp.Or(have.at.Compare(d.at), -1) // behind those of the same time
	})
	l.waiting = slices.Insert(l.waiting, i, d)
	l.mu.Unlock()
	select {
	case l.added <- struct{}{}:
	default:
	}
}

// due takes out what is due, and returns how long the next one has to wait; negative if there is none.
func (l *delayLine) due(now time.Time) (due []delayed, wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for n < len(l.waiting) && !l.waiting[n].at.After(now) {
		n++
	}
	due = slices.Clone(l.waiting[:n])
	l.waiting = slices.Delete(l.waiting, 0, n)
	if len(l.waiting) == 0 {
		return due, -1
	}
	return due, l.waiting[0].at.Sub(now)
}

func (l *delayLine) run() {
	for {
		due, wait := l.due(time.Now())
		for _, d := range due {
			l.send(d.data)
		}
		var timeout <-chan time.Time
		if wait >= 0 {
			timeout = time.After(wait)
		}
		select {
		case <-timeout:
		case <-l.added:
		case <-l.done:
			return
		}
	}
}
