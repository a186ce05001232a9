package qlogwriter

import (
	"io"
	"log"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
)

// RecordSeparator begins each record of a JSON text sequence (RFC 7464, Section 2.2).
const RecordSeparator byte = 0x1e

// ConnectionID is a QUIC connection ID.
type ConnectionID = protocol.ConnectionID

// A FileSeq is a Trace that writes a file in the format JSON-SEQ: one record for the header, one for
// each event. The recorders encode, Run does the writing; the recorders wait for it if it falls far behind.
type FileSeq struct {
	w      io.WriteCloser
	source string // the side that records
	group  string // the connection; may be empty
	start  time.Time
	queue  *queue
	failed atomic.Bool // an error was reported

	mu        sync.Mutex
	producers int
	over      bool // the last producer was closed
}

// NewFileSeq returns a trace of no connection in particular, that is, of a Transport.
func NewFileSeq(w io.WriteCloser) *FileSeq { return newFileSeq(w, "transport", "") }

// NewConnectionFileSeq returns the trace of one side of a connection. odcid is the Destination Connection
// ID of the client's first Initial, which both sides know.
func NewConnectionFileSeq(w io.WriteCloser, isClient bool, odcid ConnectionID) *FileSeq {
	if isClient {
		return newFileSeq(w, "client", odcid.String())
	}
	return newFileSeq(w, "server", odcid.String())
}

func newFileSeq(w io.WriteCloser, source, group string) *FileSeq {
	return &FileSeq{w: w, source: source, group: group, start: time.Now(), queue: newQueue()}
}

// AddProducer implements Trace.
func (f *FileSeq) AddProducer() Recorder {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.over {
		return nil
	}
	f.producers++
	return &Writer{trace: f}
}

func (f *FileSeq) removeProducer() {
	f.mu.Lock()
	f.producers--
	last := f.producers == 0
	f.over = f.over || last
	f.mu.Unlock()
	if last {
		f.queue.end()
	}
}

// record encodes an event and queues it. One that cannot be encoded is left out, the others can still be read.
func (f *FileSeq) record(e Event, at time.Time) {
	r := recordPool.Get().(*record)
	if err := r.encode(e, at, at.Sub(f.start)); err != nil {
		f.fail(err)
		return
	}
	f.queue.add(r.text)
	r.release()
}

// Run writes the file. It returns when the last Recorder was closed; the file is then closed, too.
func (f *FileSeq) Run() {
	buf := f.header()
	for over := false; ; {
		if len(buf) > 0 {
			if _, err := f.w.Write(buf); err != nil {
				f.fail(err)
			}
		}
		if over {
			break
		}
		over = f.queue.wait()
		buf = f.queue.take(buf)
	}
	if err := f.w.Close(); err != nil {
		f.fail(err)
	}
}

// fail reports the first error. There is nobody to return it to: a connection goes on without its trace.
func (f *FileSeq) fail(err error) {
	if !f.failed.Swap(true) {
		log.Printf("qlog: writing a trace: %v", err)
	}
}

// header returns the first record (draft-ietf-quic-qlog-main-schema-13, Section 5).
func (f *FileSeq) header() []byte {
	r := newRecord()
	r.text = append(r.text, RecordSeparator)
	o := r.enc.Object()
	o.Text("file_schema", "urn:ietf:params:qlog:file:sequential")
	o.Text("serialization_format", "application/qlog+json-seq")
	o.Text("title", "quic-go qlog")
	o.Text("code_version", moduleVersion())
	o.BeginObject("trace")
	o.BeginArray("event_schemas")
	for _, schema := range eventSchemas {
		o.Text("", schema)
	}
	o.EndArray()
	o.BeginObject("vantage_point")
	o.Text("type", f.source)
	o.EndObject()
	o.BeginObject("common_fields")
	if f.group != "" {
		o.Text("group_id", f.group)
	}
	o.BeginObject("reference_time")
	o.Text("clock_type", "monotonic")
	o.Text("epoch", "unknown")
	o.Text("wall_clock_time", f.start.UTC().Format(time.RFC3339Nano))
	o.EndObject()
	o.EndObject()
	o.EndObject()
	// Readers of older drafts look for these two.
	o.Text("qlog_format", "JSON-SEQ")
	o.Text("qlog_version", "0.3")
	_ = o.End() // writes to memory
	return r.text
}

// eventSchemas is written by functions init only.
var eventSchemas []string

// RegisterEventSchema adds the URI of a schema to the header of all files. It may only be called by
// the init function of the package that defines the events.
func RegisterEventSchema(schema string) {
	if !slices.Contains(eventSchemas, schema) {
		eventSchemas = append(eventSchemas, schema)
	}
}

// moduleVersion returns the version of this module in the running program.
func moduleVersion() string {
	const path = "github.com/quic-go/quic-go"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, m := range append(info.Deps, &info.Main) {
		if m.Path == path && m.Version != "" {
			return m.Version
		}
	}
	return "unknown"
}
