package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go/integrationtests/statedesigns/measure"
)

const testRoot = "../.."

// The faults fit the library as it is: each changes one line.
func TestFaultsFit(t *testing.T) {
	for _, f := range faults {
		dir := t.TempDir()
		o, err := f.overlay(testRoot, dir)
		if err != nil {
			t.Error(err)
			continue
		}
		path := filepath.Join(testRoot, f.file)
		before, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		after, err := os.ReadFile(o.Replace[path])
		if err != nil {
			t.Fatal(err)
		}
		was, is := strings.Split(string(before), "\n"), strings.Split(string(after), "\n")
		changed := 0
		for i := range was {
			if was[i] != is[i] {
				changed++
			}
		}
		if len(was) != len(is) || changed != 1 {
			t.Errorf("fault %s changes %d lines", f.name, changed)
		}
	}
}

func TestFaultThatDoesNotFit(t *testing.T) {
	f := fault{name: "test", file: "x.go", old: "call()", new: "nothing()"}
	for text, want := range map[string]string{"call()": "nothing()", "other()": "", "call(); call()": ""} {
		if got, err := f.apply(text); got != want || (err != nil) != (want == "") {
			t.Errorf("apply(%q) = %q, %v, want %q", text, got, err, want)
		}
	}
	if _, err := findFault("drop"); err != nil {
		t.Error(err)
	}
	if _, err := findFault("dorp"); err == nil {
		t.Error("an unknown fault is accepted")
	}
}

// goodRows are rows of a callback that does what it has to.
func goodRows() []measure.Row {
	cell := func(kind measure.Kind, workload, arm string) measure.Cell {
		return measure.Cell{Kind: kind, Workload: workload, Arm: arm, Streams: 1000}
	}
	good := measure.Count{Expected: 2000}
	return []measure.Row{
		{Cell: cell(measure.Counts, measure.Normal, measure.Callback), Build: "native", Closings: good, States: good, NextStream: "yes"},
		{Cell: cell(measure.Cost, measure.ConnectionClose, measure.None), Build: "native", CloseMallocs: 500, Peak: 3},
		{Cell: cell(measure.Cost, measure.ConnectionClose, measure.Callback), Build: "native", CloseMallocs: 503, Peak: 4},
		{Cell: cell(measure.Counts, measure.Normal, measure.Wrapper), Build: "native", Closings: measure.Count{Missed: 9}, Leaked: 9},
	}
}

func TestVerdict(t *testing.T) {
	if got := violations(goodRows()); len(got) > 0 {
		t.Errorf("good rows: %q", got)
	}
	tests := []struct {
		name  string
		spoil func(rows []measure.Row)
	}{
		{"a failed cell", func(r []measure.Row) { r[0].Failure = "hangs" }},
		{"a closing missed", func(r []measure.Row) { r[0].Closings.Missed = 1 }},
		{"a closing twice", func(r []measure.Row) { r[0].Closings.Duplicate = 1 }},
		{"a closing too early", func(r []measure.Row) { r[0].Closings.Misordered = 1 }},
		{"a state missed", func(r []measure.Row) { r[0].States.Missed = 1 }},
		{"a state twice", func(r []measure.Row) { r[0].States.Duplicate = 1 }},
		{"a state too early", func(r []measure.Row) { r[0].States.Misordered = 1 }},
		{"a datagram sent after the close", func(r []measure.Row) { r[0].SentAfter = 1 }},
		{"a datagram delivered after the close", func(r []measure.Row) { r[0].DeliveredAfter = 1 }},
		{"a stream leaked", func(r []measure.Row) { r[0].Leaked = 1 }},
		{"no further stream", func(r []measure.Row) { r[0].NextStream = "no" }},
		{"a goroutine", func(r []measure.Row) { r[2].Goroutines = 1 }},
		{"a burst of goroutines", func(r []measure.Row) { r[2].Peak = 100 }},
		{"an allocation for each transition", func(r []measure.Row) { r[2].CloseMallocs = 3500 }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rows := goodRows()
			tt.spoil(rows)
			if got := violations(rows); len(got) != 1 {
				t.Errorf("violations() = %q, want one", got)
			}
		})
	}
}

func TestTable(t *testing.T) {
	table := table{title: "Title", about: []string{"About."}, header: []string{"a", "long head"}, notes: []string{"Note."}}
	table.add("µs", "1")
	var b strings.Builder
	table.write(&b)
	const want = "## Title\n\nAbout.\n\n| a  | long head |\n| -- | --------- |\n| µs | 1         |\n\nNote.\n\n"
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

// All tables and figures can be made of any rows, also if columns and cells are missing.
func TestTablesOfFewRows(t *testing.T) {
	for _, rows := range [][]measure.Row{nil, goodRows()} {
		r := newResults(rows, measure.QuickPlan(1))
		for _, table := range r.tables() {
			for _, row := range table.rows {
				if len(row) != len(table.header) {
					t.Errorf("%s: row %q has %d cells, the head has %d", table.title, row, len(row), len(table.header))
				}
			}
		}
		for _, f := range r.figures() {
			for _, s := range f.Series {
				if len(s.Values) != len(f.Groups) {
					t.Errorf("%s: %d bars of %s in %d groups", f.File, len(s.Values), s.Name, len(f.Groups))
				}
			}
		}
	}
}

func TestLength(t *testing.T) {
	tests := map[time.Duration]string{
		-5: "0", 0: "0", 999: "999 ns", 1500: "1.5 µs", 123456 * time.Microsecond: "123 ms", 20 * time.Millisecond: "20 ms", 2 * time.Second: "2 s",
	}
	for d, want := range tests {
		if got := length(d); got != want {
			t.Errorf("length(%d) = %q, want %q", d, got, want)
		}
	}
}

func TestDecimals(t *testing.T) {
	for x, want := range map[float64]string{-0.0001: "0.000", 0: "0.000", 1.23456: "1.235", -2: "-2.000"} {
		if got := decimals(x, 3); got != want {
			t.Errorf("decimals(%g) = %q, want %q", x, got, want)
		}
	}
}

// A measuring program that dies or hangs costs the cell that it was at, and no other.
func TestRunnerSurvives(t *testing.T) {
	if os.Getenv("STATEDESIGNS_TEST") != "" {
		t.Skip("only in the parent")
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("STATEDESIGNS_TEST", "1") // the test binary is no measuring program: it prints no rows
	r := &runner{tmp: t.TempDir(), patience: time.Second, progress: &progress{out: io.Discard}}
	cells := []measure.Cell{{Workload: "first"}, {Workload: "second"}}
	r.run(t.Context(), job{program, "native", cells}.split(5), 1)
	if len(r.rows) != 2 || r.rows[0].Failure == "" || r.rows[1].Workload != "second" || r.rows[1].Failure == "" {
		t.Errorf("rows %+v", r.rows)
	}
}

func TestRunnerReadsRows(t *testing.T) {
	r := &runner{progress: &progress{out: io.Discard}}
	rows, other := r.read(strings.NewReader("\nstart\n\nrow {\"Workload\":\"first\",\"Leaked\":3}\nrow {broken\npanic: boom\nPASS\n"))
	if len(rows) != 1 || rows[0].Leaked != 3 || other != "panic: boom" {
		t.Errorf("read() = %+v, %q", rows, other)
	}
}

func TestSplit(t *testing.T) {
	pieces := job{cells: make([]measure.Cell, 7)}.split(3)
	if len(pieces) != 3 || len(pieces[0].cells) != 3 || len(pieces[2].cells) != 1 {
		t.Errorf("split() = %v", pieces)
	}
}
