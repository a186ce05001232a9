package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/quic-go/quic-go/integrationtests/statedesigns/measure"
)

const usage = `Usage: statedesigns [-quick] [-seed N] [-fault drop|remove|lock]

Compares four designs that tell a layer above QUIC of the states of streams, prints the tables, and writes them with plots
to docs/state-designs.md. Run it in the root directory of the module; it takes some minutes.

The exit status is 1 if the callback misses, repeats or misorders anything, lets a datagram pass after the close, costs
goroutines or allocations for transitions, or leaks a stream; and with a fault, if the fault is seen.

`

type options struct {
	quick bool
	seed  uint64
	fault string
}

func main() {
	var o options
	fs := flag.NewFlagSet("statedesigns", flag.ContinueOnError)
	fs.BoolVar(&o.quick, "quick", false, "play the small experiment, in seconds, and write no document")
	fs.Uint64Var(&o.seed, "seed", 1, "`seed` of the simulated networks")
	fs.StringVar(&o.fault, "fault", "", "put a `fault` into the library that is measured, and play the callback only")
	fs.Usage = func() {
		fmt.Fprint(fs.Output(), usage)
		fs.PrintDefaults()
	}
	if err := fs.Parse(os.Args[1:]); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			os.Exit(0)
		}
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	bad, err := run(ctx, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "statedesigns:", err)
		os.Exit(2)
	}
	if len(bad) > 0 {
		fmt.Printf("FAILED: the callback does not do what it has to:\n\n")
		for _, v := range bad {
			fmt.Println("-", v)
		}
		os.Exit(1)
	}
	fmt.Println("The callback missed, repeated and misordered nothing, and cost no goroutine and no allocation for a transition.")
}

// run plays what the options ask for. It returns what the callback has not achieved.
func run(ctx context.Context, o options) (bad []string, err error) {
	root, err := findRoot(ctx)
	if err != nil {
		return nil, err
	}
	tmp, err := os.MkdirTemp("", "statedesigns")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	if o.fault != "" {
		return runFault(ctx, &builder{root, tmp}, o)
	}
	return runAll(ctx, &builder{root, tmp}, o)
}

// runAll is the comparison.
func runAll(ctx context.Context, b *builder, o options) (bad []string, err error) {
	begin := time.Now()
	plan := measure.FullPlan(o.seed)
	if o.quick {
		plan = measure.QuickPlan(o.seed)
	}
	fmt.Fprintln(os.Stderr, "building")
	native, err := b.native(ctx, nil)
	if err != nil {
		return nil, err
	}
	rep := &report{seed: o.seed}
	programs := map[string]string{"native": native}
	if upstream, err := b.upstream(ctx); err != nil {
		rep.remarks = append(rep.remarks, fmt.Sprintf("**Without the completion rule**: quic-go v0.65.0 cannot be built here (%v).", err))
	} else {
		programs["v0.65.0"] = upstream
	}
	rows := play(ctx, b.tmp, plan, programs, o.quick)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	res := newResults(rows, plan)
	rep.took = time.Since(begin)
	var text bytes.Buffer
	for _, t := range res.tables() {
		t.write(&text)
	}
	rep.tables = text.String()
	for _, remark := range rep.remarks {
		fmt.Printf("%s\n\n", remark)
	}
	fmt.Print(rep.tables)
	if !o.quick {
		err = publish(ctx, b, res, rep)
	}
	return violations(rows), err
}

// play runs the grid on two processors, and then the cells of real time, one at a time unless it has to be quick.
func play(ctx context.Context, tmp string, plan measure.Plan, programs map[string]string, quick bool) []measure.Row {
	var grid, loopback []job
	r := &runner{tmp: tmp, patience: time.Minute, progress: &progress{out: os.Stderr, begin: time.Now()}}
	for _, build := range []string{"native", "v0.65.0"} {
		program := programs[build]
		if program == "" {
			continue
		}
		cells, real := plan.Grid(build), plan.Loopback(build)
		r.progress.total += len(cells) + len(real)
		grid = append(grid, job{program, build, cells}.split(12)...)
		loopback = append(loopback, job{program, build, real}.split(1)...) // a process of its own for each: the heap is new
	}
	r.run(ctx, grid, 2)
	alone := 1
	if quick {
		alone = 2 // its numbers are rough anyway
	}
	r.run(ctx, loopback, alone)
	return r.rows
}

// publish draws the plots and writes the document.
func publish(ctx context.Context, b *builder, res *results, rep *report) error {
	figures := res.figures()
	if err := draw(ctx, b.root, b.tmp, figures); err != nil {
		remark := fmt.Sprintf("**Without plots**: %v.", err)
		fmt.Printf("%s\n\n", remark)
		rep.remarks = append(rep.remarks, remark)
	} else {
		rep.figures = figures
	}
	return rep.write(b.root)
}

// runFault plays the callback on a library that has a fault.
func runFault(ctx context.Context, b *builder, o options) (bad []string, err error) {
	f, err := findFault(o.fault)
	if err != nil {
		return nil, err
	}
	fmt.Printf("fault %s: %s\n", f.name, f.what)
	program, err := b.native(ctx, f)
	if err != nil {
		return nil, err
	}
	var cells []measure.Cell
	for _, c := range measure.QuickPlan(o.seed).Grid("native") {
		if c.Arm == measure.Callback {
			cells = append(cells, c)
		}
	}
	r := &runner{tmp: b.tmp, patience: 5 * time.Second, progress: &progress{out: os.Stderr, begin: time.Now(), total: len(cells)}}
	r.run(ctx, job{program, "native", cells}.split(1), 2)
	return violations(r.rows), ctx.Err()
}
