package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/qlogwriter"
)

// A logger writes the trace of each connection to a file in dir, which it makes. Without a dir it writes nothing.
type logger struct {
	dir     string
	running sync.WaitGroup
}

// trace is a quic.Config.Tracer.
func (l *logger) trace(_ context.Context, isClient bool, id quic.ConnectionID) qlogwriter.Trace {
	if l.dir == "" {
		return nil
	}
	side := "server"
	if isClient {
		side = "client"
	}
	os.MkdirAll(l.dir, 0o755) // Create says what is wrong
	f, err := os.Create(filepath.Join(l.dir, fmt.Sprintf("%s_%s.sqlog", id, side)))
	if err != nil {
		fmt.Fprintln(os.Stderr, "datagrams:", err)
		return nil
	}
	trace := qlogwriter.NewConnectionFileSeq(f, isClient, id)
	l.running.Go(trace.Run)
	return trace
}
