package main

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/quic-go/quic-go/integrationtests/statedesigns/measure"
)

func (r *results) costTable() *table {
	t := &table{
		title: "Cost",
		about: []string{
			"On loopback, without logs, both endpoints in one process: what a design adds to the same build without observers, except for the",
			"rows that begin with \"all\". Processor time is that of the process. Negative numbers are noise.",
		},
		header: r.header("what"),
	}
	costs := make([]cost, len(r.designs))
	for i, d := range r.designs {
		costs[i] = costOf(r.rows, d.build, d.arm)
	}
	add := func(what string, f func(design, cost) string) {
		row := []string{what}
		for i, d := range r.designs {
			if costs[i].measured {
				row = append(row, f(d, costs[i]))
				continue
			}
			row = append(row, "not measured")
		}
		t.add(row...)
	}
	streams := float64(r.plan.Closing)
	add(fmt.Sprintf("goroutines a stream, %d open", r.plan.Closing), func(_ design, c cost) string { return decimals(c.held/streams, 3) })
	add(fmt.Sprintf("goroutines at the end of a connection with %d streams", r.plan.Closing), func(_ design, c cost) string { return decimals(c.peak, 0) })
	add("allocations a stream, churn", func(_ design, c cost) string { return decimals(c.perStream, 2) })
	add("allocations a transition, end of a connection", func(_ design, c cost) string { return decimals(c.perTransition, 3) })
	add("processor time a transition, end of a connection", func(d design, c cost) string {
		if d.arm == measure.ChannelUnread {
			return "never read"
		}
		return nanoseconds(c.transition)
	})
	add(fmt.Sprintf("all: processor time a stream, churn of %d", r.plan.Churning), func(d design, _ cost) string {
		return length(time.Duration(smallest(r.rows, d.build, d.arm, measure.Churn, timeOfStream))) + ", none " +
			length(time.Duration(smallest(r.rows, d.build, measure.None, measure.Churn, timeOfStream)))
	})
	for _, w := range []string{measure.Churn, measure.ResetNeverRead, measure.StopNeverWritten} {
		add("all: heap bytes a stream that is over, "+w, func(d design, _ cost) string {
			if s := failed(r.of(d, measure.Cost, w)); s != "" {
				return s
			}
			return fmt.Sprintf("%.0f", smallest(r.rows, d.build, d.arm, w, func(r measure.Row) float64 { return float64(r.Heap) / float64(r.Streams) }))
		})
		add("all: the peer can open limit + 1, "+w, func(d design, _ cost) string {
			rows := r.of(d, measure.Cost, w)
			if s := failed(rows); s != "" {
				return s
			}
			return rows[0].NextStream
		})
	}
	return t
}

func timeOfStream(r measure.Row) float64 { return float64(r.CPU) / float64(r.Streams) }

// decimals formats x with n digits behind the point; what rounds to zero has no sign.
func decimals(x float64, n int) string {
	scale := math.Pow10(n)
	return strconv.FormatFloat(math.Round(x*scale)/scale+0, 'f', n, 64)
}

// nanoseconds formats a small difference, which may be negative.
func nanoseconds(d time.Duration) string { return fmt.Sprintf("%d ns", d.Nanoseconds()) }

// lossesTable is about what the callback is worse at.
func (r *results) lossesTable() *table {
	t := &table{
		title: "Where the callback loses",
		about: []string{
			"A callback runs on the loop of its connection, so that a slow one delays everything else there; a channel has a goroutine for it.",
			"And it is only told: without a queue that looks at the state again, datagrams that were queued before still leave. A wrapper knows at",
			"once what the application itself does, the callback after the next turn of the loop.",
		},
		header: []string{"what", "callback", "instead"},
	}
	row := func(arm string) measure.Row {
		rows := r.of(design{arm, "native"}, measure.Counts, measure.SlowObserver)
		if len(rows) == 0 {
			return measure.Row{}
		}
		return rows[0]
	}
	slow, other := row(measure.Callback), row(measure.Channel)
	t.add("one observer takes 5 ms for each state: delay of the others, p50 / p99",
		length(slow.P50)+" / "+length(slow.P99), "channel: "+length(other.P50)+" / "+length(other.P99))
	normal := func(arm string) string {
		return delays(r.of(design{arm, "native"}, measure.Latency, measure.Normal), best)
	}
	t.add("half of the closings are calls of the application: delay on loopback, p50 / p99", normal(measure.Callback), "wrapper: "+normal(measure.Wrapper))
	c := costOf(r.rows, "native", measure.Callback)
	t.add("processor time a transition with an observer", nanoseconds(c.transition), "without one: 0")
	t.add("allocations a stream, among them the entry in the layer's map", decimals(c.perStream, 2), "without one: 0")
	alone := design{measure.CallbackConn, "native"}
	for _, rtt := range r.plan.RTTs {
		rows := in(r.of(alone, measure.Counts, measure.DatagramLoad), measure.Network{Loss: r.plan.Losses[0], RTT: rtt})
		with := in(r.of(design{measure.Callback, "native"}, measure.Counts, measure.DatagramLoad), measure.Network{Loss: r.plan.Losses[0], RTT: rtt})
		sent := func(r measure.Row) (int, int) { return r.SentAfter, r.Datagrams }
		t.add("datagrams sent after the close with Conn.SendDatagram, RTT "+length(rtt), ofAll(rows, sent), "Stream.SendDatagram: "+ofAll(with, sent))
	}
	t.add("calls that may block (Read, Write, Open, Accept, SendDatagram, CloseWithError)", "forbidden inside", "channel: allowed")
	return t
}
