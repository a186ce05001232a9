package quic

import (
	"io"
	"sync"
	"time"

	"github.com/quic-go/quic-go/internal/flowcontrol"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/reassembly"
)

// unknownSize is the final size of a stream whose end was not announced.
const unknownSize protocol.ByteCount = -1

// A ReceiveStream is a unidirectional stream that the peer opened. All methods may be called
// concurrently; concurrent calls of Read and Peek are served one after the other.
type ReceiveStream struct {
	rec *streamRecord // immutable

	mu       sync.Mutex // rank 3; guards what follows
	states   halfState
	buf      reassembly.Buffer
	window   flowcontrol.ReceiveWindow
	err      error // the reset, CancelRead or the end of the connection
	deadline streamDeadline
	arrived  streamSignal // the reader waits for data
	token    streamSignal // other readers wait for the reader

	received  protocol.ByteCount // the highest offset that flow control has counted
	consumed  protocol.ByteCount // of these, what was read or given up
	finalSize protocol.ByteCount // unknownSize at first
	promised  protocol.ByteCount // how much will be delivered: less than the final size after RESET_STREAM_AT
	resetCode StreamErrorCode    // of the peer's RESET_STREAM or RESET_STREAM_AT
	stopCode  StreamErrorCode

	reading    bool // somebody holds the read token
	resetSeen  bool // resetCode is set
	stopQueued bool // STOP_SENDING has to be sent
}

func (s *ReceiveStream) init(r *streamRecord) {
	p := &r.streams.p
	s.rec = r
	s.finalSize, s.promised = unknownSize, protocol.MaxByteCount
	s.window = flowcontrol.NewReceiveWindow(p.streamWindow, p.maxStreamWindow)
	s.states.enter(ReceiveStateRecv)
	s.states.publish(r)
}

// StreamID returns the stream ID.
func (s *ReceiveStream) StreamID() StreamID { return s.rec.id }

// Read reads data in order. It blocks until there is some, or returns the read deadline's error, io.EOF
// at the end of the stream (perhaps together with the last bytes), a *StreamError if the
// stream was cancelled by either side, or the error of the connection. The error at the end repeats.
func (s *ReceiveStream) Read(p []byte) (int, error) {
	s.acquire()
	n := 0
	err := s.await(min(len(p), 1))
	if err == nil && len(p) > 0 {
		n = s.consume(p)
		if err = s.endError(); err != io.EOF { // an error that is not a clean end comes alone
			err = nil
		}
	}
	s.release(err)
	return n, err
}

// Peek reads data without consuming it. It blocks until len(p) bytes are there, which must not be more
// than the receive window of the stream holds. It returns fewer only together with an error: io.EOF at
// the end of the stream, or the errors of Read.
func (s *ReceiveStream) Peek(p []byte) (int, error) {
	s.acquire()
	n := 0
	err := s.await(len(p))
	if err == nil && len(p) > 0 {
		n = s.buf.Peek(p[:min(protocol.ByteCount(len(p)), s.readable())])
		if n < len(p) {
			if err = s.err; err == nil {
				err = io.EOF
			}
		}
	}
	s.release(err)
	return n, err
}

// acquire takes the read token and locks s.mu.
func (s *ReceiveStream) acquire() {
	s.mu.Lock()
	for s.reading {
		s.token.wait(&s.mu, nil) // the reader watches the deadline and the end for all
	}
	s.reading = true
}

// release ends a read whose result is err and unlocks s.mu.
func (s *ReceiveStream) release(err error) {
	s.reading = false
	s.token.wake()
	if err != nil && s.states.current() == ReceiveStateResetRecvd {
		s.states.enter(ReceiveStateResetRead)
	}
	s.unlockAndWake(false)
	if err != nil && err != errDeadline {
		s.rec.applicationLetGo()
	}
}

// await waits until n bytes, or all that will come, can be read.
func (s *ReceiveStream) await(n int) error {
	for {
		if err := s.endError(); err != nil {
			return err
		}
		if s.deadline.passed() {
			return errDeadline
		}
		if s.readable() >= protocol.ByteCount(n) || s.complete() {
			return nil
		}
		s.arrived.wait(&s.mu, &s.deadline)
	}
}

// endError returns what Read returns if there is nothing more to read, ever.
func (s *ReceiveStream) endError() error {
	switch s.states.current() {
	case ReceiveStateRecv, ReceiveStateSizeKnown, ReceiveStateDataRecvd:
		return nil
	case ReceiveStateDataRead:
		if s.err == nil {
			return io.EOF
		}
	case ReceiveStateResetRecvd, ReceiveStateStopped, ReceiveStateResetRead, ReceiveStateDiscarded, ReceiveStateAbandoned:
	}
	return s.err
}

// readable returns the number of bytes that can be read now.
func (s *ReceiveStream) readable() protocol.ByteCount {
	return max(min(s.buf.ContiguousEnd(), s.promised)-s.consumed, 0)
}

// complete reports that every byte that will come is here.
func (s *ReceiveStream) complete() bool { return s.buf.ContiguousEnd() >= s.promised }

// consume moves bytes to p.
func (s *ReceiveStream) consume(p []byte) int {
	n := s.buf.Read(p[:min(protocol.ByteCount(len(p)), s.readable())])
	m := s.rec.streams
	s.consumed += protocol.ByteCount(n)
	s.window.Consume(protocol.ByteCount(n))
	m.credit.consume(protocol.ByteCount(n), m.p.wake)
	if s.finalSize == unknownSize && s.window.UpdateDue() {
		m.control.want(s.rec, controlMaxStreamData)
		m.p.wake()
	}
	s.advance()
	return n
}

// CancelRead tells the peer that nothing more will be read: unread data is dropped, and Read returns
// a *StreamError with this code from now on. It does nothing after the end, or after
// a cancellation, of the stream.
func (s *ReceiveStream) CancelRead(code StreamErrorCode) {
	s.mu.Lock()
	switch s.states.current() {
	case ReceiveStateRecv:
		s.stop(code)
		s.states.enter(ReceiveStateStopped)
	case ReceiveStateSizeKnown:
		s.stop(code)
		s.states.enter(ReceiveStateDiscarded)
	case ReceiveStateDataRecvd:
		s.cancel(code)
		s.states.enter(ReceiveStateDiscarded)
	case ReceiveStateResetRecvd:
		s.states.enter(ReceiveStateResetRead)
	case ReceiveStateStopped, ReceiveStateDataRead, ReceiveStateResetRead, ReceiveStateDiscarded, ReceiveStateAbandoned:
	}
	s.unlockAndWake(s.stopQueued)
	s.rec.applicationLetGo()
}

// stop cancels the stream and asks the peer to stop. RFC 9000, Section 3.5: "If the stream is in the "Recv"
// or "Size Known" state, the transport SHOULD signal this by sending a STOP_SENDING frame".
func (s *ReceiveStream) stop(code StreamErrorCode) {
	s.cancel(code)
	s.stopCode, s.stopQueued = code, true
	s.rec.streams.control.want(s.rec, controlStopSending)
}

// cancel drops the data. The error of a RESET_STREAM_AT stays.
func (s *ReceiveStream) cancel(code StreamErrorCode) {
	if s.err == nil {
		s.err = &StreamError{StreamID: s.rec.id, ErrorCode: code}
	}
	s.discard()
}

// discard drops what is buffered and hands its credit back to the connection, and wakes the reader.
func (s *ReceiveStream) discard() {
	m := s.rec.streams
	m.gaps.Add(-int32(s.buf.Gaps()))
	s.buf.Release()
	m.credit.consume(s.received-s.consumed, m.p.wake)
	s.consumed = s.received
	s.arrived.wake()
}

// SetReadDeadline sets the deadline of current and future calls of Read and Peek. The zero time
// means none. Nothing is lost when a deadline passes.
func (s *ReceiveStream) SetReadDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deadline.set(t)
	s.arrived.wake()
	return nil
}

// SetReceiveFinalSizeCallback calls fn once, as soon as the size of the stream is known, with the number
// of bytes that the peer has sent or would have sent. Several callbacks may be set. fn runs like those of
// OnStateTransition. It is not called if the connection ends before.
func (s *ReceiveStream) SetReceiveFinalSizeCallback(fn func(int64)) {
	s.rec.subscribe(&observer{onFinalSize: fn})
}

// ReleaseStreamCredit allows the peer to open another stream in place of this one, as soon as this one is
// over. It is needed only with Config.RequireStreamCreditRelease; otherwise the end of the stream, Close and
// the Cancel methods do the same. It may be called more than once.
func (s *ReceiveStream) ReleaseStreamCredit() { s.rec.releaseCredit() }

// ReceiveState returns the state of the receive half and why it was reset or abandoned: a *StreamError,
// the connection's error or Err0RTTRejected.
func (s *ReceiveStream) ReceiveState() (StreamState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.states.current(), s.err
}

// OnStateTransition calls fn with each state that the stream enters, those of the past first, in
// order, the last one being StreamStateRetired. See SendStream.OnStateTransition for what fn may do.
func (s *ReceiveStream) OnStateTransition(fn func(StreamState)) (stop func() bool) {
	return s.rec.subscribe(&observer{onState: fn})
}

// unlock unlocks s.mu after changes and reports whether the stream went on the pending list.
func (s *ReceiveStream) unlock() (pushed bool) {
	pushed = s.states.publish(s.rec)
	s.mu.Unlock()
	if pushed {
		s.rec.streams.pending.push(s.rec)
	}
	return pushed
}

// unlockAndWake is unlock for the goroutines of the application.
func (s *ReceiveStream) unlockAndWake(wake bool) {
	if s.unlock() || wake {
		s.rec.streams.p.wake()
	}
}
