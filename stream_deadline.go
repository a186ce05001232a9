package quic

import (
	"math"
	"sync"
	"time"

	"github.com/quic-go/quic-go/internal/monotime"
)

// streamDeadline is the read or write deadline of a half. Guarded by the half's mutex. The time
// is watched only by calls that wait, so a deadline costs nothing until one does.
type streamDeadline struct {
	at    monotime.Time // zero: none
	timer *time.Timer   // spare; nil while somebody waits on it
}

// set changes the deadline. The caller wakes who waits.
func (d *streamDeadline) set(t time.Time) { d.at = monotime.FromTime(t) }

func (d *streamDeadline) passed() bool {
	return !d.at.IsZero() && !monotime.Now().Before(d.at)
}

// startTimer returns a timer that fires at the deadline, nil if there is none.
func (d *streamDeadline) startTimer() *time.Timer {
	if d.at.IsZero() {
		return nil
	}
	now := monotime.Now()
	left := d.at.Sub(now)
	if left < 0 && d.at.After(now) { // too far away for a Duration
		left = math.MaxInt64
	}
	timer := d.timer
	if timer == nil {
		return time.NewTimer(left)
	}
	d.timer = nil
	timer.Reset(left)
	return timer
}

// stopTimer takes back what startTimer returned.
func (d *streamDeadline) stopTimer(timer *time.Timer) {
	if timer != nil {
		timer.Stop()
		d.timer = timer
	}
}

// A streamSignal lets goroutines wait until the state of a half has changed. Guarded by the
// half's mutex, which must not be held while waiting on the channel. The channel is made
// when somebody waits for the first time and is used again and again.
type streamSignal struct {
	ch      chan struct{} // capacity 1
	waiters int
}

// wake lets one of those who wait look again. Who stops waiting wakes the next one, so all
// of them get their turn if the reason still holds.
func (w *streamSignal) wake() {
	if w.waiters == 0 {
		return
	}
	select {
	case w.ch <- struct{}{}:
	default:
	}
}

// wait unlocks mu, waits for wake or for the deadline and locks mu again. d may be nil.
func (w *streamSignal) wait(mu *sync.Mutex, d *streamDeadline) {
	if w.ch == nil {
		w.ch = make(chan struct{}, 1)
	}
	w.waiters++
	var timer *time.Timer
	var expired <-chan time.Time
	if d != nil {
		if timer = d.startTimer(); timer != nil {
			expired = timer.C
		}
	}
	mu.Unlock()
	select {
	case <-w.ch:
	case <-expired:
	}
	mu.Lock()
	w.waiters--
	if d != nil {
		d.stopTimer(timer)
	}
}
