package events

import (
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/quic-go/quic-go/qlogwriter"
)

// A Trace hands out one Recorder to all layers of a connection.
type Trace struct {
	Recorder qlogwriter.Recorder
}

// AddProducer returns the Recorder.
func (t *Trace) AddProducer() qlogwriter.Recorder { return t.Recorder }

// An Event is a recorded event.
type Event struct {
	Time  time.Time
	Event qlogwriter.Event
}

// A Recorder keeps events. The zero value is ready for use.
type Recorder struct {
	mu     sync.Mutex
	events []Event
	closed bool
}

// RecordEvent implements qlogwriter.Recorder.
func (r *Recorder) RecordEvent(e qlogwriter.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, Event{Time: time.Now(), Event: e})
}

// Close implements qlogwriter.Recorder. Events are recorded nevertheless: other layers may go on.
func (r *Recorder) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	return nil
}

// Closed reports whether Close was called.
func (r *Recorder) Closed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closed
}

// Events returns the recorded events in their order: those that have the type of one of the examples, or
// all of them if there are no examples.
func (r *Recorder) Events(examples ...qlogwriter.Event) []qlogwriter.Event {
	var found []qlogwriter.Event
	for _, e := range r.EventsWithTime(examples...) {
		found = append(found, e.Event)
	}
	return found
}

// EventsWithTime is Events with the time at which each event was recorded.
func (r *Recorder) EventsWithTime(examples ...qlogwriter.Event) []Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found []Event
	for _, e := range r.events {
		sameType := func(x qlogwriter.Event) bool { return reflect.TypeOf(x) == reflect.TypeOf(e.Event) }
		if len(examples) == 0 || slices.ContainsFunc(examples, sameType) {
			found = append(found, e)
		}
	}
	return found
}

// Clear forgets the recorded events.
func (r *Recorder) Clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = nil
}
