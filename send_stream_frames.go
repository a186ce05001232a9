//go:build unfinished

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
	if st := s.states.current(); st.Terminal() || resetStates.has(st) {
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
		if unsent > 0 || s.wanted > 0 {
			if _, report := s.window.Blocked(); report {
				m.control.want(s.rec, controlDataBlocked)
			}
		}
	}
}

// finPending reports that a FIN has to be sent for the first time.
func (s *SendStream) finPending() bool { return s.states.current() == SendStateFinQueued && !s.resetAt }

// mayFin reports that a frame that ends at the end of the data carries the FIN.
func (s *SendStream) mayFin() bool {
	return (s.finSent || s.states.current() == SendStateFinQueued) && !s.resetAt
}

// appendFrame appends a STREAM frame, if there is something to send and it fits: lost data
// first. credit is that of the connection; used is what was taken from it.
func (s *SendStream) appendFrame(b []byte, limit int, recs []recovery.Record, credit protocol.ByteCount) (_ []byte, _ []recovery.Record, used protocol.ByteCount) {
	s.mu.Lock()
	defer s.unlock()
	if st := s.states.current(); st.Terminal() || resetStates.has(st) {
		s.rec.streams.sched.remove(s)
		return b, recs, 0
	}
	off, n, lost := s.nextFragment(limit-len(b), credit)
	fin := s.mayFin() && off+protocol.ByteCount(n) == s.buf.End()
	if n == 0 && !(fin && (s.finLost || s.finPending())) {
		s.wakeWriter()
		s.reschedule()
		return b, recs, 0
	}
	n, hasLen := fitStreamFrame(s.rec.id, off, n, limit-len(b))
	if n < 0 {
		return b, recs, 0
	}
	length := protocol.ByteCount(n)
	fin = s.mayFin() && off+length == s.buf.End()
	if n == 0 && !fin {
		return b, recs, 0
	}
	b = wire.AppendStreamHeader(b, s.rec.id, off, n, fin, hasLen)
	start := len(b)
	b = slices.Grow(b, n)[:start+n]
	s.buf.CopyTo(b[start:], off)
	recs = append(recs, recovery.Record{Kind: recordStream, StreamID: s.rec.id, Offset: off, Length: length, Fin: fin})
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
	return b, recs, used
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
// fills the space goes without its Length field. n is -1 if the frame should not be begun.
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
	n -= over // the Length field is what does not fit
	if n < minStreamFragment {
		return -1, false
	}
	return n, true
}

// onPacked changes the state after a STREAM frame is in a packet.
func (s *SendStream) onPacked(fin bool) {
	if s.states.current() == SendStateReady {
		s.states.enter(s.rec, SendStateSend)
	}
	if s.resetAt {
		if !s.states.mask().has(SendStateDataSent) {
			s.queueResetAt()
		}
		return
	}
	if fin {
		s.finSent, s.finLost = true, false
		if s.states.current() == SendStateFinQueued {
			s.states.enter(s.rec, SendStateDataSent)
		}
	}
}

// onAcked handles the acknowledgement of a STREAM frame.
func (s *SendStream) onAcked(r *recovery.Record) {
	s.mu.Lock()
	defer s.unlock()
	if st := s.states.current(); st.Terminal() || resetStates.has(st) {
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
	if st := s.states.current(); st.Terminal() || resetStates.has(st) {
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
	s.states.enter(s.rec, st)
}

// handleStopSending handles STOP_SENDING. "An endpoint that receives a STOP_SENDING frame MUST
// send a RESET_STREAM frame if the stream is in the "Ready" or "Send" state." After an own
// RESET_STREAM_AT the error code stays, as it must not change.
func (s *SendStream) handleStopSending(code StreamErrorCode) {
	s.mu.Lock()
	defer s.unlock()
	if st := s.states.current(); st.Terminal() || resetStates.has(st) {
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
func (s *SendStream) appendReset(b []byte, limit int, recs []recovery.Record) (_ []byte, _ []recovery.Record, ok bool) {
	s.mu.Lock()
	defer s.unlock()
	st := s.states.current()
	f := wire.ResetStreamFrame{StreamID: s.rec.id, ErrorCode: s.resetCode, FinalSize: s.window.Used()}
	rec := recovery.Record{Kind: recordResetStream, StreamID: s.rec.id}
	switch {
	case st == SendStateResetQueued || st == SendStateResetSent:
	case s.resetAt && !s.resetAtAcked && !st.Terminal():
		f.ReliableSize = s.reliableSize
		rec.Kind, rec.Offset = recordResetStreamAt, s.reliableSize
	default:
		return b, recs, true
	}
	if len(b)+int(f.Length(protocol.Version1)) > limit {
		return b, recs, false
	}
	b, _ = f.Append(b, protocol.Version1)
	switch {
	case st == SendStateResetQueued:
		s.states.enter(s.rec, SendStateResetSent)
	case st != SendStateResetSent && st != SendStateDataSent:
		s.states.enter(s.rec, SendStateDataSent)
	}
	return b, append(recs, rec), true
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
func (s *SendStream) appendDataBlocked(b []byte, limit int, recs []recovery.Record) (_ []byte, _ []recovery.Record, ok bool) {
	s.mu.Lock()
	defer s.unlock()
	st := s.states.current()
	blocked := s.window.Available() == 0 && (s.buf.Unsent() > 0 || s.wanted > 0)
	if st.Terminal() || resetStates.has(st) || !blocked {
		return b, recs, true
	}
	f := wire.StreamDataBlockedFrame{StreamID: s.rec.id, MaximumStreamData: s.window.Limit()}
	if len(b)+int(f.Length(protocol.Version1)) > limit {
		return b, recs, false
	}
	b, _ = f.Append(b, protocol.Version1)
	if st == SendStateReady {
		s.states.enter(s.rec, SendStateSend)
	}
	return b, append(recs, recovery.Record{Kind: recordStreamDataBlocked, StreamID: s.rec.id, Value: uint64(f.MaximumStreamData)}), true
}

// datagramsAllowed reports whether a datagram of this stream may be queued and whether one that
// is queued may still be put in a packet: none leaves after the FIN or the RESET_STREAM. From
// the first call on, streamsParams.streamClosedForDatagrams is told when the half closes.
func (s *SendStream) datagramsAllowed() (queueing, packing bool) {
	if !s.rec.datagrams.Load() {
		s.rec.datagrams.Store(true)
	}
	st := s.states.current()
	return !st.Closed(), openForWriting.has(st)
}
