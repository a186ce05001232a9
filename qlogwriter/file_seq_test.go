package qlogwriter

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/qlogwriter/jsontext"
)

// A file is what a trace is written to.
type file struct {
	bytes.Buffer
	closed int
	err    error
}

func (f *file) Write(b []byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	return f.Buffer.Write(b)
}

func (f *file) Close() error {
	f.closed++
	return f.err
}

// A textEvent is an event with a text; it cannot be encoded if that is empty.
type textEvent string

var errNoText = errors.New("no text")

func (textEvent) Name() string { return "test:text" }

func (e textEvent) Encode(enc *jsontext.Encoder, _ time.Time) error {
	if e == "" {
		return errNoText
	}
	o := enc.Object()
	o.Text("text", string(e))
	return o.End()
}

// records returns the records of a file, decoded.
func records(t *testing.T, f *file) (list []map[string]any) {
	t.Helper()
	for i, r := range strings.Split(f.String(), "\x1e") {
		if i == 0 {
			if r != "" {
				t.Errorf("the file begins with %q, want a record separator", r)
			}
			continue
		}
		if !strings.HasSuffix(r, "\n") || strings.Count(r, "\n") != 1 {
			t.Errorf("record %q, want one line", r)
		}
		var m map[string]any
		if err := json.Unmarshal([]byte(r), &m); err != nil {
			t.Errorf("record %q: %v", r, err)
		}
		list = append(list, m)
	}
	return list
}

func inTrace(t *testing.T, newTrace func(f *file) *FileSeq, use func(trace *FileSeq)) *file {
	t.Helper()
	f := &file{}
	synctest.Test(t, func(t *testing.T) {
		trace := newTrace(f)
		done := make(chan struct{})
		go func() {
			trace.Run()
			close(done)
		}()
		use(trace)
		<-done
	})
	if f.closed != 1 {
		t.Errorf("the file was closed %d times, want once", f.closed)
	}
	return f
}

func clientTrace(f *file) *FileSeq {
	return NewConnectionFileSeq(f, true, protocol.ParseConnectionID([]byte{1, 2, 3, 4}))
}

func TestHeader(t *testing.T) {
	RegisterEventSchema("urn:test")
	RegisterEventSchema("urn:test")
	tests := []struct {
		name     string
		newTrace func(f *file) *FileSeq
		want     string
	}{
		{"client", clientTrace, `"vantage_point":{"type":"client"},"common_fields":{"group_id":"01020304","reference_time":`},
		{"server", func(f *file) *FileSeq { return NewConnectionFileSeq(f, false, protocol.ParseConnectionID([]byte{1})) },
			`"vantage_point":{"type":"server"},"common_fields":{"group_id":"01","reference_time":`},
		{"transport", func(f *file) *FileSeq { return NewFileSeq(f) }, `"vantage_point":{"type":"transport"},"common_fields":{"reference_time":`},
	}
	for _, test := range tests {
		f := inTrace(t, test.newTrace, func(trace *FileSeq) { trace.AddProducer().Close() })
		header := f.String()
		for _, want := range []string{
			"\x1e{\"file_schema\":\"urn:ietf:params:qlog:file:sequential\",\"serialization_format\":\"application/qlog+json-seq\",", test.want,
			`"event_schemas":["urn:test"]`, `{"clock_type":"monotonic","epoch":"unknown","wall_clock_time":"2000-01-01T00:00:00Z"}`,
			`"qlog_format":"JSON-SEQ","qlog_version":"0.3"}` + "\n",
		} {
			if !strings.Contains(header, want) {
				t.Errorf("%s: header %s, want %s in it", test.name, header, want)
			}
		}
		if n := len(records(t, f)); n != 1 {
			t.Errorf("%s: %d records, want the header alone", test.name, n)
		}
	}
}

func TestEventsHaveTheTimeOfRecording(t *testing.T) {
	f := inTrace(t, clientTrace, func(trace *FileSeq) {
		rec := trace.AddProducer()
		rec.RecordEvent(textEvent("first"))
		time.Sleep(1500 * time.Microsecond)
		rec.RecordEvent(textEvent("second"))
		rec.Close()
	})
	list := records(t, f)
	if len(list) != 3 {
		t.Fatalf("%d records, want the header and 2 events", len(list))
	}
	for i, want := range []string{"map[data:map[text:first] name:test:text time:0]", "map[data:map[text:second] name:test:text time:1.5]"} {
		if got := fmt.Sprint(list[i+1]); got != want {
			t.Errorf("event %d: %s, want %s", i, got, want)
		}
	}
}

func TestTraceEndsWithTheLastProducer(t *testing.T) {
	f := inTrace(t, clientTrace, func(trace *FileSeq) {
		first, second := trace.AddProducer(), trace.AddProducer()
		first.RecordEvent(textEvent("1"))
		first.Close()
		first.Close() // counts once
		first.RecordEvent(textEvent("lost"))
		second.RecordEvent(textEvent("2"))
		second.Close()
		second.RecordEvent(textEvent("lost"))
		if rec := trace.AddProducer(); rec != nil {
			t.Errorf("AddProducer = %v after the end, want nil", rec)
		}
	})
	if n := len(records(t, f)); n != 3 || strings.Contains(f.String(), "lost") {
		t.Errorf("the file has %d records: %s", n, f)
	}
}

func TestEventsFromManyGoroutines(t *testing.T) {
	const goroutines, size, events = 10, 2000, 3 * maxQueued / 10 / 2000 // three times what may wait
	f := inTrace(t, clientTrace, func(trace *FileSeq) {
		var wg sync.WaitGroup
		for range goroutines {
			rec := trace.AddProducer()
			wg.Go(func() {
				for range events {
					rec.RecordEvent(textEvent(strings.Repeat("x", size)))
				}
				rec.Close()
			})
		}
		wg.Wait()
	})
	if n := len(records(t, f)); n != 1+goroutines*events {
		t.Errorf("%d records, want %d", n, 1+goroutines*events)
	}
}

func TestRecordEventWaitsForRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &file{}
		trace := clientTrace(f)
		rec := trace.AddProducer()
		const size = maxQueued / 10
		recorded := 0
		go func() {
			for range 15 {
				rec.RecordEvent(textEvent(strings.Repeat("x", size)))
				recorded++
			}
			rec.Close()
		}()
		synctest.Wait()
		if recorded != 9 { // with a tenth of the names of members it is too much
			t.Errorf("%d events recorded before Run, want 9", recorded)
		}
		trace.Run()
		if n := len(records(t, f)); n != 16 {
			t.Errorf("%d records, want 16", n)
		}
	})
}

func TestEventsLargerThanTheQueue(t *testing.T) {
	f := inTrace(t, clientTrace, func(trace *FileSeq) {
		rec := trace.AddProducer()
		for range 3 {
			rec.RecordEvent(textEvent(strings.Repeat("x", 2*maxQueued)))
		}
		rec.Close()
	})
	if n := len(records(t, f)); n != 4 {
		t.Errorf("%d records, want 4", n)
	}
}

func TestRecordEventDoesNotWaitForTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trace := clientTrace(&file{})
		rec := trace.AddProducer()
		done := false
		go func() {
			for range 20 {
				rec.RecordEvent(textEvent(strings.Repeat("x", maxQueued/10)))
			}
			done = true
		}()
		synctest.Wait()
		rec.Close() // by another goroutine, and nobody has called Run
		synctest.Wait()
		if !done {
			t.Error("RecordEvent waits although the trace is over")
		}
	})
}

func TestEventsAreWrittenSoonAndTogether(t *testing.T) {
	f := &countingFile{}
	synctest.Test(t, func(t *testing.T) {
		trace := NewFileSeq(f)
		go trace.Run()
		rec := trace.AddProducer()
		synctest.Wait()
		if f.writes != 1 {
			t.Errorf("%d writes, want one for the header", f.writes)
		}
		for range 100 {
			rec.RecordEvent(textEvent("x"))
		}
		time.Sleep(flushDelay)
		synctest.Wait()
		if f.writes != 2 {
			t.Errorf("%d writes, want one more for 100 events", f.writes)
		}
		for range 10 { // no delay for these
			rec.RecordEvent(textEvent(strings.Repeat("x", flushSize)))
			synctest.Wait()
		}
		if f.writes != 12 {
			t.Errorf("%d writes, want one more for each large event", f.writes)
		}
		rec.Close()
	})
}

type countingFile struct{ writes int }

func (f *countingFile) Write(b []byte) (int, error) {
	f.writes++
	return len(b), nil
}

func (*countingFile) Close() error { return nil }

func captureLog(t *testing.T) *bytes.Buffer {
	var b bytes.Buffer
	log.SetOutput(&b)
	t.Cleanup(func() { log.SetOutput(os.Stderr) })
	return &b
}

// A tokenEvent is what its tokens make of it.
type tokenEvent []jsontext.Token

func (tokenEvent) Name() string { return "test:tokens" }

func (e tokenEvent) Encode(enc *jsontext.Encoder, _ time.Time) error {
	for _, t := range e {
		if err := enc.WriteToken(t); err != nil {
			return err
		}
	}
	return nil
}

func TestEventThatIsNotOneObjectIsLeftOut(t *testing.T) {
	begin, end := jsontext.BeginObject, jsontext.EndObject
	captureLog(t)
	for _, bad := range []tokenEvent{{}, {begin}, {begin, end, begin, end}, {begin, end, begin}, {jsontext.Null}, {jsontext.BeginArray, jsontext.EndArray}} {
		f := inTrace(t, clientTrace, func(trace *FileSeq) {
			rec := trace.AddProducer()
			for _, e := range []Event{textEvent("1"), bad, tokenEvent{begin, end}} {
				rec.RecordEvent(e)
			}
			rec.Close()
		})
		if n := len(records(t, f)); n != 3 {
			t.Errorf("%v: %d records, want 3:\n%s", bad, n, f)
		}
	}
}

func TestEventThatCannotBeEncodedIsLeftOut(t *testing.T) {
	out := captureLog(t)
	f := inTrace(t, clientTrace, func(trace *FileSeq) {
		rec := trace.AddProducer()
		for _, s := range []string{"1", "", "2", ""} {
			rec.RecordEvent(textEvent(s))
		}
		rec.Close()
	})
	if n := len(records(t, f)); n != 3 {
		t.Errorf("%d records, want 3", n)
	}
	if n := strings.Count(out.String(), errNoText.Error()); n != 1 {
		t.Errorf("the error was reported %d times, want once: %s", n, out)
	}
}

func TestErrorOfTheFileIsReportedOnce(t *testing.T) {
	out := captureLog(t)
	errDisk := errors.New("disk is full")
	f := inTrace(t, func(f *file) *FileSeq {
		f.err = errDisk
		return clientTrace(f)
	}, func(trace *FileSeq) {
		rec := trace.AddProducer()
		for range 3 {
			rec.RecordEvent(textEvent(strings.Repeat("x", maxQueued)))
		}
		rec.Close()
	})
	if n := strings.Count(out.String(), errDisk.Error()); n != 1 || f.Len() > 0 {
		t.Errorf("the error was reported %d times, want once: %s", n, out)
	}
}
