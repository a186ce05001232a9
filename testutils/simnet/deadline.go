package simnet

import (
	"sync"
	"time"
)

// A deadline closes a channel at a time that may be moved while others wait for it.
type deadline struct {
	mu     sync.Mutex
	at     time.Time // zero: none, or fired
	timer  *time.Timer
	passed chan struct{}
	fired  bool // passed is closed
}

func (d *deadline) init() { d.passed = make(chan struct{}) }

// wait returns the channel that is closed once the deadline has passed.
func (d *deadline) wait() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.at.IsZero() && !time.Now().Before(d.at) {
		// The timer is about to fire: others of this very moment were first.
		d.fireLocked()
	}
	return d.passed
}

// set moves the deadline. Whoever waits on a channel that is not closed yet waits for the new time.
func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stopLocked()
	if d.fired {
		d.passed = make(chan struct{})
		d.fired = false
	}
	if t.IsZero() {
		return
	}
	wait := time.Until(t)
	if wait <= 0 {
		d.fireLocked()
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(wait, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.timer == timer { // else it was stopped too late
			d.fireLocked()
		}
	})
	d.timer, d.at = timer, t
}

func (d *deadline) stopLocked() {
	if d.timer != nil {
		d.timer.Stop()
	}
	d.timer, d.at = nil, time.Time{}
}

func (d *deadline) fireLocked() {
	d.stopLocked()
	d.fired = true
	close(d.passed)
}
