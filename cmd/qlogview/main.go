package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

const usage = `Usage: qlogview [-o OUT.html] FILE...

Writes one HTML page that shows the connections of qlog files, by default FILE.html. Several files, such as those of
client and server, become one page with a tab for each. The page needs no network.

FILE is a qlog file as JSON-SEQ (.sqlog), as one JSON object per line, or as one JSON object with traces (.qlog).

`

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run returns the exit status.
func run(args []string, stdout, stderr io.Writer) int {
	fs := flag.NewFlagSet("qlogview", flag.ContinueOnError)
	fs.SetOutput(stderr)
	out := fs.String("o", "", "write the page to `file`")
	fs.Usage = func() {
		fmt.Fprint(fs.Output(), usage)
		fs.PrintDefaults()
	}
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	if fs.NArg() == 0 {
		fmt.Fprintln(stderr, "qlogview: no file given")
		fs.Usage()
		return 2
	}
	if *out == "" {
		*out = fs.Arg(0) + ".html"
	}
	if err := convert(*out, fs.Args()); err != nil {
		fmt.Fprintln(stderr, "qlogview:", err)
		return 1
	}
	fmt.Fprintln(stdout, *out)
	return 0
}

// convert writes the page of the files.
func convert(out string, files []string) error {
	var traces []*trace
	for _, name := range files {
		if same(name, out) {
			return fmt.Errorf("%s is input and output", name)
		}
		t, err := readFile(name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		traces = append(traces, t...)
	}
	align(traces)
	f, err := os.Create(out)
	if err != nil {
		return err
	}
	return errors.Join(writePage(f, traces), f.Close())
}

func same(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}

func readFile(name string) ([]*trace, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readTraces(f, filepath.Base(name))
}
