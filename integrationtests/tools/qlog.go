package tools

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"sync/atomic"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/qlogwriter"
)

// NewQlogConnectionTracer returns a quic.Config.Tracer that writes the trace of each connection to a file
// "log_<connection ID>_<client or server>.qlog" in the working directory. It tells logger about each file.
func NewQlogConnectionTracer(logger io.Writer) func(ctx context.Context, isClient bool, connID quic.ConnectionID) qlogwriter.Trace {
	return func(_ context.Context, isClient bool, connID quic.ConnectionID) qlogwriter.Trace {
		side := "server"
		if isClient {
			side = "client"
		}
		f := createLog(fmt.Sprintf("log_%s_%s.qlog", connID, side), logger)
		if f == nil {
			return nil
		}
		trace := qlogwriter.NewConnectionFileSeq(f, isClient, connID)
		go trace.Run()
		return trace
	}
}

// transports numbers the files of QlogTracer.
var transports atomic.Int64

// QlogTracer returns a trace for a quic.Transport. It writes to a file "log_<number>_transport.qlog" in the working
// directory and tells logger about it.
func QlogTracer(logger io.Writer) qlogwriter.Trace {
	f := createLog(fmt.Sprintf("log_%d_transport.qlog", transports.Add(1)), logger)
	if f == nil {
		return nil
	}
	trace := qlogwriter.NewFileSeq(f)
	go trace.Run()
	return trace
}

// createLog returns nil if the file cannot be created: the test goes on without its trace.
func createLog(name string, logger io.Writer) *os.File {
	f, err := os.Create(name)
	if err != nil {
		log.Printf("no qlog: %v", err)
		return nil
	}
	fmt.Fprintf(logger, "creating %s\n", name)
	return f
}
