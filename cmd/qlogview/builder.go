package main

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"
)

// maxTime is the largest time that is believed, in milliseconds: some 30,000 years.
const maxTime = 1e15

// A builder turns the records of one trace into the model.
type builder struct {
	out      trace
	relative bool    // times are relative to the previous event
	previous float64 // time of the previous event, as in the file
	first    float64 // time of the first event, as in the file
	now      ms      // the time of the event, from the first one on
	last     ms
	events   int // that were understood, or at least have a name and a time
	wrong    int // records that could not be read
	tooLong  int

	sent, received, lost, dropped sampler[packet]
	lines                         map[string]*lineSampler
	lostNames                     map[string]bool
	streams                       streamTable
	acks                          ackTracker
	datagramsSent                 sampler[tick]
	datagramsReceived             sampler[tick]
	marksLeftOut                  int
	// handlers are the events that are looked at, by their names without the schema.
	handlers map[string]func(data json.RawMessage) error
}

func newBuilder(file string) *builder {
	// Of the packets of an interval, the largest is drawn.
	larger := func(a, b packet) bool { return a.Size > b.Size }
	largerTick := func(a, b tick) bool { return a.Size > b.Size }
	b := &builder{
		out: trace{
			File: file, Remarks: []string{}, Lines: map[string]*line{}, Congestion: []span{}, Connection: []span{},
			Marks: []mark{}, Frames: datagrams{Dropped: []mark{}},
		},
		sent:              sampler[packet]{limit: maxPackets, better: larger},
		received:          sampler[packet]{limit: maxPackets, better: larger},
		lost:              sampler[packet]{limit: maxFaults, better: larger},
		dropped:           sampler[packet]{limit: maxFaults, better: larger},
		datagramsSent:     sampler[tick]{limit: maxAllTicks, better: largerTick},
		datagramsReceived: sampler[tick]{limit: maxAllTicks, better: largerTick},
		lines:             map[string]*lineSampler{},
		lostNames:         map[string]bool{},
	}
	b.streams = streamTable{byID: map[int64]*streamBuilder{}}
	b.acks = ackTracker{sent: map[string][]sentPacket{}}
	b.handlers = b.eventHandlers()
	return b
}

// record takes a record of a sequence, or an event of a list.
func (b *builder) record(rec []byte) {
	var r record
	if err := json.Unmarshal(rec, &r); err != nil {
		b.wrong++
		return
	}
	if r.Time == nil || r.Name == "" {
		b.describe(&r)
		var h header
		if len(r.Trace) > 0 && json.Unmarshal(r.Trace, &h) == nil {
			b.header(&h)
		}
		return
	}
	b.event(&r)
}

func (b *builder) describe(r *record) {
	b.out.Title = cut(r.Title, maxText)
	b.out.CodeVersion = cut(r.CodeVersion, maxText)
}

func (b *builder) header(h *header) {
	if h.Title != "" {
		b.out.Title = cut(h.Title, maxText)
	}
	b.out.Side = cut(h.VantagePoint.Type, 40)
	b.out.Group = string(h.CommonFields.GroupID)
	if b.out.Group == "" {
		b.out.Group = string(h.CommonFields.ODCID)
	}
	b.relative = relative(h.CommonFields.TimeFormat)
	ref := h.CommonFields.ReferenceTime
	for _, s := range []string{ref.WallClockTime, ref.Epoch} {
		if t, err := time.Parse(time.RFC3339Nano, s); err == nil && !b.out.absolute {
			b.out.absolute, b.out.base = true, float64(t.UnixMicro())/1e3
		}
	}
	if h.ErrorDescription != "" {
		b.remark("The file says that this trace could not be recorded: %s", cut(h.ErrorDescription, maxText))
	}
}

// relative reports whether times count from the previous event. "delta" is the name of older drafts.
func relative(format string) bool { return format == "relative_to_previous_event" || format == "delta" }

func (b *builder) event(r *record) {
	t := *r.Time
	if b.relative || relative(r.TimeFormat) {
		t += b.previous
	}
	if math.Abs(t) > maxTime {
		b.wrong++
		return
	}
	b.previous = t
	if b.events == 0 {
		b.begin(t)
	}
	b.events++
	b.now = ms(t - b.first)
	b.last = max(b.last, b.now)
	schema, name, ok := strings.Cut(r.Name, ":")
	if !ok {
		name = schema
	}
	if handle := b.handlers[name]; handle != nil && len(r.Data) > 0 {
		if err := handle(r.Data); err != nil {
			b.wrong++
		}
	}
}

// begin makes the time of the first event the start of the trace.
func (b *builder) begin(t float64) {
	b.first = t
	b.out.base += t
	if b.out.absolute {
		b.out.Start = time.UnixMicro(int64(b.out.base * 1e3)).UTC().Format("2006-01-02 15:04:05.000 UTC")
	}
}

func (b *builder) remark(format string, args ...any) {
	b.out.Remarks = append(b.out.Remarks, fmt.Sprintf(format, args...))
}

// mark notes an event of the connection.
func (b *builder) mark(kind, format string, args ...any) {
	if len(b.out.Marks) == maxMarks {
		b.marksLeftOut++
		return
	}
	b.out.Marks = append(b.out.Marks, mark{b.now, kind, cut(fmt.Sprintf(format, args...), maxText)})
}

// line adds a point to a line. Without a value it does nothing.
func (b *builder) line(name string, v *float64) {
	if v == nil || math.Abs(*v) > maxTime {
		return
	}
	if b.lines[name] == nil {
		b.lines[name] = newLine()
	}
	b.lines[name].add(float64(b.now), *v)
}

func appendSpan(spans []span, s span) []span {
	if n := len(spans); n == maxSpans || n > 0 && spans[n-1].State == s.State {
		return spans
	}
	return append(spans, s)
}

// finish returns the model of all records.
func (b *builder) finish() *trace {
	t := &b.out
	t.Events = b.events
	b.streams.close(b.last, t.Connection)
	t.Sent, t.Received = packets(&b.sent), packets(&b.received)
	t.Lost, t.Dropped = packets(&b.lost), packets(&b.dropped)
	for i := range t.Sent {
		t.Sent[i].Lost = b.lostNames[t.Sent[i].Name]
	}
	for name, l := range b.lines {
		t.Lines[name] = &line{}
		for _, p := range l.points() {
			t.Lines[name].T = append(t.Lines[name].T, ms(p.t))
			t.Lines[name].V = append(t.Lines[name].V, p.v)
		}
	}
	t.Frames.Sent, t.Frames.Received = ticks(&b.datagramsSent), ticks(&b.datagramsReceived)
	t.Streams, t.States = b.streams.finish()
	b.remarks()
	t.End = ms(b.last)
	return t
}

func packets(s *sampler[packet]) []packet {
	s.sort()
	list := make([]packet, len(s.points))
	for i, p := range s.points {
		list[i] = p.v
		list[i].Others = p.n - 1
	}
	return list
}

func ticks(s *sampler[tick]) []tick {
	s.sort()
	list := make([]tick, len(s.points))
	for i, p := range s.points {
		list[i] = p.v
		list[i].Others = p.n - 1
	}
	return list
}

// remarks says what of the file the page does not show.
func (b *builder) remarks() {
	if b.wrong > 0 {
		b.remark("%d records are cut off or not valid, and were left out or read in part.", b.wrong)
	}
	if b.tooLong > 0 {
		b.remark("%d records are longer than %d MiB and were left out.", b.tooLong, maxRecord>>20)
	}
	for _, s := range []struct {
		what  string
		drawn int
		total int
	}{
		{"packets sent", len(b.out.Sent), b.sent.total}, {"packets received", len(b.out.Received), b.received.total},
		{"packets lost", len(b.out.Lost), b.lost.total}, {"packets dropped", len(b.out.Dropped), b.dropped.total},
		{"DATAGRAM frames sent", len(b.out.Frames.Sent), b.datagramsSent.total},
		{"DATAGRAM frames received", len(b.out.Frames.Received), b.datagramsReceived.total},
	} {
		if s.drawn < s.total {
			b.remark("Of %d %s, %d are drawn: the largest of each interval.", s.total, s.what, s.drawn)
		}
	}
	for _, l := range b.lines {
		if l.high.sampled() {
			b.remark("The lines are drawn through the highest and lowest value of each interval.")
			break
		}
	}
	if b.marksLeftOut > 0 {
		b.remark("%d more events of the connection are not shown.", b.marksLeftOut)
	}
	if b.streams.leftOut > 0 {
		b.remark("Only the first %d streams are shown; %d events belong to others.", maxStreams, b.streams.leftOut)
	}
	if b.acks.full && b.out.States == statesFromFrames {
		b.remark("Not all acknowledgements could be followed: some states are missing.")
	}
}

// align gives the two sides of a connection a common start, if their clocks are known.
func align(traces []*trace) {
	start := make(map[string]float64)
	for _, t := range traces {
		if first, seen := start[t.Group]; t.absolute && (!seen || t.base < first) {
			start[t.Group] = t.base
		}
	}
	for _, t := range traces {
		if t.absolute && t.Group != "" {
			t.Offset = ms(t.base - start[t.Group])
		}
	}
}
