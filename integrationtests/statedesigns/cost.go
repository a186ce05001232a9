package main

import (
	"time"

	"github.com/quic-go/quic-go/integrationtests/statedesigns/measure"
)

// A cost is what a design costs on loopback, compared with the same build without observers.
type cost struct {
	measured bool

	held          float64       // goroutines while all streams are open
	peak          float64       // goroutines at the end of the connection
	perStream     float64       // allocations for a stream from its opening to its end
	perTransition float64       // allocations for a transition
	transition    time.Duration // processor time of a transition
}

// costOf compares the rows of an arm with those of None. Of what was measured several times the smallest counts: other
// things that the machine does can only add.
func costOf(rows []measure.Row, build, arm string) (c cost) {
	end := func(arm string, f func(measure.Row) float64) float64 {
		return smallest(rows, build, arm, measure.ConnectionClose, f)
	}
	difference := func(f func(measure.Row) float64) float64 { return end(arm, f) - end(measure.None, f) }
	streams := end(arm, func(r measure.Row) float64 { return float64(r.Streams) })
	if streams == 0 || end(measure.None, func(r measure.Row) float64 { return float64(r.Streams) }) == 0 {
		return c
	}
	c.measured = true
	c.held = difference(func(r measure.Row) float64 { return float64(r.Goroutines) })
	c.peak = difference(func(r measure.Row) float64 { return float64(r.Peak) })
	transitions := transitionsAtEnd * streams
	c.perTransition = difference(func(r measure.Row) float64 { return float64(r.CloseMallocs) }) / transitions
	c.transition = time.Duration(difference(func(r measure.Row) float64 { return float64(r.CloseCPU) }) / transitions)
	mallocs := func(r measure.Row) float64 { return float64(r.Mallocs) / float64(r.Streams) }
	c.perStream = smallest(rows, build, arm, measure.Churn, mallocs) - smallest(rows, build, measure.None, measure.Churn, mallocs)
	return c
}

// smallest returns the smallest value of the cost cells of a workload, 0 if there are none.
func smallest(rows []measure.Row, build, arm, workload string, f func(measure.Row) float64) (least float64) {
	found := false
	for _, r := range rows {
		if r.Kind != measure.Cost || r.Build != build || r.Arm != arm || r.Workload != workload || r.Failure != "" {
			continue
		}
		if v := f(r); !found || v < least {
			least, found = v, true
		}
	}
	return least
}
