package measure

import "time"

// A demand says what is known of a state.
type demand uint8

const (
	impossible demand = iota // it was not entered
	optional                 // two things happened at the same instant, and the log cannot tell which one came first
	required
)

// A truth is what happened to one stream: a machine that is driven by the log. It follows RFC 9000, Section 3 and what
// the package quic says of its extensions; but it knows frames and calls only, no code of the connection.
type truth struct {
	send, receive State
	demands       [numStates]demand
	at            [numStates]time.Time

	frames    []sentFrame
	closingPN int64 // the first packet with a FIN or RESET_STREAM, -1 if there was none

	sentEnd, finalSent int64 // the end of the sent data, and where the FIN is; -1 if none was sent
	acked              ranges
	finAcked           bool

	finalSize int64 // -1 if not known
	received  ranges
	read      int64
	sawError  bool // the application has seen the reset or given it up
}

// A sentFrame is a STREAM or RESET_STREAM frame in a packet.
type sentFrame struct {
	pn, offset, n int64
	fin, reset    bool
}

func newTruth(at time.Time) *truth {
	t := &truth{closingPN: -1, finalSent: -1, finalSize: -1}
	t.enter(SendReady, at)
	t.enter(ReceiveRecv, at)
	return t
}

// truths is what happened to all streams of a connection.
type truths map[key]*truth

// derive returns what happened according to the log.
func derive(events []event) truths {
	all := make(truths)
	for _, e := range events {
		all.handle(e)
	}
	return all
}

func (all truths) handle(e event) {
	switch e.kind {
	case sentDatagram, receivedDatagram:
	case receivedAck, rejected, over:
		for k, t := range all {
			if e.kind == over || k.epoch == e.key.epoch {
				t.handle(e)
			}
		}
	default:
		t := all[e.key]
		if t == nil {
			t = newTruth(e.at)
			all[e.key] = t
		}
		t.handle(e)
	}
}

func (t *truth) handle(e event) {
	switch e.kind {
	case opened, sentDatagram, receivedDatagram:
	case sentStream:
		t.onSentStream(e)
	case sentReset:
		t.frames = append(t.frames, sentFrame{pn: e.pn, reset: true})
		t.closes(e.pn)
		if t.send == SendResetQueued {
			t.enter(SendResetSent, e.at)
		}
	case receivedAck:
		t.onAck(e)
	case receivedStop, calledCancelWrite:
		if t.send < SendResetQueued {
			t.enter(SendResetQueued, e.at)
		}
	case calledClose:
		t.onClose(e)
	case receivedStream:
		t.onReceivedStream(e)
	case receivedReset:
		t.onReceivedReset(e)
	case calledRead:
		t.read += e.n
		t.sawError = t.sawError || e.failed
	case calledCancelRead:
		t.onCancelRead(e)
	case rejected, over:
		t.abandon(e.at)
	}
	t.follow(e.at)
}

// enter notes that a state was entered.
func (t *truth) enter(s State, at time.Time) {
	switch {
	case s.isSend():
		t.send = s
	case s.isReceive():
		t.receive = s
	}
	t.demands[s], t.at[s] = required, at
	if !s.closed() {
		return
	}
	// The first closed state closes the half.
	coarse := SendClosed
	if s.isReceive() {
		coarse = ReceiveClosed
	}
	if t.demands[coarse] == impossible {
		t.demands[coarse], t.at[coarse] = required, at
	}
}

// maybe notes that a state may have been entered.
func (t *truth) maybe(s State, at time.Time) {
	if t.demands[s] == impossible {
		t.demands[s], t.at[s] = optional, at
	}
}

func (t *truth) over() bool { return t.send.terminal() && t.receive.terminal() }

// follow enters the states that follow from others without an event of their own.
func (t *truth) follow(at time.Time) {
	if t.receive == ReceiveDataRecvd && t.read == t.finalSize {
		t.enter(ReceiveDataRead, at)
	}
	if t.receive == ReceiveResetRecvd && (t.sawError || t.send.terminal()) {
		t.enter(ReceiveResetRead, at)
	}
	if t.over() && t.demands[Retired] == impossible {
		t.enter(Retired, at)
	}
}

func (t *truth) abandon(at time.Time) {
	if !t.send.terminal() {
		t.enter(SendAbandoned, at)
	}
	if !t.receive.terminal() {
		t.enter(ReceiveAbandoned, at)
	}
}

func (t *truth) onSentStream(e event) {
	t.frames = append(t.frames, sentFrame{pn: e.pn, offset: e.offset, n: e.n, fin: e.fin})
	t.sentEnd = max(t.sentEnd, e.offset+e.n)
	switch {
	case t.send == SendReady:
		t.enter(SendSend, e.at)
	case t.demands[SendSend] == impossible && e.at.Equal(t.at[t.send]):
		t.maybe(SendSend, e.at) // Close or CancelWrite at the same instant: was the frame packed before?
	}
	if e.fin {
		t.finalSent = e.offset + e.n
		t.closes(e.pn)
		if t.send == SendFinQueued {
			t.enter(SendDataSent, e.at)
		}
	}
}

// closes notes that a packet told the peer that the send half is closed.
func (t *truth) closes(pn int64) {
	if t.closingPN < 0 {
		t.closingPN = pn
	}
}

func (t *truth) onAck(e event) {
	frames := t.frames[:0]
	for _, f := range t.frames {
		switch {
		case f.pn < e.pn || f.pn > e.largest:
			frames = append(frames, f)
		case f.reset:
			if t.send == SendResetSent {
				t.enter(SendResetRecvd, e.at)
			}
		default:
			t.acked.add(f.offset, f.offset+f.n)
			t.finAcked = t.finAcked || f.fin
		}
	}
	t.frames = frames
	if t.send == SendDataSent && t.finAcked && t.acked.covers(t.finalSent) {
		t.enter(SendDataRecvd, e.at)
	}
}

// onClose is told of a Close that returned nil: it did close the stream, if that was possible at all.
func (t *truth) onClose(e event) {
	switch {
	case e.failed:
	case t.send < SendFinQueued:
		t.enter(SendFinQueued, e.at)
	case t.send >= SendResetQueued && e.at.Equal(t.at[SendResetQueued]):
		t.maybe(SendFinQueued, e.at)
	}
}

func (t *truth) onReceivedStream(e event) {
	t.received.add(e.offset, e.offset+e.n)
	if e.fin {
		t.onFinalSize(e, e.offset+e.n)
	}
	if t.receive == ReceiveRecv && t.finalSize >= 0 {
		t.enter(ReceiveSizeKnown, e.at)
	}
	if t.receive == ReceiveSizeKnown && t.received.covers(t.finalSize) {
		t.enter(ReceiveDataRecvd, e.at)
	}
}

func (t *truth) onFinalSize(e event, size int64) {
	t.finalSize = size
	if t.receive == ReceiveStopped {
		t.enter(ReceiveDiscarded, e.at)
	}
}

func (t *truth) onReceivedReset(e event) {
	switch t.receive {
	case ReceiveStopped:
		t.enter(ReceiveDiscarded, e.at)
	case ReceiveRecv, ReceiveSizeKnown, ReceiveDataRecvd:
		t.enter(ReceiveResetRecvd, e.at)
	}
}

func (t *truth) onCancelRead(e event) {
	switch t.receive {
	case ReceiveRecv:
		t.enter(ReceiveStopped, e.at)
	case ReceiveSizeKnown, ReceiveDataRecvd:
		t.enter(ReceiveDiscarded, e.at)
	case ReceiveResetRecvd:
		t.sawError = true
	}
}
