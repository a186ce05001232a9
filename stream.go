package quic

import (
	"context"
	"time"
)

// A Stream is a bidirectional stream. Its two halves are independent: Close and CancelWrite end the one on
// which this endpoint sends, CancelRead and the peer end the other. All methods may be called
// concurrently.
type Stream struct {
	send    *SendStream
	receive *ReceiveStream
}

// StreamID returns the stream ID.
func (s *Stream) StreamID() StreamID { return s.send.StreamID() }

// Read is ReceiveStream.Read.
func (s *Stream) Read(p []byte) (int, error) { return s.receive.Read(p) }

// Peek is ReceiveStream.Peek.
func (s *Stream) Peek(p []byte) (int, error) { return s.receive.Peek(p) }

// Write is SendStream.Write.
func (s *Stream) Write(p []byte) (int, error) { return s.send.Write(p) }

// WriteWithLimit is SendStream.WriteWithLimit.
func (s *Stream) WriteWithLimit(p []byte, limit func(int) int) (int, error) {
	return s.send.WriteWithLimit(p, limit)
}

// TryWriteAll is SendStream.TryWriteAll.
func (s *Stream) TryWriteAll(p []byte) error { return s.send.TryWriteAll(p) }

// Close closes the send half, see SendStream.Close. Reading goes on: an application that does not want to
// read to the end calls CancelRead as well.
func (s *Stream) Close() error { return s.send.Close() }

// CancelWrite resets the send half, see SendStream.CancelWrite.
func (s *Stream) CancelWrite(code StreamErrorCode) { s.send.CancelWrite(code) }

// CancelRead stops the receive half, see ReceiveStream.CancelRead.
func (s *Stream) CancelRead(code StreamErrorCode) { s.receive.CancelRead(code) }

// SetReliableBoundary is SendStream.SetReliableBoundary.
func (s *Stream) SetReliableBoundary() { s.send.SetReliableBoundary() }

// SetPriority is SendStream.SetPriority.
func (s *Stream) SetPriority(urgency int8, incremental bool) {
	s.send.SetPriority(urgency, incremental)
}

// Context returns the context of the send half, see SendStream.Context.
func (s *Stream) Context() context.Context { return s.send.Context() }

// SetReadDeadline is ReceiveStream.SetReadDeadline.
func (s *Stream) SetReadDeadline(t time.Time) error { return s.receive.SetReadDeadline(t) }

// SetWriteDeadline is SendStream.SetWriteDeadline.
func (s *Stream) SetWriteDeadline(t time.Time) error { return s.send.SetWriteDeadline(t) }

// SetDeadline sets the read and the write deadline.
func (s *Stream) SetDeadline(t time.Time) error {
	s.receive.SetReadDeadline(t)
	return s.send.SetWriteDeadline(t)
}

// SetReceiveFinalSizeCallback is ReceiveStream.SetReceiveFinalSizeCallback.
func (s *Stream) SetReceiveFinalSizeCallback(fn func(int64)) {
	s.receive.SetReceiveFinalSizeCallback(fn)
}

// ReleaseStreamCredit is ReceiveStream.ReleaseStreamCredit. The stream is over when both halves are.
func (s *Stream) ReleaseStreamCredit() { s.receive.ReleaseStreamCredit() }

// SendState is SendStream.SendState.
func (s *Stream) SendState() (StreamState, error) { return s.send.SendState() }

// ReceiveState is ReceiveStream.ReceiveState.
func (s *Stream) ReceiveState() (StreamState, error) { return s.receive.ReceiveState() }

// OnStateTransition calls fn with the states of both halves, see SendStream.OnStateTransition. The order is
// that of each half; the last state is StreamStateRetired.
func (s *Stream) OnStateTransition(fn func(StreamState)) (stop func() bool) {
	return s.send.OnStateTransition(fn)
}
