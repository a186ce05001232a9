package http3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/quic-go/quic-go"
)

// A verdict says whether a request that has failed may be sent again.
type verdict int

const (
	// final: it may have been processed.
	final verdict = iota
	// unprocessed: the server has not processed it.
	unprocessed
	// broken: the connection ended before there was a response.
	broken
)

// An exchange is one request of RoundTrip and its response.
type exchange struct {
	conn      *ClientConn
	req       *http.Request
	str       *RequestStream // nil before it is open
	stream    RequestStream  // memory of str
	trace     *httptrace.ClientTrace
	askGzip   bool
	stop      func() bool // ends the watch over the request's context; may be nil
	uploading atomic.Bool
	bodyTaken bool // Request.Body was used and is closed, or will be
}

// A failure says what may be done about a request that has failed.
type failure struct {
	verdict   verdict
	bodyTaken bool // Request.Body was used and is closed, or will be
}

// roundTrip sends a request. The caller has called begin; the matching end is called here if there
// is an error, or else by the response's body. The failure belongs to the error.
func (c *ClientConn) roundTrip(req *http.Request) (*http.Response, failure, error) {
	x := &exchange{conn: c, req: req, trace: httptrace.ContextClientTrace(req.Context())}
	rsp, err := x.run()
	if err == nil {
		return rsp, failure{}, nil
	}
	f := failure{x.judge(err), x.bodyTaken}
	if x.str != nil {
		x.str.str.abort(ErrCodeRequestCanceled)
	}
	if x.stop != nil {
		x.stop()
	}
	c.end()
	if ctxErr := req.Context().Err(); ctxErr != nil {
		return nil, failure{final, x.bodyTaken}, ctxErr
	}
	return nil, f, err
}

// judge tells whether the request may be sent again.
func (x *exchange) judge(err error) verdict {
	var h3err *Error
	switch {
	case errors.Is(err, quic.Err0RTTRejected), errors.Is(err, errGoingAway), x.str != nil && x.str.str.rejected.Load():
		return unprocessed
	case errors.As(err, &h3err) && h3err.Remote && h3err.ErrorCode == ErrCodeRequestRejected && x.conn.goingAway():
		return unprocessed
	case errors.Is(err, net.ErrClosed) && x.str == nil:
		return unprocessed
	case errors.Is(err, net.ErrClosed):
		return broken
	default:
		return final
	}
}

func (x *exchange) run() (*http.Response, error) {
	if err := x.conn.unusable(); err != nil {
		return nil, err
	}
	if err := x.waitReady(); err != nil {
		return nil, err
	}
	ctx := x.req.Context()
	if err := x.stream.open(ctx, x.conn); err != nil {
		return nil, err
	}
	x.str, x.stream.trace = &x.stream, x.trace
	if x.req.Method != http.MethodConnect {
		x.str.str.datagrams.refuse()
	}
	if ctx.Done() != nil {
		x.stop = context.AfterFunc(ctx, func() { x.str.abort(ErrCodeRequestCanceled) })
	}
	if err := x.send(); err != nil {
		return nil, err
	}
	rsp, err := x.receive()
	if err != nil {
		return nil, err
	}
	x.finish(rsp)
	return rsp, nil
}

// waitReady waits for what the request needs of the connection.
func (x *exchange) waitReady() error {
	early := x.req.Method == MethodGet0RTT || x.req.Method == MethodHead0RTT
	if !early || !isRewindable(x.req) {
		if err := x.wait(x.conn.conn.qc.HandshakeComplete()); err != nil {
			return err
		}
	}
	if !isExtendedConnect(x.req) {
		return nil
	}
	if err := x.wait(x.conn.ReceivedSettings()); err != nil {
		return err
	}
	return x.conn.checkExtendedConnect()
}

func (x *exchange) wait(event <-chan struct{}) error {
	select {
	case <-event:
		return nil
	default:
	}
	select {
	case <-event:
		return nil
	case <-x.req.Context().Done():
		return x.req.Context().Err()
	case <-x.conn.Context().Done():
		return x.conn.unusable()
	}
}

// send sends the header and starts to send the body.
func (x *exchange) send() error {
	_, chosen := x.req.Header["Accept-Encoding"]
	x.askGzip = !x.conn.disableCompression && wireMethod(x.req.Method) != http.MethodHead &&
		!chosen && x.req.Header.Get("Range") == ""
	err := x.str.sendHeader(x.req, x.askGzip)
	if isStopped(err) {
		// The server answers without having read the whole request (RFC 9114, Section 4.1).
		x.bodyTaken = true
		closeBody(x.req)
		return nil
	}
	if err != nil {
		return err
	}
	if x.req.Body == nil || x.req.Body == http.NoBody {
		err := x.finishUpload()
		x.traceWritten(err)
		return err
	}
	x.bodyTaken = true
	x.uploading.Store(true)
	go x.upload()
	return nil
}

// isStopped reports whether the server has asked to stop sending.
func isStopped(err error) bool {
	if err == nil {
		return false
	}
	var streamErr *quic.StreamError
	return errors.As(err, &streamErr) && streamErr.Remote
}

// upload sends the body of the request.
func (x *exchange) upload() {
	defer x.req.Body.Close()
	err := x.copyBody()
	if err == nil {
		err = x.finishUpload()
	}
	x.uploading.Store(false)
	if err != nil {
		x.str.CancelWrite(quic.StreamErrorCode(ErrCodeRequestCanceled))
	}
	x.traceWritten(err)
}

func (x *exchange) traceWritten(err error) {
	if x.trace != nil && x.trace.WroteRequest != nil {
		x.trace.WroteRequest(httptrace.WroteRequestInfo{Err: err})
	}
}

var copyBuffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// copyBody sends the body of the request, up to its length if that was announced.
func (x *exchange) copyBody() error {
	length := actualContentLength(x.req)
	buf := copyBuffers.Get().(*[32 << 10]byte)
	defer copyBuffers.Put(buf)
	for sent := int64(0); ; {
		n, err := x.req.Body.Read(buf[:])
		sent += int64(n)
		if length >= 0 && sent > length {
			return fmt.Errorf("http3: request body is longer than its content length of %d bytes", length)
		}
		if _, err := x.str.Write(buf[:n]); err != nil {
			return err
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// finishUpload sends the trailers and finishes the request. That the stream was cancelled meanwhile is
// seen when the response is read.
func (x *exchange) finishUpload() error {
	if len(x.req.Trailer) > 0 {
		b := appendTrailers(nil, x.req.Trailer)
		x.str.str.log.created(x.str.StreamID(), b)
		if _, err := x.str.str.str.Write(b); err != nil {
			return convertError(err)
		}
	}
	x.str.Close()
	return nil
}

// receive reads the header of the final response.
func (x *exchange) receive() (*http.Response, error) {
	for n := 0; ; n++ {
		rsp, err := x.str.ReadResponse()
		if err != nil {
			return nil, err
		}
		if n == 0 && x.trace != nil && x.trace.GotFirstResponseByte != nil {
			x.trace.GotFirstResponseByte()
		}
		if rsp.StatusCode >= 200 {
			return rsp, nil
		}
		if n >= maxInformationalResponses {
			x.str.str.abort(ErrCodeExcessiveLoad)
			return nil, errors.New("http3: too many 1xx informational responses")
		}
		if err := x.traceInformational(rsp); err != nil {
			return nil, err
		}
	}
}

func (x *exchange) traceInformational(rsp *http.Response) error {
	if x.trace == nil {
		return nil
	}
	if x.trace.Got1xxResponse != nil {
		if err := x.trace.Got1xxResponse(rsp.StatusCode, textproto.MIMEHeader(rsp.Header)); err != nil {
			return err
		}
	}
	if rsp.StatusCode == http.StatusContinue && x.trace.Got100Continue != nil {
		x.trace.Got100Continue()
	}
	return nil
}

// finish completes a final response for the caller of RoundTrip.
func (x *exchange) finish(rsp *http.Response) {
	x.conn.noteAnswer()
	rsp.Request = x.req
	rsp.TLS = x.conn.conn.tls()
	body := rsp.Body.(*responseBody)
	if body.none && !x.uploading.Load() {
		rsp.Body = http.NoBody
		x.str.str.leaveUnread()
		x.over()
		return
	}
	body.exchange = x
	if x.askGzip && rsp.ContentLength != 0 && strings.EqualFold(rsp.Header.Get("Content-Encoding"), "gzip") {
		rsp.Header.Del("Content-Encoding")
		rsp.Header.Del("Content-Length")
		rsp.ContentLength = -1
		rsp.Uncompressed = true
		rsp.Body = &gzipBody{body: rsp.Body}
	}
}

// over is called when the response body has ended, or was given up.
func (x *exchange) over() {
	if x.stop != nil {
		x.stop()
	}
	x.conn.end()
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		req.Body.Close()
	}
}
