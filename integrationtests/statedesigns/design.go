package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/quic-go/quic-go/integrationtests/statedesigns/measure"
)

// A design is a column of the tables: an arm in the build where it ships.
type design struct{ arm, build string }

// name is the head of the column.
func (d design) name() string {
	if d.build != "native" {
		return d.arm + ", " + d.build
	}
	return d.arm
}

// results are all rows of a run.
type results struct {
	rows    []measure.Row
	designs []design
	plan    measure.Plan
}

func newResults(rows []measure.Row, plan measure.Plan) *results {
	r := &results{rows: rows, plan: plan}
	for _, build := range []string{"native", "v0.65.0"} {
		for _, arm := range measure.Arms(build) {
			d := design{arm, build}
			if slices.ContainsFunc(rows, func(row measure.Row) bool { return row.Arm == arm && row.Build == build }) {
				r.designs = append(r.designs, d)
			}
		}
	}
	return r
}

// of returns the rows of a design, kind and workload.
func (r *results) of(d design, kind measure.Kind, workload string) (rows []measure.Row) {
	for _, row := range r.rows {
		if row.Arm == d.arm && row.Build == d.build && row.Kind == kind && row.Workload == workload {
			rows = append(rows, row)
		}
	}
	return rows
}

// failed returns a cell that says so if a row has no result.
func failed(rows []measure.Row) string {
	switch {
	case len(rows) == 0:
		return "not measured"
	case slices.ContainsFunc(rows, func(r measure.Row) bool { return r.Failure != "" }):
		return "FAILED"
	}
	return ""
}

func total(rows []measure.Row, f func(measure.Row) measure.Count) (c measure.Count) {
	for _, r := range rows {
		d := f(r)
		c.Expected += d.Expected
		c.Missed += d.Missed
		c.Duplicate += d.Duplicate
		c.Misordered += d.Misordered
	}
	return c
}

func sum(rows []measure.Row, f func(measure.Row) int) (n int) {
	for _, r := range rows {
		n += f(r)
	}
	return n
}

// worst returns the longest of durations.
func worst(rows []measure.Row, f func(measure.Row) time.Duration) (d time.Duration) {
	for _, r := range rows {
		d = max(d, f(r))
	}
	return d
}

// best returns the shortest, 0 if there are none.
func best(rows []measure.Row, f func(measure.Row) time.Duration) (d time.Duration) {
	for i, r := range rows {
		if v := f(r); i == 0 || v < d {
			d = v
		}
	}
	return d
}

func closings(r measure.Row) measure.Count { return r.Closings }
func states(r measure.Row) measure.Count   { return r.States }

// counts formats a count: what was missed, reported twice, and out of order.
func counts(rows []measure.Row, f func(measure.Row) measure.Count) string {
	if s := failed(rows); s != "" {
		return s
	}
	c := total(rows, f)
	if c.Expected == 0 {
		return "-"
	}
	return fmt.Sprintf("%d / %d / %d", c.Missed, c.Duplicate, c.Misordered)
}

// length formats a duration with three digits.
func length(d time.Duration) string {
	switch {
	case d <= 0:
		return "0"
	case d < time.Microsecond:
		return fmt.Sprintf("%d ns", d.Nanoseconds())
	case d < time.Millisecond:
		return fmt.Sprintf("%.3g µs", float64(d)/float64(time.Microsecond))
	case d < time.Second:
		return fmt.Sprintf("%.3g ms", float64(d)/float64(time.Millisecond))
	}
	return fmt.Sprintf("%.3g s", d.Seconds())
}
