package http3

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http/httpguts"
)

// An HTTPStreamer gives access to the stream of a request. Servers find it in the http.ResponseWriter.
type HTTPStreamer interface {
	// HTTPStream takes over the stream. If WriteHeader was called before, the header is sent; it cannot
	// be called later. The stream must be closed, or cancelled, by its user; it outlives the handler.
	HTTPStream() (*Stream, error)
}

// responseBuffer is the length from which on a response is sent before the handler has returned. A
// shorter one gets a Content-Length.
const responseBuffer = 4096

var errStreamAfterBody = errors.New("http3: invalid use of HTTPStream after writing the response body")

// A responseWriter is the http.ResponseWriter of one request.
type responseWriter struct {
	str    *Stream
	server *Server
	isHead bool
	tunnel bool // the response to CONNECT

	header     http.Header
	status     int   // of the final response, 0 before WriteHeader
	length     int64 // the Content-Length that the handler has set, -1 if none
	written    int64 // by the handler
	headerSent bool
	hijacked   bool

	buf    []byte                // written and not yet sent; in memory
	memory *[responseBuffer]byte // nil if buf is empty
	values [2]string             // memory for the header fields that the handler has not set

	continueMu  sync.Mutex
	mayContinue bool // the client waits for 100 (Continue), and no final header was sent
}

var (
	_ http.ResponseWriter = &responseWriter{}
	_ http.Flusher        = &responseWriter{}
	_ HTTPStreamer        = &responseWriter{}
	_ Settingser          = &responseWriter{}
)

// init prepares the response to a request, which is nil if it was not understood.
func (w *responseWriter) init(s *Stream, req *http.Request, srv *Server) {
	w.str, w.server = s, srv
	if req != nil {
		w.isHead, w.tunnel = req.Method == http.MethodHead, req.Method == http.MethodConnect
	}
	w.header, w.length = make(http.Header), -1
}

func (w *responseWriter) Header() http.Header { return w.header }

// WriteHeader notes the status of the final response, or sends an informational one.
func (w *responseWriter) WriteHeader(status int) {
	if w.hijacked {
		panic("http3: WriteHeader called after HTTPStream")
	}
	if w.status != 0 {
		return
	}
	if status < 100 || status > 999 {
		panic(fmt.Sprintf("http3: invalid WriteHeader code %d", status))
	}
	if status == http.StatusSwitchingProtocols {
		// "HTTP/3 does not support the HTTP Upgrade mechanism [...] or the 101 (Switching
		// Protocols) informational status code" (RFC 9114, Section 4.5).
		return
	}
	if status == http.StatusContinue {
		w.endContinue()
	}
	if status < 200 {
		f := newFieldWriter()
		defer f.release()
		if err := w.addHeader(f, status); err == nil {
			w.writeFrames(f.frame())
		}
		return
	}
	w.status = status
	// "A server MUST NOT send a Content-Length header field in any response with a status code of 1xx
	// (Informational) or 204 (No Content). A server MUST NOT send a Content-Length header field in any
	// 2xx (Successful) response to a CONNECT request" (RFC 9110, Section 8.6).
	w.tunnel = w.tunnel && status < 300
	if status == http.StatusNoContent || w.tunnel {
		w.header.Del("Content-Length")
	}
	if value := w.header.Get("Content-Length"); value != "" {
		n, err := parseContentLength(value)
		if err != nil {
			w.header.Del("Content-Length")
		} else {
			w.length = n
		}
	}
}

// Write writes content of the response. It is buffered until there are 4096 bytes.
func (w *responseWriter) Write(p []byte) (int, error) {
	if w.hijacked {
		return 0, http.ErrHijacked
	}
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if !bodyAllowed(w.status) {
		return 0, http.ErrBodyNotAllowed
	}
	if len(p) == 0 {
		return 0, nil
	}
	if w.length >= 0 && w.written+int64(len(p)) > w.length {
		w.sniff(p)
		return 0, http.ErrContentLength
	}
	if w.written == 0 && !w.str.connect {
		w.str.datagrams.refuse() // HTTPStream is not possible any more
	}
	w.written += int64(len(p))
	if w.isHead {
		w.keep(p[:min(len(p), max(0, sniffBytes-len(w.buf)))])
		return len(p), nil
	}
	if len(w.buf)+len(p) < responseBuffer {
		w.keep(p)
		return len(p), nil
	}
	w.sniff(p)
	if err := w.flush(); err != nil {
		return 0, err
	}
	return w.str.Write(p)
}

// keep puts content of the response into the buffer, which has room for it.
func (w *responseWriter) keep(p []byte) {
	if w.memory == nil {
		w.memory = responseBuffers.Get().(*[responseBuffer]byte)
	}
	w.buf = append(w.memory[:len(w.buf)], p...)
}

// forget empties the buffer.
func (w *responseWriter) forget() {
	if w.memory != nil {
		responseBuffers.Put(w.memory)
		w.memory, w.buf = nil, nil
	}
}

var responseBuffers = sync.Pool{New: func() any { return new([responseBuffer]byte) }}

// sniffBytes is the length of what http.DetectContentType looks at.
const sniffBytes = 512

// sniff sets the Content-Type by the first bytes of the content: what is in the buffer, and p behind it.
func (w *responseWriter) sniff(p []byte) {
	if w.headerSent || len(w.buf)+len(p) == 0 {
		return
	}
	if w.tunnel && usesCapsules(w.header) {
		return // see checkCapsuleMessage
	}
	_, hasType := w.header["Content-Type"]
	if hasType || w.header.Get("Content-Encoding") != "" {
		return
	}
	first := w.buf
	if len(first) < sniffBytes {
		first = append(first[:len(first):len(first)], p[:min(len(p), sniffBytes)]...)
	}
	w.values[0] = http.DetectContentType(first)
	w.header["Content-Type"] = w.values[0:1:1]
}

// Flush sends what was written so far.
func (w *responseWriter) Flush() { w.FlushError() }

// FlushError is Flush for http.ResponseController.
func (w *responseWriter) FlushError() error {
	if w.hijacked {
		return http.ErrHijacked
	}
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	return w.flush()
}

// flush sends the header, if that was not done, and the buffered content, in one piece.
func (w *responseWriter) flush() error {
	if w.headerSent {
		if len(w.buf) == 0 {
			return nil
		}
		_, err := w.str.Write(w.buf)
		w.forget()
		return err
	}
	w.sniff(nil)
	if w.isHead {
		w.forget()
	}
	if w.length < 0 {
		// It was set after WriteHeader: nothing has made the content agree with it.
		delete(w.header, "Content-Length")
	}
	f := newFieldWriter()
	defer f.release()
	if err := w.addHeader(f, w.status); err != nil {
		return err
	}
	w.headerSent = true
	w.endContinue()
	b := f.frame()
	if len(w.buf) > 0 {
		b = append(appendFrameHeader(b, frameData, len(w.buf)), w.buf...)
		f.frames = b
		w.forget()
	}
	return w.writeFrames(b)
}

// writeFrames writes whole frames.
func (w *responseWriter) writeFrames(b []byte) error {
	w.str.log.created(w.str.StreamID(), b)
	_, err := w.str.str.Write(b)
	return convertError(err)
}

// sendContinue sends the response for which a client with Expect: 100-continue waits. It is called when the
// handler reads the body, in any goroutine.
func (w *responseWriter) sendContinue() {
	w.continueMu.Lock()
	defer w.continueMu.Unlock()
	if !w.mayContinue {
		return
	}
	w.mayContinue = false
	f := newFieldWriter()
	defer f.release()
	f.add(":status", "100")
	w.writeFrames(f.frame())
}

// endContinue keeps sendContinue from sending anything after the final header.
func (w *responseWriter) endContinue() {
	w.continueMu.Lock()
	w.mayContinue = false
	w.continueMu.Unlock()
}

// addHeader adds the header of a response. It fails if the client does not accept that much.
func (w *responseWriter) addHeader(f *fieldWriter, status int) error {
	f.add(":status", strconv.Itoa(status))
	trailers := w.declaredTrailers()
	for key, values := range w.header {
		if strings.HasPrefix(key, http.TrailerPrefix) || trailers[key] {
			continue
		}
		// "A server MUST NOT send a Content-Length header field in any response with a status code of
		// 1xx (Informational) or 204 (No Content)." (RFC 9110, Section 8.6)
		if status < 200 && key == "Content-Length" {
			continue
		}
		f.addHeader(key, values)
	}
	if _, ok := w.header["Date"]; !ok && status >= 200 {
		f.add("date", w.server.date())
	}
	return w.str.conn.checkFieldSize(f.size)
}

// declaredTrailers returns the keys that the Trailer header announces, of fields that are allowed in
// trailers; nil if there are none.
func (w *responseWriter) declaredTrailers() map[string]bool {
	lines, ok := w.header["Trailer"]
	if !ok {
		return nil
	}
	keys := make(map[string]bool)
	for _, line := range lines {
		for name := range strings.SplitSeq(line, ",") {
			if key := http.CanonicalHeaderKey(strings.TrimSpace(name)); httpguts.ValidTrailerHeader(key) {
				keys[key] = true
			}
		}
	}
	return keys
}

// finish sends what is left of the response once the handler has returned.
func (w *responseWriter) finish() error {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if !w.headerSent {
		w.setContentLength()
	}
	if err := w.flush(); err != nil {
		return err
	}
	if !bodyAllowed(w.status) {
		// "A 204 response is terminated by the end of the header section; it cannot contain content or
		// trailers." (RFC 9110, Section 15.3.5); likewise 304, Section 15.4.5.
		return nil
	}
	if b := appendTrailers(nil, w.trailers()); len(b) > 0 {
		return w.writeFrames(b)
	}
	return nil
}

// setContentLength sets the Content-Length of a response that is still in the buffer. What the response
// to a HEAD request would have had is known only if the handler has written it.
func (w *responseWriter) setContentLength() {
	if w.length >= 0 || w.tunnel || !bodyAllowed(w.status) || w.written >= responseBuffer || w.isHead && w.written == 0 {
		return
	}
	if values, ok := w.header["Content-Length"]; !ok || len(values) > 0 {
		w.values[1] = strconv.FormatInt(w.written, 10)
		w.header["Content-Length"] = w.values[1:2:2]
		w.length = w.written
	}
}

// trailers returns the trailer fields that the handler has set.
func (w *responseWriter) trailers() http.Header {
	var trailer http.Header
	declared := w.declaredTrailers()
	for key, values := range w.header {
		name, prefixed := strings.CutPrefix(key, http.TrailerPrefix)
		if !prefixed && !declared[key] || !httpguts.ValidTrailerHeader(name) {
			continue
		}
		if trailer == nil {
			trailer = make(http.Header)
		}
		trailer[name] = values
	}
	return trailer
}

// HTTPStream implements HTTPStreamer.
func (w *responseWriter) HTTPStream() (*Stream, error) {
	if w.hijacked {
		return w.str, nil
	}
	if w.written > 0 {
		return nil, errStreamAfterBody
	}
	if w.status != 0 {
		if err := w.flush(); err != nil {
			return nil, err
		}
	}
	w.hijacked = true
	return w.str, nil
}

// ReceivedSettings implements Settingser.
func (w *responseWriter) ReceivedSettings() <-chan struct{} { return w.str.conn.ReceivedSettings() }

// Settings implements Settingser.
func (w *responseWriter) Settings() *Settings { return w.str.conn.Settings() }

// SetReadDeadline implements what http.ResponseController looks for.
func (w *responseWriter) SetReadDeadline(t time.Time) error { return w.str.SetReadDeadline(t) }

// SetWriteDeadline implements what http.ResponseController looks for.
func (w *responseWriter) SetWriteDeadline(t time.Time) error { return w.str.SetWriteDeadline(t) }
