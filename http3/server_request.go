package http3

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"time"

	"github.com/quic-go/quic-go"
	"golang.org/x/net/http/httpguts"
)

// A requestContext is the context of a request: it ends with the send half of the stream, and has the
// values of the connection's context.
type requestContext struct {
	context.Context
	values context.Context
}

func (c requestContext) Value(key any) any {
	if v := c.Context.Value(key); v != nil {
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
func (c *serverConn) readRequest(s *Stream) (*http.Request, error) {
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
	var req *http.Request
	err = s.withPayload(int(length), func(block []byte) (err error) {
		req, err = parseRequest(block, c.conn.fieldLimit)
		return err
	})
	if err != nil {
		return nil, err
	}
	s.connect = req.Method == http.MethodConnect
	req.RemoteAddr = c.conn.qc.RemoteAddr().String()
	req.TLS = c.conn.tls()
	req = req.WithContext(requestContext{Context: s.Context(), values: c.ctx})
	req.Body = &requestBody{str: s, req: req, left: req.ContentLength}
	return req, nil
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
		w := newResponseWriter(s, nil, c.server)
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
func (c *serverConn) serve(s *Stream, req *http.Request) {
	w := newResponseWriter(s, req, c.server)
	body := req.Body.(*requestBody)
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
	c.server.handler().ServeHTTP(w, req)
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
