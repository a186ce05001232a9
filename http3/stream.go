package http3

import (
	"context"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/qlogwriter"
)

// A Stream is a request stream whose user reads and writes the content itself. Read and Write
// are the payloads of DATA frames (RFC 9114, Section 4.4).
//
// One goroutine may read and another one may write at the same time; the other methods may be
// called concurrently with all methods.
type Stream struct {
	*quicStream
	conn      *connection
	datagrams datagramQueue
	// rejected: the server will not process the request (client only).
	rejected atomic.Bool
	// unread: nobody reads what is left, so it must not hold the stream.
	unread atomic.Bool

	// reader only
	frameHeader  [maxFrameHeader]byte
	left         uint64 // of the payload of the current DATA frame
	connect      bool   // only DATA frames may follow
	trailersRead bool
	trailer      http.Header // what the trailer section said
}

// A quicStream is the part of a Stream that concerns the QUIC stream as a whole, and its writer.
type quicStream struct {
	str *quic.Stream
	log *eventLog // nil without a trace

	// writer only
	header []byte       // of a DATA frame, not yet written
	owed   atomic.Int64 // bytes of the DATA frame whose header was written; Close may be called meanwhile
}

// A wholeStream is a Stream with all that belongs to it, in one piece of memory.
type wholeStream struct {
	stream Stream
	quic   quicStream
}

// init makes a Stream of a QUIC stream and makes conn know it. It returns nil if conn takes on no further request.
func (m *wholeStream) init(conn *connection, str *quic.Stream) *Stream {
	s := &m.stream
	s.quicStream, s.conn, s.datagrams.conn = &m.quic, conn, conn
	s.str, s.log = str, conn.log
	if !conn.add(s) {
		return nil
	}
	str.OnStateTransition(s.onState)
	return s
}

// onState is called on the loop goroutine of the connection.
func (s *Stream) onState(st quic.StreamState) {
	switch st {
	case quic.ReceiveStateDataRecvd:
		s.receiveClosed()
		if s.unread.Load() {
			s.CancelRead(quic.StreamErrorCode(ErrCodeNoError))
		}
	case quic.ReceiveStateResetRecvd, quic.ReceiveStateStopped, quic.ReceiveStateDataRead,
		quic.ReceiveStateResetRead, quic.ReceiveStateDiscarded, quic.ReceiveStateAbandoned:
		s.receiveClosed()
	case quic.StreamStateRetired:
		s.datagrams.retire()
		s.conn.remove(s)
	default:
	}
}

// StreamID returns the ID of the stream.
func (s *Stream) StreamID() quic.StreamID { return s.str.StreamID() }

// QlogTrace returns the qlog trace of the connection, or nil.
func (s *Stream) QlogTrace() qlogwriter.Trace { return s.conn.qc.QlogTrace() }

// SendState returns the state of the send half, and the error that has ended it.
func (s *Stream) SendState() (quic.StreamState, error) {
	st, err := s.str.SendState()
	return st, convertError(err)
}

// ReceiveState returns the state of the receive half, and the error that has ended it.
func (s *Stream) ReceiveState() (quic.StreamState, error) {
	st, err := s.str.ReceiveState()
	return st, convertError(err)
}

// OnStateTransition calls fn with each state that a half of the stream has entered or will enter, in
// order, and finally with quic.StreamStateRetired. fn is called on a goroutine of the connection
// and must not block. See quic.Stream.OnStateTransition.
func (s *Stream) OnStateTransition(fn func(quic.StreamState)) (stop func() bool) {
	return s.str.OnStateTransition(fn)
}

// Read reads content. It returns io.EOF after the peer has finished the message. A stream that ends
// within a frame is a fault that closes the connection; the error is an *Error with
// ErrCodeFrameError then and wraps io.ErrUnexpectedEOF.
func (s *Stream) Read(p []byte) (int, error) {
	n, err := s.read(p)
	if err != nil && err != io.EOF {
		err = s.fail(err)
	}
	return n, err
}

func (s *Stream) read(p []byte) (int, error) {
	for s.left == 0 {
		if err := s.nextData(); err != nil {
			return 0, err
		}
	}
	if uint64(len(p)) > s.left {
		p = p[:s.left]
	}
	n, err := s.str.Read(p)
	s.left -= uint64(n)
	if err == io.EOF && s.left > 0 {
		err = truncated("DATA frame")
	}
	return n, err
}

// nextData reads up to the payload of the next DATA frame.
func (s *Stream) nextData() error {
	t, length, err := s.nextFrame()
	if err != nil {
		return err
	}
	// "Receipt of an invalid sequence of frames MUST be treated as a connection error of type
	// H3_FRAME_UNEXPECTED." (RFC 9114, Section 4.1)
	if s.trailersRead {
		return connErrorf(ErrCodeFrameUnexpected, "frame after the trailers")
	}
	if t == frameData {
		s.left = length
		return nil
	}
	// "Once the CONNECT method has completed, only DATA frames are permitted to be sent on the
	// stream." (RFC 9114, Section 4.4)
	if s.connect {
		return connErrorf(ErrCodeFrameUnexpected, "HEADERS frame on a CONNECT stream")
	}
	limit := min(s.conn.fieldLimit, maxTrailerBytes)
	if length > uint64(limit) {
		return streamErrorf(ErrCodeExcessiveLoad, "http3: trailers too large: %d bytes (max: %d)", length, limit)
	}
	s.trailersRead = true
	return s.withPayload(int(length), func(block []byte) (err error) {
		s.trailer, err = parseTrailers(block, limit)
		return err
	})
}

// withPayload calls fn with the payload of a HEADERS frame, whose memory is used again afterwards.
func (s *Stream) withPayload(length int, fn func([]byte) error) error {
	buf := payloads.Get().(*[]byte)
	b, err := readPayload(s.str, (*buf)[:0], length)
	if cap(b) <= 16<<10 {
		*buf = b
		defer payloads.Put(buf)
	}
	if err == io.ErrUnexpectedEOF {
		return truncated("HEADERS frame")
	}
	if err != nil {
		return err
	}
	s.log.parsed(s.StreamID(), frameHeaders, uint64(length), b)
	return fn(b)
}

var payloads = sync.Pool{New: func() any { return new([]byte) }}

// fail acts on an error of reading: a fault of the peer ends the stream or the connection.
// It returns the error for the reader.
func (s *Stream) fail(err error) error {
	switch e := err.(type) {
	case *connError:
		s.conn.abort(e)
		return &Error{ErrorCode: e.code, ErrorMessage: e.reason, cause: e.cause}
	case *streamError:
		s.abort(e.code)
		return e.err
	default:
		return convertError(err)
	}
}

// leaveUnread lets the stream go as soon as the peer has finished it.
func (s *Stream) leaveUnread() {
	s.unread.Store(true)
	if st, _ := s.str.ReceiveState(); st == quic.ReceiveStateDataRecvd {
		s.CancelRead(quic.StreamErrorCode(ErrCodeNoError))
	}
}

// abort resets both directions.
func (s *Stream) abort(code ErrCode) {
	s.CancelRead(quic.StreamErrorCode(code))
	s.CancelWrite(quic.StreamErrorCode(code))
}

// Write writes content as a DATA frame. A frame that a deadline has interrupted is continued by
// the next Write.
func (s *Stream) Write(p []byte) (int, error) {
	n, err := s.write(p)
	return n, convertError(err)
}

// TryWriteAll writes p as a DATA frame if it can be buffered without waiting, or writes nothing and
// returns quic.ErrWouldBlock.
func (s *Stream) TryWriteAll(p []byte) error {
	if len(s.header) > 0 || s.owed.Load() > 0 {
		return quic.ErrWouldBlock
	}
	b := make([]byte, 0, maxFrameHeader+len(p))
	b = append(appendFrameHeader(b, frameData, len(p)), p...)
	err := s.str.TryWriteAll(b)
	if err == nil {
		s.log.created(s.StreamID(), b)
	}
	return convertError(err)
}

// smallWrite is the length up to which the header of a DATA frame and its payload are copied into
// one buffer, which is cheaper than writing twice.
const smallWrite = 2 << 10

func (s *quicStream) write(p []byte) (n int, err error) {
	for len(p) > 0 && err == nil {
		if len(s.header) == 0 && s.owed.Load() == 0 {
			s.header = appendFrameHeader(s.header[:0], frameData, len(p))
			s.owed.Store(int64(len(p)))
			s.log.created(s.str.StreamID(), s.header)
		}
		var m int
		m, err = s.writeOwed(p)
		n += m
		p = p[m:]
	}
	return n, err
}

// writeOwed writes what is left of the current frame's header, and as much of its payload as p has.
func (s *quicStream) writeOwed(p []byte) (int, error) {
	p = p[:min(int64(len(p)), s.owed.Load())]
	if h := len(s.header); h > 0 && len(p) <= smallWrite {
		b := append(s.header, p...)
		m, err := s.str.Write(b)
		s.header = b[min(m, h):h]
		n := max(0, m-h)
		s.owed.Add(int64(-n))
		return n, err
	}
	if len(s.header) > 0 {
		m, err := s.str.Write(s.header)
		s.header = s.header[m:]
		if err != nil {
			return 0, err
		}
	}
	n, err := s.str.Write(p)
	s.owed.Add(int64(-n))
	return n, err
}

// QUICStream returns the QUIC stream. Reading from it or writing to it bypasses the framing of HTTP/3.
func (s *quicStream) QUICStream() *quic.Stream { return s.str }

// Context returns a context that is done when the send half of the stream is closed.
func (s *quicStream) Context() context.Context { return s.str.Context() }

// Close finishes the send half. If a Write was interrupted within a frame it is reset instead.
// That the peer needs nothing more (STOP_SENDING with ErrCodeNoError, or a code that means nothing) is
// no error.
func (s *quicStream) Close() error {
	if s.owed.Load() > 0 {
		s.str.CancelWrite(quic.StreamErrorCode(ErrCodeRequestCanceled))
		return nil
	}
	err := s.str.Close()
	if err == nil {
		return nil
	}
	_, reason := s.str.SendState()
	if e, ok := reason.(*quic.StreamError); ok && e.Remote && ErrCode(e.ErrorCode).meansNoError() {
		return nil
	}
	return err
}

// CancelRead stops receiving: the peer is asked to stop sending (STOP_SENDING).
func (s *quicStream) CancelRead(code quic.StreamErrorCode) { s.str.CancelRead(code) }

// CancelWrite stops sending and resets the send half (RESET_STREAM).
func (s *quicStream) CancelWrite(code quic.StreamErrorCode) { s.str.CancelWrite(code) }

// SetPriority sets the priority of what is sent on the stream (RFC 9218).
func (s *quicStream) SetPriority(urgency int8, incremental bool) {
	s.str.SetPriority(urgency, incremental)
}

// SetDeadline sets the deadlines of Read and Write.
func (s *quicStream) SetDeadline(t time.Time) error { return s.str.SetDeadline(t) }

// SetReadDeadline sets the deadline of Read.
func (s *quicStream) SetReadDeadline(t time.Time) error { return s.str.SetReadDeadline(t) }

// SetWriteDeadline sets the deadline of Write.
func (s *quicStream) SetWriteDeadline(t time.Time) error { return s.str.SetWriteDeadline(t) }
