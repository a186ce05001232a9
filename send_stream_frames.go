package quic

import (
	"slices"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/recovery"
	"github.com/quic-go/quic-go/internal/wire"
)

// minStreamFragment is the least data for which a STREAM frame is begun in a packet that
// cannot take all of it.
const minStreamFragment = 16

// reschedule puts the stream on the queue of the scheduler that suits what it has to send.
// The caller holds s.mu.
func (s *SendStream) reschedule() {
	m := s.rec.streams
	if !s.sendable() {
		m.sched.remove(s)
		return
	}
	unsent := s.buf.Unsent()
	switch {
	case s.buf.HasLost() || s.finLost || unsent == 0 && s.finPending():
		m.sched.place(s, queueFree)
	case unsent > 0 && s.window.Available() > 0:
		m.sched.place(s, queueActive)
	case unsent == 0 && s.wanted > 0 && s.window.Available() > 0:
		m.sched.place(s, queueStarved)
	default:
		m.sched.remove(s)
		if !s.blocked() {
			return
		}
		if _, report := s.window.Blocked(); report {
			m.control.want(s.rec, controlDataBlocked)
		}
	}
}

// finPending reports that a FIN has to be sent for the first time.
func (s *SendStream) finPending() bool { return s.states.current() == SendStateFinQueued && !s.resetAt }

// mayFin reports that a frame that ends at the end of the data carries the FIN.
func (s *SendStream) mayFin() bool {
	return (s.finSent || s.states.current() == SendStateFinQueued) && !s.resetAt
}

// appendFrame appends a STREAM frame, if there is something to send: lost data first. credit is
// that of the connection; used is what was taken from it. ok is false if the frame does not fit.
func (s *SendStream) appendFrame(k *frameSink, credit protocol.ByteCount) (used protocol.ByteCount, ok bool) {
	s.mu.Lock()
	defer s.unlock()
	off, n, lost := s.nextFragment(k.space(), credit)
	if !s.sendable() || n == 0 && !s.bareFin(off) {
		s.wakeWriter()
		s.reschedule()
		return 0, true
	}
	n, hasLen := fitStreamFrame(s.rec.id, off, n, k.space())
	fin := s.mayFin() && off+protocol.ByteCount(n) == s.buf.End()
	if n < 0 || n == 0 && !fin {
		return 0, false
	}
	length := protocol.ByteCount(n)
	k.b = wire.AppendStreamHeader(k.b, s.rec.id, off, n, fin, hasLen)
	start := len(k.b)
	k.b = slices.Grow(k.b, n)[:start+n]
	s.buf.CopyTo(k.b[start:], off)
	k.record(recovery.Record{Kind: recordStream, StreamID: s.rec.id, Offset: off, Length: length, Fin: fin})
	if n > 0 {
		s.buf.MarkSent(off, n)
	}
	if !lost {
		s.window.Take(length)
		used = length
	}
	s.onPacked(fin)
	s.wakeWriter()
	s.reschedule()
	return used, true
}

// sendable reports that STREAM frames may be sent: the half is not over and was not reset.
func (s *SendStream) sendable() bool {
	st := s.states.current()
	return !st.Terminal() && !resetStates.has(st)
}

// bareFin reports that a FIN without data has to be sent at off.
func (s *SendStream) bareFin(off protocol.ByteCount) bool {
	return off == s.buf.End() && (s.finPending() || s.finLost && s.mayFin())
}

// nextFragment returns the first lost range, or the next unsent bytes that flow control permits.
func (s *SendStream) nextFragment(space int, credit protocol.ByteCount) (off protocol.ByteCount, n int, lost bool) {
	if s.buf.HasLost() {
		off, n = s.buf.NextLost(space)
		return off, n, true
	}
	sent := s.buf.Sent()
	return sent, int(min(s.buf.Unsent(), s.window.Available(), credit, protocol.ByteCount(space))), false
}

// fitStreamFrame cuts a frame with n bytes of data to size so that it fits the space. A frame that
// fills the space goes without its Length field. n is negative if the frame should not be begun.
func fitStreamFrame(id protocol.StreamID, off protocol.ByteCount, n, space int) (_ int, hasLen bool) {
	if bare := space - wire.StreamFrameOverhead(id, off, 0, false); n >= bare && bare > 0 {
		if bare < min(n, minStreamFragment) {
			return -1, false
		}
		return bare, false
	}
	over := n + wire.StreamFrameOverhead(id, off, n, true) - space
	if over <= 0 {
		return n, true
	}
	return n - over, true // the Length field is what does not fit
}

// onPacked changes the state after a STREAM frame is in a packet.
func (s *SendStream) onPacked(fin bool) {
	if s.states.current() == SendStateReady {
		s.states.enter(SendStateSend)
	}
	if s.resetAt {
		if !s.states.entered.has(SendStateDataSent) {
			s.queueResetAt()
		}
		return
	}
	if fin {
		s.finSent, s.finLost = true, false
		if s.states.current() == SendStateFinQueued {
			s.states.enter(SendStateDataSent)
		}
	}
}

// onAcked handles the acknowledgement of a STREAM frame.
func (s *SendStream) onAcked(r *recovery.Record) {
	s.mu.Lock()
	defer s.unlock()
	if !s.sendable() {
		return
	}
	if n := s.promised(r); n > 0 {
		s.buf.Ack(r.Offset, n)
	}
	if r.Fin {
		s.finAcked, s.finLost = true, false
	}
	s.finishIfAcked()
}

// onLost handles the loss of a STREAM frame.
func (s *SendStream) onLost(r *recovery.Record) {
	s.mu.Lock()
	defer s.unlock()
	if !s.sendable() {
		return
	}
	if n := s.promised(r); n > 0 {
		s.buf.Lost(r.Offset, n)
	}
	if r.Fin && !s.finAcked && !s.resetAt {
		s.finLost = true
	}
	s.reschedule()
}

// promised returns how many bytes of a sent frame we still want to be delivered. "Data sent
// beyond that byte offset SHOULD NOT be retransmitted."
// (draft-ietf-quic-reliable-stream-reset, Section 5)
func (s *SendStream) promised(r *recovery.Record) protocol.ByteCount {
	if !s.resetAt {
		return r.Length
	}
	return min(r.Length, s.reliableSize-r.Offset)
}

// finishIfAcked ends the half if everything that was promised is acknowledged.
func (s *SendStream) finishIfAcked() {
	if s.states.current() != SendStateDataSent {
		return
	}
	done := s.finAcked && s.buf.AckedTo(s.buf.End())
	if s.resetAt {
		done = s.resetAtAcked && s.buf.AckedTo(s.reliableSize)
	}
	if done {
		s.end(SendStateDataRecvd)
	}
}

// end enters a terminal state.
func (s *SendStream) end(st StreamState) {
	s.buf.Release()
	s.rec.streams.sched.remove(s)
	s.space.wake()
	s.states.enter(st)
}

// handleStopSending handles STOP_SENDING. "An endpoint that receives a STOP_SENDING frame MUST
// send a RESET_STREAM frame if the stream is in the "Ready" or "Send" state." After an own
// RESET_STREAM_AT the error code stays, as it must not change.
func (s *SendStream) handleStopSending(code StreamErrorCode) {
	s.mu.Lock()
	defer s.unlock()
	if !s.sendable() {
		return
	}
	if s.err == nil {
		s.err = &StreamError{StreamID: s.rec.id, ErrorCode: code, Remote: true}
		s.resetCode = code
	}
	s.reset()
}

// raiseLimit handles MAX_STREAM_DATA and the peer's transport parameters.
func (s *SendStream) raiseLimit(limit protocol.ByteCount) {
	s.mu.Lock()
	defer s.unlock()
	if s.window.Raise(limit) {
		s.wakeWriter()
		s.reschedule()
	}
}

// onConnCredit wakes the writer that waits for the credit of the connection and returns how
// much it may use.
func (s *SendStream) onConnCredit() protocol.ByteCount {
	s.mu.Lock()
	defer s.unlock()
	s.space.wake()
	return min(s.wanted, maxWriteAhead)
}

// abandon ends the half because the connection ended or 0-RTT was rejected.
func (s *SendStream) abandon(err error) {
	s.mu.Lock()
	defer s.unlock()
	if s.states.current().Terminal() {
		return
	}
	s.err = err
	s.end(SendStateAbandoned)
}

// appendReset appends RESET_STREAM or RESET_STREAM_AT if it is still wanted. ok is false if
// it does not fit.
func (s *SendStream) appendReset(k *frameSink) (ok bool) {
	s.mu.Lock()
	defer s.unlock()
	st := s.states.current()
	f := wire.ResetStreamFrame{StreamID: s.rec.id, ErrorCode: s.resetCode, FinalSize: s.window.Used()}
	rec := recovery.Record{Kind: recordResetStream, StreamID: s.rec.id}
	switch {
	case st == SendStateResetQueued || st == SendStateResetSent:
	case s.resetAt && !s.resetAtAcked && !st.Terminal():
		f.ReliableSize = s.reliableSize
		rec.Kind = recordResetStreamAt
	default:
		return true
	}
	if !k.fits(f.Length(protocol.Version1)) {
		return false
	}
	k.b, _ = f.Append(k.b, protocol.Version1)
	k.record(rec)
	switch {
	case st == SendStateResetQueued:
		s.states.enter(SendStateResetSent)
	case openForWriting.has(st):
		s.states.enter(SendStateDataSent)
	}
	return true
}

// onResetAcked handles the acknowledgement of a RESET_STREAM or RESET_STREAM_AT.
func (s *SendStream) onResetAcked(kind uint8) {
	s.mu.Lock()
	defer s.unlock()
	switch {
	case kind == recordResetStream && s.states.current() == SendStateResetSent:
		s.end(SendStateResetRecvd)
	case kind == recordResetStreamAt && s.resetAt:
		s.resetAtAcked = true
		s.finishIfAcked()
	}
}

// appendDataBlocked appends STREAM_DATA_BLOCKED if the stream is still blocked.
func (s *SendStream) appendDataBlocked(k *frameSink) (ok bool) {
	s.mu.Lock()
	defer s.unlock()
	if !s.sendable() || !s.blocked() {
		return true
	}
	f := wire.StreamDataBlockedFrame{StreamID: s.rec.id, MaximumStreamData: s.window.Limit()}
	if !k.fits(f.Length(protocol.Version1)) {
		return false
	}
	k.b, _ = f.Append(k.b, protocol.Version1)
	k.record(recovery.Record{Kind: recordStreamDataBlocked, StreamID: s.rec.id, Value: uint64(f.MaximumStreamData)})
	if s.states.current() == SendStateReady {
		s.states.enter(SendStateSend)
	}
	return true
}

// onDataBlockedLost queues the frame again if the stream is still blocked by the same limit.
func (s *SendStream) onDataBlockedLost(limit protocol.ByteCount) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if limit == s.window.Limit() && s.blocked() {
		s.rec.streams.control.want(s.rec, controlDataBlocked)
	}
}

// blocked reports that there is data for which the flow control of the stream leaves no room.
func (s *SendStream) blocked() bool {
	return s.window.Available() == 0 && (s.buf.Unsent() > 0 || s.wanted > 0)
}
