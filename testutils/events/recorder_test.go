package events

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go/qlogwriter"
	"github.com/quic-go/quic-go/qlogwriter/jsontext"
)

type eventA struct{ n int }

func (eventA) Name() string                              { return "a" }
func (eventA) Encode(*jsontext.Encoder, time.Time) error { return nil }

type eventB struct{ n int }

func (eventB) Name() string                              { return "b" }
func (eventB) Encode(*jsontext.Encoder, time.Time) error { return nil }

func TestRecorderFiltersByType(t *testing.T) {
	var r Recorder
	all := []qlogwriter.Event{eventA{1}, eventB{2}, eventA{3}}
	for _, e := range all {
		r.RecordEvent(e)
	}
	tests := []struct {
		examples, want []qlogwriter.Event
	}{
		{nil, all},
		{[]qlogwriter.Event{eventA{}}, []qlogwriter.Event{eventA{1}, eventA{3}}},
		{[]qlogwriter.Event{eventB{}, eventA{}}, all},
		{[]qlogwriter.Event{&eventB{}}, nil},
	}
	for _, test := range tests {
		if got := r.Events(test.examples...); !slices.Equal(got, test.want) {
			t.Errorf("Events(%v) = %v, want %v", test.examples, got, test.want)
		}
	}
	r.Clear()
	if got := r.Events(); len(got) > 0 {
		t.Errorf("events after Clear: %v", got)
	}
}

func TestRecorderNotesTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r Recorder
		start := time.Now()
		r.RecordEvent(eventA{1})
		time.Sleep(time.Second)
		r.RecordEvent(eventA{2})
		want := []Event{{start, eventA{1}}, {start.Add(time.Second), eventA{2}}}
		if got := r.EventsWithTime(eventA{}); !slices.Equal(got, want) {
			t.Errorf("EventsWithTime = %v, want %v", got, want)
		}
	})
}

func TestTraceHandsOutItsRecorder(t *testing.T) {
	r := &Recorder{}
	trace := &Trace{Recorder: r}
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() { trace.AddProducer().RecordEvent(eventA{}) })
	}
	wg.Wait()
	if n := len(r.Events()); n != 10 {
		t.Errorf("%d events, want 10", n)
	}
	if r.Closed() {
		t.Error("Closed before Close")
	}
	if err := trace.AddProducer().Close(); err != nil || !r.Closed() {
		t.Errorf("Close = %v, Closed = %t", err, r.Closed())
	}
}
