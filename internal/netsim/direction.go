package netsim

import (
	"math/rand/v2"
	"slices"
	"time"
)

// A Window is a span of time since the Net was made, Start inclusive and End exclusive.
type Window struct{ Start, End time.Duration }

func (w Window) contains(d time.Duration) bool { return w.Start <= d && d < w.End }

// Direction is what happens to the datagrams of one direction. The zero value is a perfect network.
// Probabilities are in 0..1. The elements act in the order of the fields.
type Direction struct {
	BlackHoles []Window // drops everything
	MTU        int      // drops datagrams of more bytes; 0 means none
	DropNth    []int    // drops these datagrams, counted from 1
	Loss       float64  // probability of a drop

	Rate       int // bytes per second; 0 means no limit
	QueueBytes int // drops what does not fit in the queue before Rate; 0 means no limit

	Delay  time.Duration
	Jitter time.Duration // adds 0..Jitter, but keeps the order

	Reorder   float64       // probability that a datagram is held back by ReorderBy
	ReorderBy time.Duration // 0 means 10 ms

	Corrupt   float64 // probability that one bit is flipped
	Duplicate float64 // probability that a second copy follows
}

// defaultReorderBy is how long a reordered datagram is held back.
const defaultReorderBy = 10 * time.Millisecond

// Stats counts the datagrams of one direction. Sent is the sum of the drops, Delivered less Duplicated, and
// what is on its way.
type Stats struct {
	Sent, Delivered                      int
	BlackHoled, TooLong, Lost, QueueFull int
	Unroutable                           int // no node at the address, for example after a rebinding
	Reordered, Corrupted, Duplicated     int
}

// chance is the random part of one datagram's fate. All of it is drawn for every datagram, so that options do
// not shift the sequence.
type chance struct {
	loss, jitter, reorder, corrupt, duplicate float64
	bit                                       uint64
}

func draw(r *rand.Rand) chance {
	return chance{
		loss:      r.Float64(),
		jitter:    r.Float64(),
		reorder:   r.Float64(),
		corrupt:   r.Float64(),
		duplicate: r.Float64(),
		bit:       r.Uint64(),
	}
}

// A fate is when a datagram arrives, if it does.
type fate struct {
	dropped bool
	due     time.Time
	copies  int
	flip    bool
	bit     uint64
}

// path is the state of one direction. It has no lock.
type path struct {
	opts  Direction
	rand  *rand.Rand
	start time.Time
	stats Stats

	busyUntil time.Time // when the last byte leaves the queue
	lastDue   time.Time // of the last datagram that keeps the order
}

// send decides about a datagram of size bytes.
func (p *path) send(now time.Time, size int) fate {
	p.stats.Sent++
	c := draw(p.rand)
	if p.drop(now, size, c) || !p.enqueue(now, size) {
		return fate{dropped: true}
	}
	f := fate{copies: 1, due: now, bit: c.bit}
	if p.opts.Rate > 0 {
		f.due = p.busyUntil
	}
	f.due = f.due.Add(p.opts.Delay + time.Duration(c.jitter*float64(p.opts.Jitter)))
	if c.reorder < p.opts.Reorder {
		p.stats.Reordered++
		by := p.opts.ReorderBy
		if by == 0 {
			by = defaultReorderBy
		}
		f.due = f.due.Add(by)
	} else {
		if f.due.Before(p.lastDue) {
			f.due = p.lastDue
		}
		p.lastDue = f.due
	}
	if c.corrupt < p.opts.Corrupt && size > 0 {
		p.stats.Corrupted++
		f.flip = true
	}
	if c.duplicate < p.opts.Duplicate {
		p.stats.Duplicated++
		f.copies = 2
	}
	return f
}

// drop reports whether the datagram never enters the queue.
func (p *path) drop(now time.Time, size int, c chance) bool {
	since := now.Sub(p.start)
	switch {
	case slices.ContainsFunc(p.opts.BlackHoles, func(w Window) bool { return w.contains(since) }):
		p.stats.BlackHoled++
	case p.opts.MTU > 0 && size > p.opts.MTU:
		p.stats.TooLong++
	case slices.Contains(p.opts.DropNth, p.stats.Sent), c.loss < p.opts.Loss:
		p.stats.Lost++
	default:
		return false
	}
	return true
}

// enqueue puts the datagram in the queue of the bottleneck, if there is one and it has room.
func (p *path) enqueue(now time.Time, size int) bool {
	if p.opts.Rate <= 0 {
		return true
	}
	if p.busyUntil.Before(now) {
		p.busyUntil = now
	}
	backlog := int(p.busyUntil.Sub(now).Seconds() * float64(p.opts.Rate))
	if p.opts.QueueBytes > 0 && backlog+size > p.opts.QueueBytes {
		p.stats.QueueFull++
		return false
	}
	p.busyUntil = p.busyUntil.Add(time.Duration(float64(size) / float64(p.opts.Rate) * float64(time.Second)))
	return true
}
