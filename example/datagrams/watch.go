package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// A watch records the states of one stream and prints them as they are reported.
type watch struct {
	out    io.Writer
	start  time.Time
	stream *http3.RequestStream

	mu      sync.Mutex
	states  []quic.StreamState
	changed chan struct{} // closed and replaced with each state
}

func newWatch(out io.Writer, start time.Time, stream *http3.RequestStream) *watch {
	w := &watch{out: out, start: start, stream: stream, changed: make(chan struct{})}
	stream.OnStateTransition(w.onState)
	return w
}

// onState is called on the goroutine of the connection: it must not block.
func (w *watch) onState(s quic.StreamState) {
	fmt.Fprintf(w.out, "  %9.3f ms  stream %-3d %-8s %-14s %s\n",
		float64(time.Since(w.start).Microseconds())/1000, w.stream.StreamID(), half(s), s, w.cause(s))
	w.mu.Lock()
	defer w.mu.Unlock()
	w.states = append(w.states, s)
	close(w.changed)
	w.changed = make(chan struct{})
}

// wait returns when the stream has entered state s, or false when the time is over.
func (w *watch) wait(s quic.StreamState, timeout <-chan struct{}) bool {
	for {
		w.mu.Lock()
		entered, changed := slices.Contains(w.states, s), w.changed
		w.mu.Unlock()
		if entered {
			return true
		}
		select {
		case <-changed:
		case <-timeout:
			return false
		}
	}
}

// seen returns the states of one half so far.
func (w *watch) seen(h string) []quic.StreamState {
	w.mu.Lock()
	defer w.mu.Unlock()
	var states []quic.StreamState
	for _, s := range w.states {
		if half(s) == h {
			states = append(states, s)
		}
	}
	return states
}

// half names the half of a stream that a state belongs to.
func half(s quic.StreamState) string {
	switch {
	case s == quic.StreamStateRetired:
		return "stream"
	case s >= quic.ReceiveStateRecv:
		return "receive"
	}
	return "send"
}

// cause tells who made the stream enter s.
func (w *watch) cause(s quic.StreamState) string {
	_, err := w.stream.SendState()
	if half(s) == "receive" {
		_, err = w.stream.ReceiveState()
	}
	if h3, ok := errors.AsType[*http3.Error](err); ok && s.Closed() && s != quic.StreamStateRetired {
		if h3.Remote {
			return "caused by the server"
		}
		return "caused by the client"
	}
	switch s {
	case quic.SendStateDataRecvd, quic.ReceiveStateRecv, quic.ReceiveStateSizeKnown, quic.ReceiveStateDataRecvd:
		return "caused by the server"
	case quic.StreamStateRetired:
		return ""
	default:
		return "caused by the client"
	}
}
