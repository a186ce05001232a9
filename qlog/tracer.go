package qlog

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/quic-go/quic-go/qlogwriter"
)

// EventSchema is the schema of the events of this package.
const EventSchema = "urn:ietf:params:qlog:events:quic-14"

func init() { qlogwriter.RegisterEventSchema(EventSchema) }

// DefaultConnectionTracer is a quic.Config.Tracer. It writes the trace of each connection to a file
// "<original destination connection ID>_<client or server>.sqlog" in the directory named by the environment
// variable QLOGDIR, which it creates if need be. Without the variable it returns nil. If QLOG_STREAM_STATES is not empty,
// the states of streams are part of the trace, see WithStreamStates.
func DefaultConnectionTracer(_ context.Context, isClient bool, connID ConnectionID) qlogwriter.Trace {
	dir := os.Getenv("QLOGDIR")
	if dir == "" {
		return nil
	}
	f, err := createFile(dir, isClient, connID)
	if err != nil {
		log.Printf("qlog: a connection goes without its trace: %v", err)
		return nil
	}
	trace := qlogwriter.NewConnectionFileSeq(f, isClient, connID)
	go trace.Run()
	if os.Getenv("QLOG_STREAM_STATES") != "" {
		return streamStateTrace{trace}
	}
	return trace
}

func createFile(dir string, isClient bool, connID ConnectionID) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	side := "server"
	if isClient {
		side = "client"
	}
	return os.Create(filepath.Join(dir, fmt.Sprintf("%s_%s.sqlog", connID, side)))
}
