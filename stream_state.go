package quic

import (
	"math/bits"
	"sync/atomic"
)

// A StreamState is a state of one half of a stream: those of RFC 9000, Sections 3.1 and 3.2,
// and a few (queued, stopped, discarded, abandoned, retired) that RFC 9000 does not name.
// The states of the two halves are different values.
type StreamState int

// The numerical order is the only order in which the states of a half can be entered, and
// the order in which they are reported. A half enters each state at most once.
const (
	// SendStateReady: created, nothing sent.
	SendStateReady StreamState = iota + 1
	// SendStateSend: the first STREAM or STREAM_DATA_BLOCKED frame is in a packet.
	SendStateSend
	// SendStateFinQueued: Close was called, the FIN is not yet in a packet.
	SendStateFinQueued
	// SendStateDataSent: the FIN, or a RESET_STREAM_AT, is in a packet.
	SendStateDataSent
	// SendStateResetQueued: CancelWrite was called or STOP_SENDING was received, the
	// RESET_STREAM is not yet in a packet.
	SendStateResetQueued
	// SendStateResetSent: the RESET_STREAM is in a packet.
	SendStateResetSent
	// SendStateDataRecvd: everything that was promised is acknowledged; terminal.
	SendStateDataRecvd
	// SendStateResetRecvd: the RESET_STREAM is acknowledged; terminal.
	SendStateResetRecvd
	// SendStateAbandoned: the connection ended, or 0-RTT was rejected, before another
	// terminal state; terminal.
	SendStateAbandoned

	// ReceiveStateRecv: open.
	ReceiveStateRecv
	// ReceiveStateSizeKnown: a FIN or RESET_STREAM_AT was received, bytes are missing.
	ReceiveStateSizeKnown
	// ReceiveStateDataRecvd: every byte that will come is here.
	ReceiveStateDataRecvd
	// ReceiveStateResetRecvd: a RESET_STREAM was received, the error waits for the application.
	ReceiveStateResetRecvd
	// ReceiveStateStopped: CancelRead was called, the final size is not known yet.
	ReceiveStateStopped
	// ReceiveStateDataRead: the application has read everything; terminal.
	ReceiveStateDataRead
	// ReceiveStateResetRead: the application has seen the reset or given it up, or nothing
	// waits for a reader any more; terminal.
	ReceiveStateResetRead
	// ReceiveStateDiscarded: CancelRead was called and the final size is known; terminal.
	ReceiveStateDiscarded
	// ReceiveStateAbandoned: the connection ended, or 0-RTT was rejected, before another
	// terminal state; terminal.
	ReceiveStateAbandoned

	// StreamStateRetired is the last state reported of every stream: each half that it has is
	// terminal and the stream is about to be forgotten by the connection.
	StreamStateRetired

	numStreamStates = iota + 1
)

var streamStateNames = [numStreamStates]string{
	SendStateReady:         "ready",
	SendStateSend:          "send",
	SendStateFinQueued:     "fin_queued",
	SendStateDataSent:      "data_sent",
	SendStateResetQueued:   "reset_queued",
	SendStateResetSent:     "reset_sent",
	SendStateDataRecvd:     "data_received",
	SendStateResetRecvd:    "reset_received",
	SendStateAbandoned:     "abandoned",
	ReceiveStateRecv:       "receive",
	ReceiveStateSizeKnown:  "size_known",
	ReceiveStateDataRecvd:  "data_received",
	ReceiveStateResetRecvd: "reset_received",
	ReceiveStateStopped:    "stopped",
	ReceiveStateDataRead:   "data_read",
	ReceiveStateResetRead:  "reset_read",
	ReceiveStateDiscarded:  "discarded",
	ReceiveStateAbandoned:  "abandoned",
	StreamStateRetired:     "retired",
}

// String returns the name of the state as qlog spells it. Both halves have a data_received,
// a reset_received and an abandoned.
func (s StreamState) String() string {
	if s < SendStateReady || s >= numStreamStates {
		return "unknown stream state"
	}
	return streamStateNames[s]
}

// Closed reports, for a send half, that nothing more may be written and, for a receive
// half, that nothing more will arrive or be wanted.
func (s StreamState) Closed() bool { return closedStates.has(s) }

// Terminal reports that the half has no further transition.
func (s StreamState) Terminal() bool { return terminalStates.has(s) }

// A stateMask is a set of states.
type stateMask uint32

func maskOf(states ...StreamState) (m stateMask) {
	for _, s := range states {
		m |= 1 << s
	}
	return m
}

func (m stateMask) has(s StreamState) bool { return s > 0 && s < numStreamStates && m&(1<<s) != 0 }

// first returns the lowest state of a non-empty set.
func (m stateMask) first() StreamState { return StreamState(bits.TrailingZeros32(uint32(m))) }

// last returns the highest state of a non-empty set.
func (m stateMask) last() StreamState { return StreamState(bits.Len32(uint32(m)) - 1) }

var (
	terminalStates = maskOf(
		SendStateDataRecvd, SendStateResetRecvd, SendStateAbandoned,
		ReceiveStateDataRead, ReceiveStateResetRead, ReceiveStateDiscarded, ReceiveStateAbandoned,
		StreamStateRetired)
	closedStates = terminalStates | maskOf(
		SendStateFinQueued, SendStateDataSent, SendStateResetQueued, SendStateResetSent,
		ReceiveStateDataRecvd, ReceiveStateResetRecvd, ReceiveStateStopped)
	// finalSizeStates are entered when the final size of a receive half becomes known.
	finalSizeStates = maskOf(ReceiveStateSizeKnown, ReceiveStateResetRecvd, ReceiveStateDiscarded)
	// resetStates are those of a send half that was reset, without a reliable prefix.
	resetStates = maskOf(SendStateResetQueued, SendStateResetSent, SendStateResetRecvd)
)

// A transition is one row of a table: from each of the states in from, trigger leads to to.
type transition struct {
	name    string
	from    stateMask
	to      StreamState
	trigger string
}

const connectionOver = "connection over or 0-RTT rejected"

var (
	openForWriting = maskOf(SendStateReady, SendStateSend, SendStateFinQueued)

	// sendTransitions is RFC 9000, Section 3.1 with the states that it does not name.
	sendTransitions = []transition{
		{"S1", maskOf(SendStateReady), SendStateSend, "first STREAM or STREAM_DATA_BLOCKED packed"},
		{"S2", maskOf(SendStateReady, SendStateSend), SendStateFinQueued, "Close"},
		{"S3", maskOf(SendStateFinQueued), SendStateDataSent, "FIN packed"},
		{"S4", maskOf(SendStateDataSent), SendStateDataRecvd, "all data and FIN, or RESET_STREAM_AT and its prefix, acknowledged"},
		{"S5", openForWriting | maskOf(SendStateDataSent), SendStateResetQueued, "CancelWrite without a reliable prefix"},
		{"S6", openForWriting | maskOf(SendStateDataSent), SendStateResetQueued, "STOP_SENDING"},
		{"S7", maskOf(SendStateResetQueued), SendStateResetSent, "RESET_STREAM packed"},
		{"S8", maskOf(SendStateResetSent), SendStateResetRecvd, "RESET_STREAM acknowledged"},
		{"S9", openForWriting, SendStateDataSent, "RESET_STREAM_AT packed"},
		{"S12", openForWriting | maskOf(SendStateDataSent, SendStateResetQueued, SendStateResetSent), SendStateAbandoned, connectionOver},
	}

	// receiveTransitions is RFC 9000, Section 3.2 with the states that it does not name.
	receiveTransitions = []transition{
		{"R1", maskOf(ReceiveStateRecv), ReceiveStateSizeKnown, "FIN or RESET_STREAM_AT"},
		{"R2", maskOf(ReceiveStateSizeKnown), ReceiveStateDataRecvd, "last byte received"},
		{"R3", maskOf(ReceiveStateDataRecvd), ReceiveStateDataRead, "last byte consumed"},
		{"R4", maskOf(ReceiveStateRecv, ReceiveStateSizeKnown, ReceiveStateDataRecvd), ReceiveStateResetRecvd, "RESET_STREAM"},
		{"R6", maskOf(ReceiveStateResetRecvd), ReceiveStateResetRead, "error read, CancelRead, or no send half that is not terminal"},
		{"R7", maskOf(ReceiveStateRecv), ReceiveStateStopped, "CancelRead"},
		{"R8", maskOf(ReceiveStateStopped, ReceiveStateSizeKnown, ReceiveStateDataRecvd), ReceiveStateDiscarded, "CancelRead and final size known"},
		{"R11", maskOf(ReceiveStateRecv, ReceiveStateSizeKnown, ReceiveStateDataRecvd, ReceiveStateResetRecvd, ReceiveStateStopped), ReceiveStateAbandoned, connectionOver},
	}

	// successors holds, for each state, the states that may follow it.
	successors = makeSuccessors(sendTransitions, receiveTransitions)
)

func makeSuccessors(tables ...[]transition) (next [numStreamStates]stateMask) {
	for _, table := range tables {
		for _, t := range table {
			for m := t.from; m != 0; m &^= maskOf(m.first()) {
				next[m.first()] |= maskOf(t.to)
			}
		}
	}
	return next
}

// halfState is the state of one half. The set of the states that were visited is all there
// is: the current state is its highest member, and what a subscriber still has to be told is
// the set without what it was told.
type halfState struct {
	entered   stateMask     // guarded by the half's mutex
	published atomic.Uint32 // entered, as of the last time that the mutex was released
}

// current returns the state. The caller holds the half's mutex.
func (h *halfState) current() StreamState { return h.entered.last() }

// seen returns the visited states as everyone may see them.
func (h *halfState) seen() stateMask { return stateMask(h.published.Load()) }

// enter is the only function that changes a state. The caller holds the half's mutex.
func (h *halfState) enter(to StreamState) {
	if h.entered != 0 && !successors[h.current()].has(to) {
		panic("BUG: stream state " + h.current().String() + " cannot be followed by " + to.String())
	}
	h.entered |= maskOf(to)
}

// publish shows the entered states to everyone. It is called when the half's mutex is about to be
// released: all that belongs to a transition is done before anybody is told of it. It reports
// whether the stream has to go on the pending list.
func (h *halfState) publish(r *streamRecord) bool {
	news := h.entered &^ h.seen()
	if news == 0 {
		return false
	}
	// The mask is stored before the subscribers are looked for, and a subscriber is added
	// before it looks at the mask, so one of the two sees the other.
	h.published.Store(uint32(h.entered))
	return news&(terminalStates|maskOf(ReceiveStateResetRecvd)) != 0 || r.watched(news)
}
