package main

import (
	"fmt"
	"time"

	"github.com/quic-go/quic-go/integrationtests/statedesigns/measure"
)

// tables returns all tables of the report, in its order.
func (r *results) tables() []*table {
	return []*table{
		r.closingsTable(), r.statesTable(), r.datagramsTable(), r.leaksTable(), r.latencyTable(), r.costTable(), r.lossesTable(), r.gridTable(),
	}
}

// header returns the head of a table with a column for each design.
func (r *results) header(first ...string) []string {
	for _, d := range r.designs {
		first = append(first, d.name())
	}
	return first
}

func (r *results) closingsTable() *table {
	t := &table{
		title: "What a datagram layer has to know",
		about: []string{
			"Each half of each stream closes once. The cells are closings missed / reported twice / reported too early or out of",
			"order, summed over all networks. Missed is what was not reported 10 s and 20 RTTs after its cause.",
		},
		header: r.header("workload", "closings"),
	}
	for _, w := range measure.Workloads {
		row := []string{w, ""}
		for _, d := range r.designs {
			rows := r.of(d, measure.Counts, w)
			if n := total(rows, closings).Expected; row[1] == "" && n > 0 {
				row[1] = fmt.Sprint(n)
			}
			row = append(row, counts(rows, closings))
		}
		t.add(row...)
	}
	return t
}

func (r *results) statesTable() *table {
	t := &table{
		title: "All states",
		about: []string{
			"The same for every state of RFC 9000, Section 3, the extensions, and the end of the stream. Only designs fed by the",
			"library can know them.",
		},
		header: []string{"workload"},
	}
	var reporting []design
	for _, d := range r.designs {
		if d.arm == measure.Channel || d.arm == measure.ChannelUnread || d.arm == measure.Callback {
			reporting = append(reporting, d)
			t.header = append(t.header, d.name())
		}
	}
	t.header = append(t.header, "states, callback")
	for _, w := range measure.Workloads {
		row := []string{w}
		n := 0
		for _, d := range reporting {
			rows := r.of(d, measure.Counts, w)
			row = append(row, counts(rows, states))
			n = total(rows, states).Expected
		}
		t.add(append(row, fmt.Sprint(n))...)
	}
	return t
}

func (r *results) datagramsTable() *table {
	t := &table{
		title: "Datagrams after the close",
		about: []string{
			"Of the workload \"" + measure.DatagramLoad + "\". Sent: datagrams in a packet behind the FIN or RESET_STREAM of their stream, of all that",
			"the layer gave to the library. Delivered: datagrams that arrived behind what closed the receive half and yet reached the",
			"application, of all that did.",
		},
		header: r.header("", "loss", "RTT"),
	}
	add := func(what string, f func(measure.Row) (int, int)) {
		for _, n := range r.plan.Networks() {
			row := []string{what, percent(n.Loss), length(n.RTT)}
			for _, d := range r.designs {
				row = append(row, ofAll(in(r.of(d, measure.Counts, measure.DatagramLoad), n), f))
			}
			t.add(row...)
		}
	}
	add("sent", func(r measure.Row) (int, int) { return r.SentAfter, r.Datagrams })
	add("delivered", func(r measure.Row) (int, int) { return r.DeliveredAfter, r.Delivered })
	t.notes = []string{"The callback sends through Stream.SendDatagram, whose queue knows the state of the stream; the other designs have " +
		"Conn.SendDatagram, as any layer on v0.65.0 has. What the callback alone would achieve is in the table of losses."}
	return t
}

// in returns the rows of a network.
func in(rows []measure.Row, n measure.Network) (found []measure.Row) {
	for _, r := range rows {
		if r.Loss == n.Loss && r.RTT == n.RTT {
			found = append(found, r)
		}
	}
	return found
}

func percent(p float64) string { return fmt.Sprintf("%g %%", 100*p) }

func ofAll(rows []measure.Row, f func(measure.Row) (int, int)) string {
	if s := failed(rows); s != "" {
		return s
	}
	part := sum(rows, func(r measure.Row) int { n, _ := f(r); return n })
	all := sum(rows, func(r measure.Row) int { _, n := f(r); return n })
	return fmt.Sprintf("%d of %d", part, all)
}

// leakingWorkloads are those after which all streams are over while the connection lives.
var leakingWorkloads = []string{
	measure.Normal, measure.ResetNeverRead, measure.StopNeverWritten, measure.Churn, measure.TwoLayers, measure.EarlyRejected,
}

func (r *results) leaksTable() *table {
	t := &table{
		title: "Streams that are over",
		about: []string{
			"Entries of streams that are over and still in the layer's map, summed over all networks, and in how many of the networks",
			"the peer could then open one stream more than its limit had allowed at first. That the completion rule leaks no entry does",
			"not say that the library has forgotten the stream: it tells nobody, the limit shows it.",
		},
		header: r.header("workload", ""),
	}
	for _, w := range leakingWorkloads {
		leaked, next := []string{w, "leaked"}, []string{w, "limit + 1"}
		for _, d := range r.designs {
			rows := r.of(d, measure.Counts, w)
			leaked = append(leaked, ofAll(rows, func(r measure.Row) (int, int) { return r.Leaked, r.Closings.Expected / 2 }))
			asked := sum(rows, func(r measure.Row) int { return one(r.NextStream != "") })
			yes := sum(rows, func(r measure.Row) int { return one(r.NextStream == "yes") })
			next = append(next, fmt.Sprintf("%d of %d", yes, asked))
		}
		t.add(leaked...)
		if w != measure.EarlyRejected {
			t.add(next...)
		}
	}
	return t
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (r *results) latencyTable() *table {
	t := &table{
		title: "From cause to observer",
		about: []string{
			"The 50th and 99th percentile of the time from the frame or call that closes a half until the layer knows, of the closings that",
			"were not missed. In the simulated network: virtual time, in which only waiting counts, the worst network. On loopback: real time, the",
			"best of the runs.",
		},
		header: r.header("workload", ""),
		notes: []string{"v0.65.0 tells its log of a packet when it has handled the frames, so that reports come before their logged cause: there is no latency on " +
			"loopback for it."},
	}
	for _, w := range measure.Workloads {
		row := []string{w, "simulated"}
		for _, d := range r.designs {
			row = append(row, delays(r.of(d, measure.Counts, w), worst))
		}
		t.add(row...)
	}
	for _, w := range []string{measure.Normal, measure.ResetNeverRead, measure.StopNeverWritten} {
		row := []string{w, "loopback"}
		for _, d := range r.designs {
			rows := r.of(d, measure.Latency, w)
			if d.build != "native" {
				rows = nil
			}
			row = append(row, delays(rows, best))
		}
		t.add(row...)
	}
	return t
}

// delays formats two percentiles. pick chooses one of several rows.
func delays(rows []measure.Row, pick func([]measure.Row, func(measure.Row) time.Duration) time.Duration) string {
	c := total(rows, closings)
	switch {
	case len(rows) == 0:
		return "-"
	case failed(rows) != "":
		return failed(rows)
	case c.Missed == c.Expected:
		return "never"
	}
	text := length(pick(rows, func(r measure.Row) time.Duration { return r.P50 })) + " / " +
		length(pick(rows, func(r measure.Row) time.Duration { return r.P99 }))
	if c.Missed > 0 {
		text += fmt.Sprintf(", %.2g %% never", 100*float64(c.Missed)/float64(c.Expected))
	}
	return text
}

// gridTable is the whole grid.
func (r *results) gridTable() *table {
	t := &table{
		title:  "All networks",
		about:  []string{"Closings missed / reported twice / too early or out of order in each network."},
		header: r.header("workload", "loss", "RTT"),
	}
	for _, w := range measure.Workloads {
		for _, n := range r.plan.Networks() {
			row := []string{w, percent(n.Loss), length(n.RTT)}
			for _, d := range r.designs {
				row = append(row, counts(in(r.of(d, measure.Counts, w), n), closings))
			}
			t.add(row...)
		}
	}
	return t
}
