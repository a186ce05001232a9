package measure

import (
	"slices"
	"time"
)

// A report is what a design said of a stream.
type report struct {
	state State
	at    time.Time
}

// compare counts how reports differ from what happened. Only the states in judge are looked at. A report is in time
// if it comes at most grace after its cause. It returns the delays of those that are.
func (t *truth) compare(reports []report, judge func(State) bool, grace time.Duration) (c Count, delays []time.Duration) {
	var seen [numStates]time.Time
	var lastSend, lastReceive State
	for _, r := range reports {
		if !judge(r.state) {
			continue
		}
		last := &lastSend
		if r.state.isReceive() {
			last = &lastReceive
		}
		switch {
		case !seen[r.state].IsZero():
			c.Duplicate++
			continue
		case t.demands[r.state] == impossible || r.at.Before(t.at[r.state]) || r.state < *last:
			c.Misordered++ // before its cause, without any, or after a later one of the same half
		}
		*last = r.state
		seen[r.state] = r.at
	}
	for s := State(1); s < numStates; s++ {
		if !judge(s) || t.demands[s] != required {
			continue
		}
		c.Expected++
		delay := seen[s].Sub(t.at[s])
		if seen[s].IsZero() || delay > grace {
			c.Missed++
			continue
		}
		delays = append(delays, delay)
	}
	return c, delays
}

// closings judges what every design can report, states the states of RFC 9000 and their extensions.
func closings(s State) bool { return s == SendClosed || s == ReceiveClosed }
func states(s State) bool   { return s <= Retired }

// percentile returns the p-th part of the sorted delays, 0 if there are none.
func percentile(delays []time.Duration, p float64) time.Duration {
	if len(delays) == 0 {
		return 0
	}
	slices.Sort(delays)
	return delays[min(int(p*float64(len(delays))), len(delays)-1)]
}
