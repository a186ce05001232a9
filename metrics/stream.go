package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/qlog"
)

// Values of the label half.
const (
	halfSend    = "send"
	halfReceive = "receive"
)

// A state is a state of a half of a stream. The zero value is that of a half that does not exist.
type state struct{ half, name string }

// A halfID names a half of a stream.
type halfID struct {
	id   quic.StreamID
	half string
}

// stateCounters are the series of the states, made in advance: nothing else can become a label.
type stateCounters struct {
	streams     map[state]prometheus.Gauge
	transitions map[state]prometheus.Counter
}

func newStateCounters(c *Collector) stateCounters {
	s := stateCounters{streams: map[state]prometheus.Gauge{}, transitions: map[state]prometheus.Counter{}}
	for q := quic.SendStateReady; q < quic.StreamStateRetired; q++ {
		st := stateOf(q)
		s.streams[st] = c.streams.WithLabelValues(st.half, st.name)
		s.transitions[st] = c.transitions.WithLabelValues(st.half, st.name)
	}
	return s
}

func stateOf(q quic.StreamState) state {
	if q < quic.ReceiveStateRecv {
		return state{halfSend, q.String()}
	}
	return state{halfReceive, q.String()}
}

// enter counts that a half has gone from one state to another, which may not be the zero value.
func (s *stateCounters) enter(from, to state) {
	if t := s.transitions[to]; t != nil {
		t.Inc()
	}
	s.move(from, to)
}

// move takes a half from one state to another, without counting that.
func (s *stateCounters) move(from, to state) {
	if g := s.streams[from]; g != nil {
		g.Dec()
	}
	if g := s.streams[to]; g != nil {
		g.Inc()
	}
}

// streamState counts an event. "destroyed" says that the half is forgotten.
func (c *connection) streamState(e *qlog.StreamStateUpdated) {
	half := halfSend
	if e.Side == qlog.DirectionReceiving {
		half = halfReceive
	}
	id, to := halfID{e.StreamID, half}, state{half, e.State}
	from := c.streams[id]
	switch {
	case e.State == "destroyed":
		c.states.move(from, state{})
		delete(c.streams, id)
	case c.begun.IsZero():
		// The end of the connection has been counted.
	default:
		c.states.enter(from, to)
		c.streams[id] = to
	}
}

// A Stream is a *quic.Stream, *quic.SendStream, *quic.ReceiveStream, or one of HTTP/3.
type Stream interface {
	OnStateTransition(fn func(quic.StreamState)) (stop func() bool)
}

// Watch counts the states of a stream, those that it has been in among them, until it is retired. Streams whose connection
// has a Tracer with qlog.WithStreamStates are counted already; Watch is for programs that want no events, which cost
// the decoding of each packet, or that want to know of some streams only.
func (c *Collector) Watch(s Stream) {
	var send, receive state // belong to the callback, which is not called twice at the same time
	s.OnStateTransition(func(q quic.StreamState) {
		if q == quic.StreamStateRetired {
			c.states.move(send, state{})
			c.states.move(receive, state{})
			return
		}
		half, to := &send, stateOf(q)
		if to.half == halfReceive {
			half = &receive
		}
		c.states.enter(*half, to)
		*half = to
	})
}
