package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/quic-go/quic-go/integrationtests/statedesigns/measure"
)

// A job is cells for one measuring program.
type job struct {
	program string
	build   string
	cells   []measure.Cell
}

// A runner plays jobs.
type runner struct {
	tmp      string
	patience time.Duration // how long a cell may take
	progress *progress

	mu   sync.Mutex // guards what follows
	rows []measure.Row
	jobs int
}

// split cuts a job in pieces of at most n cells.
func (j job) split(n int) (pieces []job) {
	for len(j.cells) > n {
		pieces = append(pieces, job{j.program, j.build, j.cells[:n]})
		j.cells = j.cells[n:]
	}
	return append(pieces, j)
}

// run plays jobs, parallel of them at a time.
func (r *runner) run(ctx context.Context, jobs []job, parallel int) {
	queue := make(chan job)
	var workers sync.WaitGroup
	for range parallel {
		workers.Go(func() {
			for j := range queue {
				r.play(ctx, j)
			}
		})
	}
	for _, j := range jobs {
		queue <- j
	}
	close(queue)
	workers.Wait()
}

// play runs the program until all cells have a row: it ends early if one crashes or hangs.
func (r *runner) play(ctx context.Context, j job) {
	for len(j.cells) > 0 && ctx.Err() == nil {
		rows, err := r.start(ctx, j)
		if len(rows) < len(j.cells) && (len(rows) == 0 || rows[len(rows)-1].Failure == "") {
			failed := measure.Row{Cell: j.cells[len(rows)], Build: j.build, Failure: fmt.Sprintf("the program ended: %v", err)}
			rows = append(rows, failed)
			r.progress.done(failed)
		}
		j.cells = j.cells[min(len(rows), len(j.cells)):]
		r.mu.Lock()
		r.rows = append(r.rows, rows...)
		r.mu.Unlock()
	}
}

// start runs the program once and returns the rows that it has printed.
func (r *runner) start(ctx context.Context, j job) ([]measure.Row, error) {
	text, err := json.Marshal(j.cells)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	r.jobs++
	file := filepath.Join(r.tmp, fmt.Sprintf("cells-%d.json", r.jobs))
	r.mu.Unlock()
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, j.program, "-test.run", "^TestMeasure$", "-test.timeout", "0", "-cells", file, "-patience", r.patience.String())
	cmd.Env = append(os.Environ(), "QUIC_GO_DISABLE_RECEIVE_BUFFER_WARNING=true")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	rows, last := r.read(out)
	if err := cmd.Wait(); err != nil {
		return rows, fmt.Errorf("%w: %s", err, last)
	}
	return rows, nil
}

// read takes rows from the output of a program, and the first line that is something else.
func (r *runner) read(out io.Reader) (rows []measure.Row, other string) {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		text, isRow := strings.CutPrefix(lines.Text(), "row ")
		var row measure.Row
		switch {
		case isRow && json.Unmarshal([]byte(text), &row) == nil:
			rows = append(rows, row)
			r.progress.done(row)
		case other == "" && strings.Contains(lines.Text(), "panic"):
			other = lines.Text()
		}
	}
	return rows, other
}

// progress says how far the experiment is.
type progress struct {
	out   io.Writer
	total int
	begin time.Time

	mu    sync.Mutex // guards what follows
	count int
	last  time.Time
}

// done is told of each row. It prints failures at once, and otherwise a line every few seconds.
func (p *progress) done(r measure.Row) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count++
	if r.Failure != "" {
		fmt.Fprintf(p.out, "%s (%s): %s\n", r.Cell, r.Build, r.Failure)
	}
	if time.Since(p.last) < 5*time.Second && p.count < p.total {
		return
	}
	p.last = time.Now()
	fmt.Fprintf(p.out, "%4d of %d cells after %3.0f s, last %s\n", p.count, p.total, time.Since(p.begin).Seconds(), r.Cell)
}
