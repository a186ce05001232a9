package quic

import (
	"time"

	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
	"github.com/quic-go/quic-go/internal/recovery"
	"github.com/quic-go/quic-go/internal/wire"
)

// frameError returns the error that ends the connection because of the frame d.
func frameError(code qerr.TransportErrorCode, d *wire.Decoded, reason string) error {
	return qerr.FrameError(code, uint64(d.Type), reason)
}

// handleStreamFrame handles STREAM.
func (s *ReceiveStream) handleStreamFrame(d *wire.Decoded) error {
	s.mu.Lock()
	defer s.unlock()
	end := d.Offset + protocol.ByteCount(len(d.Data))
	if err := s.account(d, end, d.Fin); err != nil {
		return err
	}
	switch s.states.current() {
	case ReceiveStateStopped:
		s.discard()
	case ReceiveStateRecv, ReceiveStateSizeKnown, ReceiveStateDataRecvd:
		if err := s.store(d); err != nil {
			return err
		}
	case ReceiveStateResetRecvd, ReceiveStateDataRead, ReceiveStateResetRead, ReceiveStateDiscarded, ReceiveStateAbandoned:
	}
	if d.Fin {
		s.setFinalSize(end)
	}
	s.advance()
	return nil
}

// account checks a frame that says that the stream is at least, or if final is set exactly, end bytes
// long, and counts new bytes against the flow control limits of stream and connection.
func (s *ReceiveStream) account(d *wire.Decoded, end protocol.ByteCount, final bool) error {
	// RFC 9000, Section 4.5: "Once a final size for a stream is known, it cannot change. If a RESET_STREAM or
	// STREAM frame is received indicating a change in the final size for the stream, an endpoint SHOULD
	// respond with an error of type FINAL_SIZE_ERROR"
	known := s.finalSize != unknownSize
	if known && (end > s.finalSize || final && end != s.finalSize) || final && end < s.received {
		return frameError(qerr.FinalSizeError, d, "final size changed")
	}
	// RFC 9000, Section 4.1: "A receiver MUST close the connection with an error of type FLOW_CONTROL_ERROR
	// if the sender violates the advertised connection or stream data limits"
	news, ok := s.window.Receive(end)
	if !ok {
		return frameError(qerr.FlowControlError, d, "stream data limit exceeded")
	}
	if !s.rec.streams.credit.receive(news) {
		return frameError(qerr.FlowControlError, d, "connection data limit exceeded")
	}
	s.received = max(s.received, end)
	return nil
}

// store puts the data in order. What RESET_STREAM_AT does not promise is left out.
func (s *ReceiveStream) store(d *wire.Decoded) error {
	n := min(protocol.ByteCount(len(d.Data)), s.promised-d.Offset)
	if n <= 0 {
		return nil
	}
	delta, err := s.buf.Push(d.Offset, d.Data[:n])
	if err != nil || s.rec.streams.gaps.Add(int32(delta)) > protocol.MaxConnGaps {
		return frameError(qerr.ProtocolViolation, d, "too many gaps in stream data")
	}
	s.arrived.wake()
	return nil
}

// setFinalSize notes how long the stream is.
func (s *ReceiveStream) setFinalSize(size protocol.ByteCount) {
	s.finalSize = size
	s.promised = min(s.promised, size)
	switch s.states.current() {
	case ReceiveStateRecv:
		s.states.enter(ReceiveStateSizeKnown)
	case ReceiveStateStopped:
		s.stopQueued = false // nothing to stop any more
		s.states.enter(ReceiveStateDiscarded)
	case ReceiveStateSizeKnown, ReceiveStateDataRecvd, ReceiveStateResetRecvd,
		ReceiveStateDataRead, ReceiveStateResetRead, ReceiveStateDiscarded, ReceiveStateAbandoned:
	}
}

// advance enters the states that the received and the consumed bytes call for.
func (s *ReceiveStream) advance() {
	if s.states.current() == ReceiveStateSizeKnown && s.complete() {
		s.states.enter(ReceiveStateDataRecvd)
		s.arrived.wake()
	}
	if s.states.current() == ReceiveStateDataRecvd && s.consumed >= s.promised {
		s.discard() // what a RESET_STREAM_AT does not promise
		s.states.enter(ReceiveStateDataRead)
	}
}

// handleReset handles RESET_STREAM and RESET_STREAM_AT.
func (s *ReceiveStream) handleReset(d *wire.Decoded) error {
	s.mu.Lock()
	defer s.unlock()
	if err := s.account(d, d.FinalSize, true); err != nil {
		return err
	}
	code := StreamErrorCode(d.ErrorCode)
	// draft-ietf-quic-reliable-stream-reset, Section 5.2: "the initiator MUST NOT change the Application
	// Error Code or the Final Size. If the receiver detects a change in those fields, it MUST close the
	// connection with a connection error of type STREAM_STATE_ERROR or FINAL_SIZE_ERROR, respectively."
	if s.resetSeen && s.resetCode != code {
		return frameError(qerr.StreamStateError, d, "error code of the reset changed")
	}
	s.resetSeen, s.resetCode = true, code
	switch s.states.current() {
	case ReceiveStateStopped:
		s.setFinalSize(d.FinalSize)
		s.discard()
	case ReceiveStateRecv, ReceiveStateSizeKnown, ReceiveStateDataRecvd:
		if s.err == nil {
			s.err = &StreamError{StreamID: s.rec.id, ErrorCode: code, Remote: true}
		}
		if d.ReliableSize == 0 {
			s.finalSize, s.promised = d.FinalSize, 0
			s.discard()
			s.states.enter(ReceiveStateResetRecvd)
			return nil
		}
		// "The receiver MUST ignore any RESET_STREAM_AT frame that increases the Reliable Size."
		s.promised = min(s.promised, d.ReliableSize)
		s.setFinalSize(d.FinalSize)
		s.advance()
		s.arrived.wake()
	case ReceiveStateResetRecvd, ReceiveStateDataRead, ReceiveStateResetRead, ReceiveStateDiscarded, ReceiveStateAbandoned:
	}
	return nil
}

// giveUpReset ends a half whose reset nobody has to see: the stream has no send half, or that is over.
// Read returns the error later all the same.
func (s *ReceiveStream) giveUpReset() {
	s.mu.Lock()
	defer s.unlock()
	if s.states.current() == ReceiveStateResetRecvd {
		s.states.enter(ReceiveStateResetRead)
	}
}

// abandon ends the half because the connection ended or 0-RTT was rejected.
func (s *ReceiveStream) abandon(err error) {
	s.mu.Lock()
	defer s.unlock()
	if s.states.current().Terminal() {
		return
	}
	s.err = err
	s.discard()
	s.stopQueued = false // after a rejection of 0-RTT the ID will be that of another stream
	s.states.enter(ReceiveStateAbandoned)
}

func (s *ReceiveStream) knownFinalSize() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int64(s.finalSize)
}

// appendStopSending appends STOP_SENDING if it is still wanted. ok is false if it does not fit.
func (s *ReceiveStream) appendStopSending(k *frameSink) (ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopQueued {
		return true
	}
	f := wire.StopSendingFrame{StreamID: s.rec.id, ErrorCode: s.stopCode}
	if !k.fits(f.Length(protocol.Version1)) {
		return false
	}
	k.b, _ = f.Append(k.b, protocol.Version1)
	k.record(recovery.Record{Kind: recordStopSending, StreamID: s.rec.id})
	s.stopQueued = false
	return true
}

// onStopSendingLost queues the frame again if there is still something to stop.
func (s *ReceiveStream) onStopSendingLost() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.states.current() == ReceiveStateStopped {
		s.stopQueued = true
		s.rec.streams.control.want(s.rec, controlStopSending)
	}
}

// appendMaxStreamData appends MAX_STREAM_DATA if more may come. It returns the size of the
// window, which may have grown.
func (s *ReceiveStream) appendMaxStreamData(k *frameSink, now monotime.Time, rtt time.Duration) (size protocol.ByteCount, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.states.current() != ReceiveStateRecv {
		return 0, true
	}
	f := wire.MaxStreamDataFrame{StreamID: s.rec.id, MaximumStreamData: protocol.MaxByteCount}
	if !k.fits(f.Length(protocol.Version1)) {
		return 0, false
	}
	f.MaximumStreamData = s.window.Update(now, rtt, nil)
	k.b, _ = f.Append(k.b, protocol.Version1)
	k.record(recovery.Record{Kind: recordMaxStreamData, StreamID: s.rec.id, Value: uint64(f.MaximumStreamData)})
	return s.window.Size(), true
}

// onMaxStreamDataLost queues the frame again if it told the newest limit.
func (s *ReceiveStream) onMaxStreamDataLost(limit protocol.ByteCount) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.states.current() == ReceiveStateRecv && limit == s.window.Limit() {
		s.rec.streams.control.want(s.rec, controlMaxStreamData)
	}
}
