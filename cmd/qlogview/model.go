package main

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
)

// Limits of what is kept of a trace, and so of the page, whatever the file holds.
const (
	maxPackets   = 12000 // packets sent, and as many received
	maxFaults    = 4000  // packets lost, and as many dropped
	maxLine      = 4000  // points of a line
	maxStreams   = 400
	maxStates    = 64   // states of a half
	maxTicks     = 1000 // datagrams on a half
	maxAllTicks  = 8000 // DATAGRAM frames of a connection
	maxMarks     = 500  // events of the connection
	maxSpans     = 2000 // states of the connection or of congestion control
	maxTrackedPN = 65536
	maxIntervals = 4096
)

// A trace is what the page shows of one side of a connection.
type trace struct {
	File        string           `json:"file"`
	Title       string           `json:"title"`
	Side        string           `json:"side"` // client, server or what the file says
	Group       string           `json:"group"`
	CodeVersion string           `json:"version"`
	Start       string           `json:"start"`  // wall clock, or nothing
	Offset      ms               `json:"offset"` // to add to all times, for a common start with other traces
	End         ms               `json:"end"`
	Events      int              `json:"events"`
	States      string           `json:"states"` // where the states of streams come from: "events", "frames", "nothing"
	Remarks     []string         `json:"remarks"`
	Sent        []packet         `json:"sent"`
	Received    []packet         `json:"received"`
	Lost        []packet         `json:"lost"`
	Dropped     []packet         `json:"dropped"`
	Totals      totals           `json:"totals"`
	Lines       map[string]*line `json:"lines"`
	Congestion  []span           `json:"congestion"`
	Connection  []span           `json:"connection"`
	Marks       []mark           `json:"marks"`
	Streams     []*stream        `json:"streams"`
	Frames      datagrams        `json:"datagrams"` // DATAGRAM frames, which do not name a stream

	absolute bool    // the times are those of a clock
	base     float64 // time of the first event, milliseconds since 1970 if absolute
}

// totals count what happened, whatever is drawn of it.
type totals struct {
	Sent          int   `json:"sent"`
	Received      int   `json:"received"`
	Lost          int   `json:"lost"`
	Dropped       int   `json:"dropped"`
	BytesSent     int64 `json:"bytesSent"`
	BytesReceived int64 `json:"bytesReceived"`
}

// ms is a time in the page: milliseconds, to 100 ns.
type ms float64

// MarshalJSON implements json.Marshaler.
func (m ms) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, math.Round(float64(m)*1e4)/1e4, 'f', -1, 64), nil
}

// A packet is a packet that was sent, received, lost or dropped.
type packet struct {
	T      ms     `json:"t"`
	Size   int64  `json:"s"`
	Name   string `json:"p"`           // type and number
	Info   string `json:"i"`           // frames, or why
	Lost   bool   `json:"l,omitempty"` // it was declared lost later
	Others int    `json:"n,omitempty"` // packets that it stands for besides itself
}

// A line is the course of a value.
type line struct {
	T []ms      `json:"t"`
	V []float64 `json:"v"`
}

// A span is a state from a time on.
type span struct {
	T       ms     `json:"t"`
	State   string `json:"s"`
	Trigger string `json:"c,omitempty"`
}

// A mark is an event at a time.
type mark struct {
	T    ms     `json:"t"`
	Kind string `json:"k"`
	Text string `json:"x"`
}

// A tick is a datagram.
type tick struct {
	T      ms    `json:"t"`
	Size   int64 `json:"s"`
	Others int   `json:"n,omitempty"`
}

type datagrams struct {
	Sent     []tick `json:"sent"`
	Received []tick `json:"received"`
	Dropped  []mark `json:"dropped"`
}

// A stream has one lane for each half.
type stream struct {
	ID      int64  `json:"id"`
	Type    string `json:"type"` // such as "bidirectional, opened by the client"
	Title   string `json:"title"`
	Send    *half  `json:"send,omitempty"`
	Receive *half  `json:"receive,omitempty"`
}

type half struct {
	States    []span `json:"states"`
	Closed    *span  `json:"closed,omitempty"` // the first state in which it was closed
	Datagrams []tick `json:"datagrams"`
}

// closedStates are those in which nothing more may be written, or nothing more will arrive or be wanted: those of
// quic.StreamState.Closed, and the simple ones of the draft.
var closedStates = map[bool][]string{
	true:  {"fin_queued", "data_sent", "reset_queued", "reset_sent", "data_received", "reset_received", "abandoned", "closed", "destroyed"},
	false: {"data_received", "reset_received", "stopped", "data_read", "reset_read", "discarded", "abandoned", "closed", "destroyed"},
}

// isClosed says it for a state of the send half or of the receive half.
func isClosed(state string, sending bool) bool { return slices.Contains(closedStates[sending], state) }

// marshal returns the model as JSON in which no character has a meaning in HTML.
func marshal(traces []*trace) ([]byte, error) { return json.Marshal(traces) }
