package endpoint

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/qlogwriter"
)

// Traces writes traces like qlog.DefaultConnectionTracer, for processes that exit right behind the end of their connections.
// The zero value is ready for use.
type Traces struct {
	open sync.WaitGroup
}

// Tracer is a quic.Config.Tracer.
func (t *Traces) Tracer(_ context.Context, isClient bool, connID quic.ConnectionID) qlogwriter.Trace {
	dir := os.Getenv("QLOGDIR")
	if dir == "" {
		return nil
	}
	side := "server"
	if isClient {
		side = "client"
	}
	f, err := create(dir, fmt.Sprintf("%s_%s.sqlog", connID, side))
	if err != nil {
		log.Printf("a connection goes without its trace: %v", err)
		return nil
	}
	trace := qlogwriter.NewConnectionFileSeq(f, isClient, connID)
	t.open.Go(trace.Run)
	return trace
}

func create(dir, name string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	return os.Create(filepath.Join(dir, name))
}

// maxWait bounds the wait for files that are not written any more.
const maxWait = 5 * time.Second

// Wait waits until all files are written. Their connections must have ended.
func (t *Traces) Wait() {
	written := make(chan struct{})
	go func() {
		t.open.Wait()
		close(written)
	}()
	select {
	case <-written:
	case <-time.After(maxWait):
	}
}
