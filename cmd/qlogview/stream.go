package main

import (
	"cmp"
	"fmt"
	"slices"
)

// Where the states of the streams come from.
const (
	statesFromEvents = "events"
	statesFromFrames = "frames"
	statesFromNone   = "nothing"
)

// A streamTable holds the first streams that are seen.
type streamTable struct {
	byID      map[int64]*streamBuilder
	leftOut   int // events of other streams
	anyEvents bool
	anyFrames bool
}

// A streamBuilder collects what happens to a stream. It knows states by events and by frames, as only the end of the file
// tells whether there are events.
type streamBuilder struct {
	id    int64
	title string
	send  halfBuilder
	recv  halfBuilder
}

// A halfBuilder collects what happens to one half.
type halfBuilder struct {
	events    []span
	frames    []span
	datagrams sampler[tick]
	bytes     intervals // acknowledged, or received
	final     int64     // size, if known
	finalSet  bool
	lastAcked bool // send half: FIN or RESET_STREAM_AT was acknowledged
	asked     bool // send half: STOP_SENDING was received
}

// get returns nil if the stream is not among the first ones.
func (st *streamTable) get(id int64) *streamBuilder {
	s := st.byID[id]
	if s != nil {
		return s
	}
	if len(st.byID) == maxStreams || id < 0 {
		st.leftOut++
		return nil
	}
	s = &streamBuilder{id: id}
	larger := func(a, b tick) bool { return a.Size > b.Size }
	s.send.datagrams = sampler[tick]{limit: maxTicks, better: larger}
	s.recv.datagrams = sampler[tick]{limit: maxTicks, better: larger}
	st.byID[id] = s
	return s
}

func (s *streamBuilder) bidirectional() bool { return s.id&2 == 0 }

// enterEvent notes a state that a stream_state_updated event tells. The simple states of the draft can be those of both
// halves.
func (s *streamBuilder) enterEvent(side string, e span) {
	switch {
	case e.State == "half_closed_local":
		e.State = "closed"
		s.send.events = addState(s.send.events, e)
	case e.State == "half_closed_remote":
		e.State = "closed"
		s.recv.events = addState(s.recv.events, e)
	case side == "sending":
		s.send.events = addState(s.send.events, e)
	case side == "receiving":
		s.recv.events = addState(s.recv.events, e)
	default:
		s.send.events = addState(s.send.events, e)
		s.recv.events = addState(s.recv.events, e)
	}
}

func addState(states []span, s span) []span {
	if n := len(states); n == maxStates || n > 0 && states[n-1].State == s.State {
		return states
	}
	return append(states, s)
}

// enter notes a state that follows from frames.
func (h *halfBuilder) enter(t ms, state, trigger string) {
	h.frames = addState(h.frames, span{t, state, trigger})
}

// is reports whether the half is in one of the states, by frames.
func (h *halfBuilder) is(states ...string) bool {
	n := len(h.frames)
	return n > 0 && slices.Contains(states, h.frames[n-1].State)
}

// complete reports whether all bytes up to the final size are in bytes.
func (h *halfBuilder) complete() bool { return h.finalSet && h.bytes.covers(h.final) }

// close lets the halves that are open when the connection ends be abandoned. Without its end in the file they stay open.
func (st *streamTable) close(end ms, connection []span) {
	i := slices.IndexFunc(connection, func(s span) bool { return s.State == "closed" })
	if i < 0 {
		return
	}
	terminal := []string{"data_received", "reset_received", "discarded", "abandoned"}
	for _, s := range st.byID {
		for _, h := range []*halfBuilder{&s.send, &s.recv} {
			if len(h.frames) > 0 && !h.is(terminal...) {
				h.enter(min(end, connection[i].T), "abandoned", "connection closed")
			}
		}
	}
}

// finish returns the streams in the order of their IDs.
func (st *streamTable) finish() ([]*stream, string) {
	from := statesFromNone
	switch {
	case st.anyEvents:
		from = statesFromEvents
	case st.anyFrames:
		from = statesFromFrames
	}
	list := []*stream{}
	for _, s := range st.byID {
		m := &stream{ID: s.id, Title: s.title, Type: streamType(s.id)}
		m.Send = s.send.finish(from, true, s.bidirectional())
		m.Receive = s.recv.finish(from, false, s.bidirectional())
		list = append(list, m)
	}
	slices.SortFunc(list, func(a, b *stream) int { return cmp.Compare(a.ID, b.ID) })
	return list, from
}

// finish returns nil for a half that a unidirectional stream does not have.
func (h *halfBuilder) finish(from string, sending, always bool) *half {
	states := h.events
	if from == statesFromFrames {
		states = h.frames
	}
	if len(states) == 0 && h.datagrams.total == 0 && !always {
		return nil
	}
	out := &half{States: states, Datagrams: ticks(&h.datagrams)}
	if out.States == nil {
		out.States = []span{}
	}
	if i := slices.IndexFunc(states, func(s span) bool { return isClosed(s.State, sending) }); i >= 0 {
		out.Closed = &states[i]
	}
	return out
}

// streamType reads the two lowest bits of a stream ID (RFC 9000, Section 2.1).
func streamType(id int64) string {
	direction, opener := "bidirectional", "client"
	if id&2 != 0 {
		direction = "unidirectional"
	}
	if id&1 != 0 {
		opener = "server"
	}
	return fmt.Sprintf("%s, opened by the %s", direction, opener)
}

// intervals are ranges of bytes, in order and apart from each other.
type intervals [][2]int64

// add adds the bytes from first to before end. A set of too many ranges stays as it is: then the end is never seen.
func (v *intervals) add(first, end int64) {
	if first >= end || first < 0 {
		return
	}
	i, _ := slices.BinarySearchFunc(*v, first, func(r [2]int64, x int64) int { return cmp.Compare(r[1], x) })
	j := i
	for ; j < len(*v) && (*v)[j][0] <= end; j++ {
		first, end = min(first, (*v)[j][0]), max(end, (*v)[j][1])
	}
	if j == i && len(*v) >= maxIntervals {
		return
	}
	*v = slices.Replace(*v, i, j, [2]int64{first, end})
}

// covers reports whether all bytes before n are there.
func (v intervals) covers(n int64) bool {
	return n == 0 || len(v) > 0 && v[0][0] == 0 && v[0][1] >= n
}
