package main

import (
	"fmt"

	"github.com/quic-go/quic-go/integrationtests/statedesigns/measure"
)

const (
	// allowedPeak is how many goroutines more than without an observer there may be at a time: the runtime has some of its own.
	allowedPeak = 8
	// allowedMallocs is what rounds to no allocation: the runtime allocates now and then.
	allowedMallocs = 0.05
	// transitionsAtEnd is how many states a stream enters at the end of its connection: two halves are abandoned,
	// then it retires.
	transitionsAtEnd = 3
)

// violations returns what the callback has not achieved, with the rows that show it.
func violations(rows []measure.Row) (found []string) {
	for _, r := range rows {
		if r.Arm != measure.Callback {
			continue
		}
		for _, v := range faultsOf(r) {
			found = append(found, fmt.Sprintf("%s: %s", r.Cell, v))
		}
	}
	c := costOf(rows, "native", measure.Callback)
	if c.held > 0 || c.peak > allowedPeak {
		found = append(found, fmt.Sprintf("connection close, callback: %.0f goroutines more while the streams are open, %.0f at the end", c.held, c.peak))
	}
	if c.perTransition > allowedMallocs {
		found = append(found, fmt.Sprintf("connection close, callback: %.3f allocations for each transition", c.perTransition))
	}
	return found
}

func faultsOf(r measure.Row) (found []string) {
	check := func(n int, what string) {
		if n > 0 {
			found = append(found, fmt.Sprintf("%d %s", n, what))
		}
	}
	if r.Failure != "" {
		return []string{r.Failure}
	}
	if r.Kind != measure.Latency { // a busy machine delays reports, and the clocks of logs and reports differ
		check(r.Closings.Missed, "closings missed")
		check(r.Closings.Duplicate, "closings reported twice")
		check(r.Closings.Misordered, "closings out of order")
	}
	if r.Kind == measure.Counts {
		check(r.States.Missed, "states missed")
		check(r.States.Duplicate, "states reported twice")
		check(r.States.Misordered, "states out of order")
	}
	check(r.SentAfter, "datagrams sent after the close")
	check(r.DeliveredAfter, "datagrams delivered after the close")
	check(r.Leaked, "streams leaked")
	if r.NextStream == "no" {
		found = append(found, "the peer cannot open one stream more")
	}
	return found
}
