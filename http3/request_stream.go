package http3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/qlogwriter"
)

// A RequestStream is a stream of a client for one request. SendRequestHeader comes first; then the
// request's content may be written and ReadResponse be called; then the response's content may be
// read. One goroutine may read and another one may write at the same time; SendDatagram,
// ReceiveDatagram, Cancel* and the deadlines may be used concurrently with all methods.
type RequestStream struct {
	str  *Stream
	conn *ClientConn

	sent     bool // the request header was sent
	method   string
	extended bool // the request is an extended CONNECT
	answered bool // the header of the final response was read
	trace    *httptrace.ClientTrace

	body responseBody // of the response
}

var (
	errReadTooEarly     = errors.New("http3: invalid use of RequestStream.Read before ReadResponse")
	errWriteTooEarly    = errors.New("http3: invalid use of RequestStream.Write before SendRequestHeader")
	errResponseTooEarly = errors.New("http3: invalid use of RequestStream.ReadResponse before SendRequestHeader")
	errDuplicateHeader  = errors.New("http3: invalid duplicate use of RequestStream.SendRequestHeader")
)

// open opens the stream.
func (s *RequestStream) open(ctx context.Context, c *ClientConn) error {
	if err := c.conn.closed(); err != nil {
		return err
	}
	if c.goingAway() {
		return errGoingAway
	}
	str, err := c.conn.qc.OpenStreamSync(ctx)
	if err != nil {
		return convertError(err)
	}
	whole := new(wholeStream).init(&c.conn, str)
	if whole == nil {
		str.CancelRead(quic.StreamErrorCode(ErrCodeRequestCanceled))
		str.CancelWrite(quic.StreamErrorCode(ErrCodeRequestCanceled))
		return errGoingAway
	}
	s.str, s.conn = whole, c
	return nil
}

// SendRequestHeader sends the header of a request. The request's body is not sent; use Write and
// Close for it. It does not ask for compression. If the request is an extended CONNECT (RFC 9220), it waits for the
// SETTINGS frame of the server, and fails if the server does not support that.
func (s *RequestStream) SendRequestHeader(req *http.Request) error {
	if s.sent {
		return errDuplicateHeader
	}
	if err := checkHeader(req.Header); err != nil {
		return err
	}
	if isExtendedConnect(req) {
		if err := s.waitExtendedConnect(); err != nil {
			return err
		}
	}
	return s.sendHeader(req, false)
}

// waitExtendedConnect waits until it is known whether the server supports extended CONNECT, or the stream is over.
//
// "Upon receipt of SETTINGS_ENABLE_CONNECT_PROTOCOL with a value of 1, a client MAY use the Extended CONNECT as defined in
// this document when creating new streams." (RFC 8441, Section 3)
func (s *RequestStream) waitExtendedConnect() error {
	select {
	case <-s.conn.ReceivedSettings():
		return s.conn.checkExtendedConnect()
	case <-s.Context().Done():
		return convertError(context.Cause(s.Context()))
	}
}

func (s *RequestStream) sendHeader(req *http.Request, askGzip bool) error {
	w := newFieldWriter()
	defer w.release()
	if err := writeRequestFields(w, req, askGzip, s.trace); err != nil {
		return err
	}
	if err := s.conn.conn.checkFieldSize(w.size); err != nil {
		return err
	}
	s.sent, s.method, s.extended = true, wireMethod(req.Method), isExtendedConnect(req)
	b := w.frame()
	s.str.log.created(s.StreamID(), b)
	_, err := s.str.str.Write(b)
	return convertError(err)
}

// ReadResponse reads the header of the response. If that is an informational one (status 1xx), it is
// called again for the next. Response.Request and Response.TLS are not set.
func (s *RequestStream) ReadResponse() (*http.Response, error) {
	if !s.sent {
		return nil, errResponseTooEarly
	}
	rsp, err := s.readResponse()
	if err != nil {
		return nil, err
	}
	if rsp.StatusCode < 200 {
		rsp.Body = http.NoBody
		return rsp, nil
	}
	rsp.Body = s.newBody(rsp)
	s.answered = true
	return rsp, nil
}

// readResponse reads one header section.
func (s *RequestStream) readResponse() (*http.Response, error) {
	t, length, err := s.str.nextFrame()
	if err == nil && t != frameHeaders {
		err = connErrorf(ErrCodeFrameUnexpected, "DATA frame before the response header")
	}
	if err != nil {
		return nil, fmt.Errorf("http3: parsing frame failed: %w", s.str.fail(err))
	}
	limit := s.conn.conn.fieldLimit
	if length > uint64(limit) {
		s.str.abort(ErrCodeExcessiveLoad)
		return nil, fmt.Errorf("http3: HEADERS frame too large: %d bytes (max: %d)", length, limit)
	}
	var rsp *http.Response
	err = s.str.withPayload(int(length), func(block []byte) (err error) {
		rsp, err = parseResponse(block, limit)
		if err == nil && s.extended && rsp.StatusCode/100 == 2 {
			err = checkCapsuleMessage(rsp.Header, rsp.StatusCode)
		}
		return err
	})
	switch e := err.(type) {
	case nil:
		return rsp, nil
	case *streamError:
		return nil, fmt.Errorf("http3: invalid response: %w", s.str.fail(e))
	}
	if err == errFieldsTooLarge {
		s.str.abort(ErrCodeExcessiveLoad)
		return nil, fmt.Errorf("http3: response header too large (max: %d bytes)", limit)
	}
	return nil, fmt.Errorf("http3: parsing frame failed: %w", s.str.fail(err))
}

// newBody returns the body of a final response.
func (s *RequestStream) newBody(rsp *http.Response) *responseBody {
	b := &s.body
	if s.answered {
		b = &responseBody{} // a response too many
	}
	b.str, b.rsp, b.left = s.str, rsp, rsp.ContentLength
	switch {
	case s.method == http.MethodConnect && rsp.StatusCode < 300:
		// "A client MUST ignore any Content-Length or Transfer-Encoding header fields received in a
		// successful response to CONNECT." (RFC 9110, Section 9.3.6)
		b.left = -1
		s.str.connect = true
	case s.method == http.MethodHead || !bodyAllowed(rsp.StatusCode):
		b.left, b.none = 0, true
	}
	return b
}

// Read reads content of the response. See Stream.Read.
func (s *RequestStream) Read(b []byte) (int, error) {
	if !s.answered {
		return 0, errReadTooEarly
	}
	return s.str.Read(b)
}

// Write writes content of the request. See Stream.Write.
func (s *RequestStream) Write(b []byte) (int, error) {
	if !s.sent {
		return 0, errWriteTooEarly
	}
	return s.str.Write(b)
}

// TryWriteAll writes content of the request if that is possible without waiting.
// See Stream.TryWriteAll.
func (s *RequestStream) TryWriteAll(b []byte) error {
	if !s.sent {
		return errWriteTooEarly
	}
	return s.str.TryWriteAll(b)
}

func (s *RequestStream) abort(code ErrCode) { s.str.abort(code) }

// Close finishes the request. The response can still be read.
func (s *RequestStream) Close() error { return s.str.Close() }

// CancelRead gives up reading the response. The server is asked to stop sending.
func (s *RequestStream) CancelRead(code quic.StreamErrorCode) { s.str.CancelRead(code) }

// CancelWrite gives up sending the request.
func (s *RequestStream) CancelWrite(code quic.StreamErrorCode) { s.str.CancelWrite(code) }

// SendDatagram sends an HTTP Datagram. See Stream.SendDatagram.
func (s *RequestStream) SendDatagram(b []byte) error { return s.str.SendDatagram(b) }

// ReceiveDatagram returns the next HTTP Datagram. See Stream.ReceiveDatagram.
func (s *RequestStream) ReceiveDatagram(ctx context.Context) ([]byte, error) {
	return s.str.ReceiveDatagram(ctx)
}

// Context returns a context that is done when the send half of the stream is closed.
func (s *RequestStream) Context() context.Context { return s.str.Context() }

// SendState returns the state of the send half, and the error that has ended it.
func (s *RequestStream) SendState() (quic.StreamState, error) { return s.str.SendState() }

// ReceiveState returns the state of the receive half, and the error that has ended it.
func (s *RequestStream) ReceiveState() (quic.StreamState, error) { return s.str.ReceiveState() }

// OnStateTransition calls fn with each state of the stream. See Stream.OnStateTransition.
func (s *RequestStream) OnStateTransition(fn func(quic.StreamState)) (stop func() bool) {
	return s.str.OnStateTransition(fn)
}

// StreamID returns the ID of the stream.
func (s *RequestStream) StreamID() quic.StreamID { return s.str.StreamID() }

// QlogTrace returns the qlog trace of the connection, or nil.
func (s *RequestStream) QlogTrace() qlogwriter.Trace { return s.str.QlogTrace() }

// SetDeadline sets the deadlines of reading and writing.
func (s *RequestStream) SetDeadline(t time.Time) error { return s.str.SetDeadline(t) }

// SetReadDeadline sets the deadline of Read and ReadResponse.
func (s *RequestStream) SetReadDeadline(t time.Time) error { return s.str.SetReadDeadline(t) }

// SetWriteDeadline sets the deadline of Write and SendRequestHeader.
func (s *RequestStream) SetWriteDeadline(t time.Time) error { return s.str.SetWriteDeadline(t) }

var _ io.ReadWriteCloser = &RequestStream{}
