package measure

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

var (
	cellsFile = flag.String("cells", "", "play the cells of this `file` and print rows: what the command statedesigns does")
	patience  = flag.Duration("patience", time.Minute, "how long a cell may take")
)

// TestMeasure is the program that the command statedesigns builds and runs: only tests have bubbles of virtual time.
// Without a file of cells it plays the small experiment and asserts what the callback has to achieve.
func TestMeasure(t *testing.T) {
	if *cellsFile != "" {
		playFile(t, *cellsFile)
		return
	}
	for _, c := range QuickPlan(1).Grid(Build) {
		if c.Arm == Callback {
			t.Run(c.String(), func(t *testing.T) { assertFlawless(t, playCell(t, c)) })
		}
	}
}

func playFile(t *testing.T, file string) {
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var cells []Cell
	if err := json.Unmarshal(b, &cells); err != nil {
		t.Fatal(err)
	}
	for _, c := range cells {
		fmt.Println("\nstart")
		// A callback that waits for a lock stops the clock of the bubble: nothing in it can notice.
		watchdog := time.AfterFunc(*patience, func() {
			printRow(Row{Cell: c, Build: Build, Failure: fmt.Sprintf("hangs: not done after %v", *patience)})
			os.Exit(3)
		})
		row := playCell(t, c)
		watchdog.Stop()
		printRow(row)
	}
}

func printRow(r Row) {
	b, err := json.Marshal(r)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	fmt.Printf("\nrow %s\n", b)
}

// playCell plays a cell, in a bubble if it is one of virtual time.
func playCell(t *testing.T, c Cell) (row Row) {
	if c.Kind != Counts {
		return Run(c)
	}
	if _, err := certificate(); err != nil { // before the bubble, which would see the wait of another one
		t.Fatal(err)
	}
	t.Run(c.Workload, func(t *testing.T) {
		synctest.Test(t, func(*testing.T) { row = Run(c) })
	})
	return row
}

func assertFlawless(t *testing.T, r Row) {
	t.Helper()
	if r.Failure != "" {
		t.Fatal(r.Failure)
	}
	for name, c := range map[string]Count{"closings": r.Closings, "states": r.States} {
		if c.Expected == 0 || c.Missed+c.Duplicate+c.Misordered > 0 {
			t.Errorf("%s: %+v", name, c)
		}
	}
	if r.SentAfter+r.DeliveredAfter+r.Leaked > 0 {
		t.Errorf("%d datagrams sent and %d delivered after the close, %d streams leaked", r.SentAfter, r.DeliveredAfter, r.Leaked)
	}
	if r.NextStream == "no" {
		t.Error("the peer cannot open another stream")
	}
}
