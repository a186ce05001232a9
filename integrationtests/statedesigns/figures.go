package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/quic-go/quic-go/integrationtests/statedesigns/measure"
)

// A figure is a bar chart: a group of bars for each name, one bar of each series in a group. The program in plots
// reads figures.
type figure struct {
	File   string
	Title  string
	Y      string
	Groups []string
	Series []series
}

// A negative value is none.
type series struct {
	Name   string
	Colour int
	Values []float64
}

// figures returns what is drawn.
func (r *results) figures() []figure {
	missed := figure{File: "missed", Title: "Closings that the layer never hears of", Y: "percent", Groups: measure.Workloads}
	sent := figure{File: "sent-after-close", Title: "Datagrams sent after the close, no loss", Y: "datagrams of a stream"}
	late := figure{File: "delivered-after-close", Title: "Datagrams delivered after the close, no loss", Y: "datagrams of a stream"}
	latency := figure{
		File: "latency", Title: "From cause to observer, loopback, 99th percentile of closings not missed", Y: "microseconds",
		Groups: []string{measure.Normal, measure.ResetNeverRead, measure.StopNeverWritten},
	}
	burst := figure{
		File: "goroutines", Title: fmt.Sprintf("Goroutines that a design adds, %d streams", r.plan.Closing), Y: "goroutines",
		Groups: []string{"while they are open", "at the end of the connection"},
	}
	for _, rtt := range r.plan.RTTs {
		sent.Groups = append(sent.Groups, "RTT "+length(rtt))
	}
	late.Groups = sent.Groups
	for i, d := range r.designs {
		missed.Series = append(missed.Series, series{d.name(), i, r.missedShares(d)})
		if d.arm != measure.ChannelUnread { // it never knows anything, and would hide the others
			sent.Series = append(sent.Series, series{d.name(), i, r.datagramsOf(d, func(row measure.Row) int { return row.SentAfter })})
			late.Series = append(late.Series, series{d.name(), i, r.datagramsOf(d, func(row measure.Row) int { return row.DeliveredAfter })})
		}
		c := costOf(r.rows, d.build, d.arm)
		burst.Series = append(burst.Series, series{d.name(), i, []float64{max(c.held, 0), max(c.peak, 0)}})
		if d.build == "native" && d.arm != measure.ChannelUnread {
			latency.Series = append(latency.Series, series{d.name(), i, r.latencies(d, latency.Groups)})
		}
	}
	return []figure{missed, sent, late, latency, burst}
}

func (r *results) missedShares(d design) (values []float64) {
	for _, w := range measure.Workloads {
		c := total(r.of(d, measure.Counts, w), closings)
		values = append(values, 100*float64(c.Missed)/float64(max(c.Expected, 1)))
	}
	return values
}

func (r *results) datagramsOf(d design, f func(measure.Row) int) (values []float64) {
	for _, rtt := range r.plan.RTTs {
		rows := in(r.of(d, measure.Counts, measure.DatagramLoad), measure.Network{Loss: r.plan.Losses[0], RTT: rtt})
		streams := sum(rows, func(r measure.Row) int { return r.Streams })
		values = append(values, float64(sum(rows, f))/float64(max(streams, 1)))
	}
	return values
}

func (r *results) latencies(d design, workloads []string) (values []float64) {
	for _, w := range workloads {
		rows := r.of(d, measure.Latency, w)
		if c := total(rows, closings); c.Missed > c.Expected/10 {
			values = append(values, -1) // what is left says nothing
			continue
		}
		p99 := best(rows, func(r measure.Row) time.Duration { return r.P99 })
		values = append(values, float64(p99)/float64(time.Microsecond))
	}
	return values
}

// draw runs the program in plots, which has a module of its own: so the plotting library is no requirement of this one.
func draw(ctx context.Context, root, tmp string, figures []figure) error {
	text, err := json.Marshal(figures)
	if err != nil {
		return err
	}
	file := filepath.Join(tmp, "figures.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "run", ".", "-figures", file, "-out", filepath.Join(root, plotsOut))
	cmd.Dir = filepath.Join(root, plotsDir)
	cmd.Env = append(os.Environ(), "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, firstLine(out))
	}
	return nil
}
