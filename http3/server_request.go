package http3

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"strings"
	"time"

	"github.com/quic-go/quic-go"
	"golang.org/x/net/http/httpguts"
)

// A serverRequest is a request and its response, in one piece of memory.
type serverRequest struct {
	*http.Request
	context requestContext
	body    requestBody
	writer  responseWriter
}

// A requestContext is the context of a request: it ends with the send half of the stream, whose context is made when
// it is needed, and has the values of the connection's context.
type requestContext struct {
	str    *quic.Stream
	values context.Context
}

func (c *requestContext) Deadline() (time.Time, bool) { return c.str.Context().Deadline() }
func (c *requestContext) Done() <-chan struct{}       { return c.str.Context().Done() }
func (c *requestContext) Err() error                  { return c.str.Context().Err() }

func (c *requestContext) Value(key any) any {
	if v := c.str.Context().Value(key); v != nil {
		return v
	}
	return c.values.Value(key)
}

// handleRequest reads a request and runs the handler.
func (c *serverConn) handleRequest(s *Stream) {
	defer c.done()
	defer s.str.ReleaseStreamCredit()
	s.SetReadDeadline(time.Now().Add(requestHeaderTimeout))
	req, err := c.readRequest(s)
	if err != nil {
		c.refuse(s, err)
		return
	}
	s.SetReadDeadline(time.Time{})
	if p, ok := req.Header["Priority"]; ok {
		priority := parsePriority(strings.Join(p, ","))
		s.SetPriority(priority.urgency, priority.incremental)
	}
	c.serve(s, req)
}

// readRequest reads the header section of a request.
func (c *serverConn) readRequest(s *Stream) (*serverRequest, error) {
	t, length, err := s.nextFrame()
	if err != nil {
		return nil, err
	}
	if t == frameData {
		return nil, connErrorf(ErrCodeFrameUnexpected, "DATA frame before the request header")
	}
	if length > uint64(c.conn.fieldLimit) {
		return nil, errFieldsTooLarge
	}
	var req http.Request
	err = s.withPayload(int(length), func(block []byte) error { return fillRequest(&req, block, c.conn.fieldLimit) })
	if err != nil {
		return nil, err
	}
	s.connect = req.Method == http.MethodConnect
	req.RemoteAddr = c.remoteAddr()
	req.TLS = c.conn.tls()
	r := &serverRequest{context: requestContext{str: s.str, values: c.ctx}}
	r.Request = req.WithContext(&r.context)
	r.body.str, r.body.req, r.body.left = s, r.Request, req.ContentLength
	r.Body = &r.body
	r.writer.init(s, r.Request, c.server)
	return r, nil
}

// remoteAddr returns the text of the client's address, which seldom changes.
func (c *serverConn) remoteAddr() string {
	addr, ok := c.conn.qc.RemoteAddr().(*net.UDPAddr)
	if !ok {
		return c.conn.qc.RemoteAddr().String()
	}
	last := c.remote.Load()
	if last == nil || last.addr.Port != addr.Port || last.addr.Zone != addr.Zone || !last.addr.IP.Equal(addr.IP) {
		last = &remoteAddr{addr, addr.String()}
		c.remote.Store(last)
	}
	return last.text
}

// refuse ends a stream on which no valid request has arrived.
func (c *serverConn) refuse(s *Stream, err error) {
	switch err.(type) {
	case *connError:
		s.fail(err)
		return
	case *streamError:
		c.logRefusal(s, err)
		s.fail(err)
		return
	}
	if err == errFieldsTooLarge {
		c.logRefusal(s, err)
		w := &responseWriter{}
		w.init(s, nil, c.server)
		w.WriteHeader(http.StatusRequestHeaderFieldsTooLarge)
		w.Flush()
		s.Close()
		s.CancelRead(quic.StreamErrorCode(ErrCodeNoError))
		return
	}
	// The client has finished or reset the stream, or takes too long.
	s.abort(ErrCodeRequestIncomplete)
}

func (c *serverConn) logRefusal(s *Stream, err error) {
	if c.conn.logger != nil {
		c.conn.logger.Debug("refusing request", "stream", int64(s.StreamID()), "error", err)
	}
}

// serve runs the handler and completes its response.
func (c *serverConn) serve(s *Stream, req *serverRequest) {
	w, body := &req.writer, &req.body
	if httpguts.HeaderValuesContainsToken(req.Header["Expect"], "100-continue") {
		w.mayContinue = true
		body.onRead = w.sendContinue
	}
	returned := false
	defer func() {
		if returned {
			return
		}
		// The handler has panicked, or has ended its goroutine.
		if v := recover(); v != nil && v != http.ErrAbortHandler {
			c.logPanic(v)
		}
		s.abort(ErrCodeInternalError)
	}()
	c.server.handler().ServeHTTP(w, req.Request)
	returned = true
	if w.hijacked {
		return
	}
	// "For malformed requests, a server MAY send an HTTP response indicating the error prior to closing or resetting
	// the stream." (RFC 9114, Section 4.1.2) If the handler has not answered, there is no response.
	if w.status == 0 && body.short.Load() {
		s.abort(ErrCodeMessageError)
		return
	}
	if err := w.finish(); err != nil {
		var streamErr *quic.StreamError
		if !errors.As(err, &streamErr) {
			s.abort(ErrCodeInternalError)
		}
	}
	s.Close()
	// "When the server does not need to receive the remainder of the request, it MAY abort reading
	// the request stream, send a complete response, and cleanly close the sending part of the
	// stream. The error code H3_NO_ERROR SHOULD be used when requesting that the client stop sending on
	// the request stream." (RFC 9114, Section 4.1)
	s.CancelRead(quic.StreamErrorCode(ErrCodeNoError))
}

func (c *serverConn) logPanic(v any) {
	logger := c.conn.logger
	if logger == nil {
		logger = slog.Default()
	}
	stack := make([]byte, 64<<10)
	stack = stack[:runtime.Stack(stack, false)]
	logger.Error("http3: panic serving", "remote", c.conn.qc.RemoteAddr().String(), "panic", v, "stack", string(stack))
}
