package http3

import (
	"compress/gzip"
	"errors"
	"io"
	"maps"
	"net/http"
	"sync/atomic"

	"github.com/quic-go/quic-go"
)

var errBodyTooLong = errors.New("http3: body is longer than its content length")

// readBody reads content of a message of which *left bytes are missing according to its
// Content-Length, -1 if there is none.
//
// "A request or response that is defined as having content when it contains a Content-Length header
// field (Section 8.6 of [HTTP]) is malformed if the value of the Content-Length header field does not
// equal the sum of the DATA frame lengths received." (RFC 9114, Section 4.1.2)
func readBody(s *Stream, p []byte, left *int64) (int, error) {
	n, err := s.Read(p)
	if *left < 0 {
		return n, err
	}
	if int64(n) > *left {
		n, *left = int(*left), 0
		s.abort(ErrCodeMessageError)
		return n, errBodyTooLong
	}
	*left -= int64(n)
	if err == io.EOF && *left > 0 {
		return n, io.ErrUnexpectedEOF
	}
	return n, err
}

// addTrailer merges what a trailer section said into the Trailer of a message.
func addTrailer(to *http.Header, trailer http.Header) {
	if len(trailer) == 0 {
		return
	}
	if *to == nil {
		*to = make(http.Header, len(trailer))
	}
	maps.Copy(*to, trailer)
}

// A requestBody is the body of a request that a server has received.
type requestBody struct {
	str  *Stream
	req  *http.Request
	left int64
	// short: the content has ended before its length. See serverConn.serve.
	short atomic.Bool
	// onRead is called by the first Read; it may be nil.
	onRead func()
}

func (b *requestBody) Read(p []byte) (int, error) {
	if b.onRead != nil {
		b.onRead()
		b.onRead = nil
	}
	n, err := readBody(b.str, p, &b.left)
	if err == io.EOF {
		addTrailer(&b.req.Trailer, b.str.trailer)
	}
	if err == io.ErrUnexpectedEOF {
		b.short.Store(true)
	}
	return n, err
}

// Close gives up reading. The client is told that this is no error (RFC 9114, Section 4.1).
func (b *requestBody) Close() error {
	b.str.CancelRead(quic.StreamErrorCode(ErrCodeNoError))
	return nil
}

// A responseBody is the body of a response that a client has received.
type responseBody struct {
	str      *Stream
	rsp      *http.Response
	left     int64
	none     bool      // by its status or the method, the response has no content
	exchange *exchange // nil if the user of a RequestStream reads
	over     atomic.Bool
}

func (b *responseBody) Read(p []byte) (int, error) {
	n, err := readBody(b.str, p, &b.left)
	if err == io.EOF {
		addTrailer(&b.rsp.Trailer, b.str.trailer)
	}
	if err == io.ErrUnexpectedEOF {
		b.str.abort(ErrCodeMessageError)
	}
	if err != nil {
		b.end()
	}
	return n, err
}

// Close gives up the response, unless it was read to the end, and with it an unfinished upload.
func (b *responseBody) Close() error {
	if b.end() {
		b.str.CancelRead(quic.StreamErrorCode(ErrCodeRequestCanceled))
		if b.exchange != nil && b.exchange.uploading.Load() {
			b.str.CancelWrite(quic.StreamErrorCode(ErrCodeRequestCanceled))
		}
	}
	return nil
}

// end notes the end of the body. It reports whether it is the first call.
func (b *responseBody) end() bool {
	if b.over.Swap(true) {
		return false
	}
	if b.exchange != nil {
		b.exchange.over()
	}
	return true
}

// A gzipBody decompresses a body. The gzip header is read by the first Read.
type gzipBody struct {
	body io.ReadCloser
	gzip *gzip.Reader
	err  error
}

func (b *gzipBody) Read(p []byte) (int, error) {
	if b.gzip == nil && b.err == nil {
		b.gzip, b.err = gzip.NewReader(b.body)
	}
	if b.err != nil {
		return 0, b.err
	}
	return b.gzip.Read(p)
}

func (b *gzipBody) Close() error { return b.body.Close() }
