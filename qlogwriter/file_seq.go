package qlogwriter

import (
	"bytes"
	"errors"
	"io"
	"log"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/qlogwriter/jsontext"
)

// RecordSeparator begins each record of a JSON text sequence (RFC 7464, Section 2.2).
const RecordSeparator byte = 0x1e

// ConnectionID is a QUIC connection ID.
type ConnectionID = protocol.ConnectionID

const (
	// maxQueuedEvents bounds the events that wait for Run. RecordEvent waits at the limit: a trace with
	// holes would be taken for packets that were never sent.
	maxQueuedEvents = 4096
	// flushSize is how much is encoded before it is written even if more events wait.
	flushSize = 64 << 10
)

// A FileSeq is a Trace that writes a file in the format JSON-SEQ: one record for the header, one for
// each event. Run does the writing; the recorders wait for it if it falls far behind.
type FileSeq struct {
	w      io.WriteCloser
	source string // the side that records
	group  string // the connection; may be empty
	start  time.Time
	events chan timedEvent
	ended  chan struct{} // closed with the last producer

	mu        sync.Mutex
	producers int
	over      bool // ended is closed
}

type timedEvent struct {
	time time.Time
	Event
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
	return &FileSeq{
		w: w, source: source, group: group, start: time.Now(),
		events: make(chan timedEvent, maxQueuedEvents),
		ended:  make(chan struct{}),
	}
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
	defer f.mu.Unlock()
	f.producers--
	if f.producers == 0 {
		f.over = true
		close(f.ended)
	}
}

// Run writes the file. It returns when the last Recorder was closed; the file is then closed, too.
func (f *FileSeq) Run() {
	out := seqWriter{w: f.w}
	out.record(func(enc *jsontext.Encoder) error { return f.encodeHeader(enc) })
	for {
		select {
		case e := <-f.events:
			out.event(e, f.start)
		case <-f.ended:
			for len(f.events) > 0 {
				out.event(<-f.events, f.start)
			}
			out.close()
			return
		}
		if len(f.events) == 0 {
			out.flush()
		}
	}
}

// encodeHeader writes the first record (draft-ietf-quic-qlog-main-schema-13, Section 5).
func (f *FileSeq) encodeHeader(enc *jsontext.Encoder) error {
	text := jsontext.String
	tokens := []jsontext.Token{
		jsontext.BeginObject,
		text("file_schema"), text("urn:ietf:params:qlog:file:sequential"),
		text("serialization_format"), text("application/qlog+json-seq"),
		text("title"), text("quic-go qlog"),
		text("code_version"), text(moduleVersion()),
		text("trace"), jsontext.BeginObject,
		text("event_schemas"), jsontext.BeginArray,
	}
	for _, schema := range eventSchemas {
		tokens = append(tokens, text(schema))
	}
	tokens = append(tokens, jsontext.EndArray,
		text("vantage_point"), jsontext.BeginObject, text("type"), text(f.source), jsontext.EndObject,
		text("common_fields"), jsontext.BeginObject)
	if f.group != "" {
		tokens = append(tokens, text("group_id"), text(f.group))
	}
	tokens = append(tokens,
		text("reference_time"), jsontext.BeginObject,
		text("clock_type"), text("monotonic"),
		text("epoch"), text("unknown"),
		text("wall_clock_time"), text(f.start.UTC().Format(time.RFC3339Nano)),
		jsontext.EndObject, jsontext.EndObject, jsontext.EndObject,
		// Readers of older drafts look for these two.
		text("qlog_format"), text("JSON-SEQ"),
		text("qlog_version"), text("0.3"),
		jsontext.EndObject)
	return writeTokens(enc, tokens...)
}

func writeTokens(enc *jsontext.Encoder, tokens ...jsontext.Token) error {
	for _, t := range tokens {
		if err := enc.WriteToken(t); err != nil {
			return err
		}
	}
	return nil
}

// A seqWriter encodes records and writes many of them at once.
type seqWriter struct {
	w      io.WriteCloser
	buf    bytes.Buffer
	failed bool // an error was reported
}

// event appends the record of an event.
func (s *seqWriter) event(e timedEvent, start time.Time) {
	s.record(func(enc *jsontext.Encoder) error {
		ms := float64(e.time.Sub(start).Nanoseconds()) / 1e6
		err := writeTokens(enc, jsontext.BeginObject,
			jsontext.String("time"), jsontext.Float(ms),
			jsontext.String("name"), jsontext.String(e.Name()),
			jsontext.String("data"))
		return errors.Join(err, e.Encode(enc, e.time), enc.WriteToken(jsontext.EndObject))
	})
	if s.buf.Len() >= flushSize {
		s.flush()
	}
}

// record appends a record, which ends with the Encoder's newline. One that cannot be encoded is left out, the others can still be read.
func (s *seqWriter) record(encode func(*jsontext.Encoder) error) {
	begin := s.buf.Len()
	s.buf.WriteByte(RecordSeparator)
	if err := encode(jsontext.NewEncoder(&s.buf)); err != nil {
		s.buf.Truncate(begin)
		s.fail(err)
	}
}

func (s *seqWriter) flush() {
	if _, err := s.w.Write(s.buf.Bytes()); err != nil {
		s.fail(err)
	}
	s.buf.Reset()
}

func (s *seqWriter) close() {
	s.flush()
	if err := s.w.Close(); err != nil {
		s.fail(err)
	}
}

// fail reports the first error. There is nobody to return it to: a connection goes on without its trace.
func (s *seqWriter) fail(err error) {
	if !s.failed {
		log.Printf("qlog: writing a trace: %v", err)
	}
	s.failed = true
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
