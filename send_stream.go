package quic

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/quic-go/quic-go/internal/flowcontrol"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/sendbuf"
)

const (
	// maxWriteAhead bounds the bytes of a stream that were taken from Write and not yet sent.
	maxWriteAhead protocol.ByteCount = 256 << 10
	// smallWrite is how many bytes Write takes even without flow control credit if nothing
	// else waits: less than what fits a packet.
	smallWrite protocol.ByteCount = protocol.MaxConfiguredPacketSize
)

// A SendStream is a unidirectional stream that this endpoint opened. All methods may be called
// concurrently; concurrent calls of Write are served one after the other.
type SendStream struct {
	rec  *streamRecord // immutable
	node schedulerNode // guarded by scheduler.mu

	mu       sync.Mutex // rank 3; guards what follows
	states   halfState
	buf      sendbuf.Buffer
	window   flowcontrol.SendWindow // Used is the final size once nothing new may be sent
	err      error                  // the reset, or the end of the connection
	ctx      *streamContext         // nil until Context is called
	deadline streamDeadline
	space    streamSignal       // the writer waits for room in buf
	token    streamSignal       // other writers wait for the writer
	wanted   protocol.ByteCount // what the waiting writer still has to place

	boundary     protocol.ByteCount // see SetReliableBoundary
	reliableSize protocol.ByteCount // of the RESET_STREAM_AT
	resetCode    StreamErrorCode

	writing      bool // somebody holds the write token
	finSent      bool
	finAcked     bool
	finLost      bool
	resetAt      bool // CancelWrite with a reliable prefix
	resetAtAcked bool
}

// streamContext is the context of a send half with what ends it.
type streamContext struct {
	context.Context
	cancel context.CancelCauseFunc
}

func (s *SendStream) init(r *streamRecord) {
	s.rec = r
	s.node.urgency, s.node.incremental = defaultUrgency, true
	s.window.Raise(r.streams.initialSendLimit(r.id))
	s.states.enter(SendStateReady)
	s.states.publish(r)
}

// StreamID returns the stream ID.
func (s *SendStream) StreamID() StreamID { return s.rec.id }

// Write writes p to the stream. It blocks until all of p is on its way or waits in a bounded buffer
// within the limits of flow control. It returns early with the number of bytes that were taken and
// the reason: the write deadline, Close (ErrStreamClosed), a cancellation by either side (a
// *StreamError) or the end of the connection.
func (s *SendStream) Write(p []byte) (int, error) { return s.WriteWithLimit(p, nil) }

// WriteWithLimit is like Write, but asks limit before it takes bytes: limit is called with the
// number of bytes that could be taken now and returns how many of them may be. If it allows fewer,
// WriteWithLimit takes these and returns ErrWriteLimitReached. A nil limit allows everything.
// limit is called without a lock held; it must not write to the same stream.
func (s *SendStream) WriteWithLimit(p []byte, limit func(int) int) (int, error) {
	s.mu.Lock()
	for s.writing {
		s.token.wait(&s.mu, nil) // the writer watches the deadline and the end for all
	}
	s.writing = true
	n := 0
	var err error
	defer func() { // also if limit panics
		s.writing = false
		s.token.wake()
		// Credit of the connection that is not used after all is for the next writer.
		s.unlockAndWake(n > 0 || err != nil)
		if err != nil && err != errDeadline && err != ErrWriteLimitReached {
			s.rec.applicationLetGo()
		}
	}()
	n, err = s.write(p, limit)
	return n, err
}

// write is called by the holder of the write token, with s.mu locked.
func (s *SendStream) write(p []byte, limit func(int) int) (int, error) {
	n := 0
	for {
		if err := s.writeError(); err != nil {
			return n, err
		}
		if n == len(p) {
			return n, nil
		}
		take := s.room(protocol.ByteCount(len(p) - n))
		if take == 0 {
			s.rec.streams.p.wake() // it sends what we have, or a BLOCKED frame
			s.waitForSpace(protocol.ByteCount(len(p) - n))
			continue
		}
		allowed := int(take)
		if limit != nil {
			allowed = s.askLimit(int(take), limit)
			if err := s.writeError(); err != nil {
				return n, err
			}
		}
		s.buf.Write(p[n : n+allowed])
		n += allowed
		s.reschedule()
		if allowed < int(take) {
			return n, ErrWriteLimitReached
		}
	}
}

// askLimit calls the limiter of WriteWithLimit, without the lock. The caller holds the write
// token, so room can only have grown.
func (s *SendStream) askLimit(n int, limit func(int) int) int {
	s.mu.Unlock()
	defer s.mu.Lock()
	return min(max(limit(n), 0), n)
}

// writeError returns why nothing can be written now.
func (s *SendStream) writeError() error {
	switch {
	case s.err != nil:
		return s.err
	case s.states.current().Closed():
		return ErrStreamClosed
	case s.deadline.passed():
		return errDeadline
	}
	return nil
}

// room returns how many of n bytes can be taken into buf.
func (s *SendStream) room(n protocol.ByteCount) protocol.ByteCount {
	unsent := s.buf.Unsent()
	if unsent+n <= smallWrite {
		return n
	}
	return min(max(min(maxWriteAhead, s.credit())-unsent, 0), n)
}

// credit returns how many unsent bytes the flow control of stream and connection permits.
func (s *SendStream) credit() protocol.ByteCount {
	return min(s.window.Available(), s.rec.streams.credit.writable())
}

// waitForSpace waits until some of n bytes may fit, or the write is over.
func (s *SendStream) waitForSpace(n protocol.ByteCount) {
	s.wanted = n
	s.reschedule()
	// The connection may have got credit before the scheduler knew that we wait for it.
	if s.room(n) == 0 {
		s.space.wait(&s.mu, &s.deadline)
	}
	s.wanted = 0
	s.reschedule()
}

// wakeWriter wakes the waiting writer if it is worth it.
func (s *SendStream) wakeWriter() {
	if s.wanted == 0 {
		return
	}
	if room := s.room(s.wanted); room == s.wanted || room > 0 && room >= s.buf.Unsent() {
		s.space.wake()
	}
}

// TryWriteAll writes all of p if flow control permits that without waiting. Otherwise it writes
// nothing and returns ErrWouldBlock. Other errors are those of Write. It never blocks.
func (s *SendStream) TryWriteAll(p []byte) error {
	s.mu.Lock()
	err := s.writeError()
	if err == nil && len(p) > 0 && !s.takesAll(protocol.ByteCount(len(p))) {
		err = ErrWouldBlock
	}
	if err == nil {
		s.buf.Write(p)
		s.reschedule()
	}
	s.unlockAndWake(err == nil && len(p) > 0)
	if err != nil && err != errDeadline && err != ErrWouldBlock {
		s.rec.applicationLetGo()
	}
	return err
}

// takesAll reports whether n bytes can be buffered at once. No limit but flow control applies to
// an empty buffer, or a large message could never be written.
func (s *SendStream) takesAll(n protocol.ByteCount) bool {
	unsent := s.buf.Unsent()
	return !s.writing && unsent+n <= s.credit() && (unsent == 0 || unsent+n <= maxWriteAhead)
}

// Close closes the stream for writing: the peer will read io.EOF after all the data. It does not
// wait for that; the data is sent even if the application drops the stream. Close returns an error
// if the stream was cancelled before, by CancelWrite or the peer's CancelRead.
func (s *SendStream) Close() error {
	defer s.rec.applicationLetGo()
	s.mu.Lock()
	defer s.unlockAndWake(true)
	if s.states.entered.has(SendStateFinQueued) {
		return nil
	}
	if s.err != nil {
		if _, canceled := s.err.(*StreamError); canceled {
			return fmt.Errorf("close called for canceled stream %d", s.rec.id)
		}
		return nil
	}
	s.states.enter(SendStateFinQueued)
	s.reschedule()
	s.space.wake()
	return nil
}

// CancelWrite resets the stream: what was not delivered yet is lost and the peer reads a
// *StreamError with this code, after the data up to SetReliableBoundary. It does nothing
// if the stream was cancelled before or everything was delivered.
func (s *SendStream) CancelWrite(code StreamErrorCode) {
	defer s.rec.applicationLetGo()
	s.mu.Lock()
	if s.err != nil || s.states.current().Terminal() {
		s.unlock()
		return
	}
	s.err = &StreamError{StreamID: s.rec.id, ErrorCode: code}
	s.resetCode = code
	if s.boundary > 0 && s.rec.streams.resetStreamAt.Load() {
		s.resetAfterPrefix()
	} else {
		s.reset()
	}
	s.unlockAndWake(true)
}

// resetAfterPrefix makes the stream end with RESET_STREAM_AT.
func (s *SendStream) resetAfterPrefix() {
	s.resetAt, s.reliableSize = true, s.boundary
	s.finLost = false
	s.buf.Truncate(s.reliableSize)
	s.space.wake()
	s.queueResetAt()
	s.reschedule()
	if s.rec.datagrams.Load() {
		s.rec.streams.pending.push(s.rec) // the state changes only when the frame is packed
	}
}

// queueResetAt queues the RESET_STREAM_AT once all of the prefix was sent. Its final size is then
// within the flow control limits, as draft-ietf-quic-reliable-stream-reset, Section 4 asks.
func (s *SendStream) queueResetAt() {
	if s.window.Used() >= s.reliableSize {
		s.rec.streams.control.want(s.rec, controlReset)
	}
}

// reset makes the stream end with RESET_STREAM. s.err and s.resetCode are set.
func (s *SendStream) reset() {
	s.resetAt = false
	s.buf.Release()
	s.rec.streams.sched.remove(s)
	s.rec.streams.control.want(s.rec, controlReset)
	s.space.wake()
	s.states.enter(SendStateResetQueued)
}

// SetReliableBoundary makes CancelWrite deliver the data written so far before the peer reads
// the error, if both endpoints enabled Config.EnableStreamResetPartialDelivery.
func (s *SendStream) SetReliableBoundary() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil && !s.states.current().Terminal() {
		s.boundary = s.buf.End()
	}
}

// SetPriority sets the priority of RFC 9218: urgency from 0, the most urgent, to 7 and
// whether the stream shares bandwidth with others of its urgency. The default is urgency 3,
// incremental.
func (s *SendStream) SetPriority(urgency int8, incremental bool) {
	s.rec.streams.sched.setPriority(s, urgency, incremental)
	if on := s.rec.streams.p.onPriority; on != nil {
		on(s.rec.id, urgency, incremental)
	}
}

// SetWriteDeadline sets the deadline of current and future calls of Write. The zero time means none.
func (s *SendStream) SetWriteDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deadline.set(t)
	s.space.wake()
	return nil
}

// Context returns a context that is cancelled when the stream is closed for writing, by
// either side or by the end of the connection. context.Cause tells why.
func (s *SendStream) Context() context.Context {
	s.mu.Lock()
	ctx := s.ctx
	s.mu.Unlock()
	if ctx != nil {
		return ctx
	}
	c, cancel := context.WithCancelCause(s.rec.streams.p.ctx)
	s.mu.Lock()
	if s.ctx == nil {
		s.ctx = &streamContext{Context: c, cancel: cancel}
	} else {
		defer cancel(nil) // another goroutine was faster
	}
	ctx = s.ctx
	s.unlock()
	return ctx
}

// SendState returns the state of the send half and why it was reset or abandoned: a *StreamError,
// the connection's error or Err0RTTRejected.
func (s *SendStream) SendState() (StreamState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.states.current(), s.err
}

// OnStateTransition calls fn with each state that the stream enters, those of the past first, in
// order, the last one being StreamStateRetired. fn runs on the goroutine of the connection (after
// the end of the connection: in this call) and must not block; it must not call Read,
// Write, Open, Accept, SendDatagram or CloseWithError. stop ends the subscription and reports whether it
// did so before the last call; it does not wait for a call that is running.
func (s *SendStream) OnStateTransition(fn func(StreamState)) (stop func() bool) {
	return s.rec.subscribe(&observer{onState: fn})
}

// closedReason returns why nothing can be written, or sent in datagrams, any more; nil if the stream is
// open for writing. The error is that of Write.
func (s *SendStream) closedReason() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closedReasonLocked()
}

func (s *SendStream) closedReasonLocked() error {
	if s.err == nil && s.states.current().Closed() {
		return ErrStreamClosed
	}
	return s.err
}

// datagramsAllowed reports whether a datagram of this stream may be queued and whether one that
// is queued may still be put in a packet: none leaves after the FIN or the RESET_STREAM. From
// the first call on, streamsParams.streamClosedForDatagrams is told when the half closes.
func (s *SendStream) datagramsAllowed() (queueing, packing bool) {
	if !s.rec.datagrams.Load() {
		s.rec.datagrams.Store(true)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closedReasonLocked() == nil, openForWriting.has(s.states.current())
}

// endContext cancels the stream's context if it is closed for writing. The caller holds no lock.
func (s *SendStream) endContext() {
	s.mu.Lock()
	s.unlock()
}

// unlock unlocks s.mu after changes: what was caused under the lock runs here, without it.
// It reports whether the stream went on the pending list.
func (s *SendStream) unlock() (pushed bool) {
	var cancel context.CancelCauseFunc
	cause := s.closedReasonLocked()
	if s.ctx != nil && cause != nil {
		cancel = s.ctx.cancel
	}
	pushed = s.states.publish(s.rec)
	s.mu.Unlock()
	if cancel != nil {
		cancel(cause)
	}
	if pushed {
		s.rec.streams.pending.push(s.rec)
	}
	return pushed
}

// unlockAndWake is unlock for the goroutines of the application.
func (s *SendStream) unlockAndWake(wake bool) {
	if s.unlock() || wake {
		s.rec.streams.p.wake()
	}
}
