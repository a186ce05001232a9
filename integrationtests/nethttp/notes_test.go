package nethttp_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// notes are what is seen in one run of a row, in the terms that both stacks have in common.
type notes struct {
	mu     sync.Mutex
	keys   []string
	values map[string]string
}

// note notes a value. Several values of a key are kept in order.
func (n *notes) note(key, format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	value := fmt.Sprintf(format, args...)
	if old, ok := n.values[key]; ok {
		n.values[key] = old + "; " + value
		return
	}
	if n.values == nil {
		n.values = make(map[string]string)
	}
	n.keys = append(n.keys, key)
	n.values[key] = value
}

// noteError notes what a caller can find out about an error.
func (n *notes) noteError(key string, err error) { n.note(key, "%s", class(err)) }

// known are the errors that callers compare with.
var known = []struct {
	err  error
	name string
}{
	{io.ErrUnexpectedEOF, "io.ErrUnexpectedEOF"},
	{io.EOF, "io.EOF"},
	{context.Canceled, "context.Canceled"},
	{context.DeadlineExceeded, "context.DeadlineExceeded"},
	{http.ErrBodyNotAllowed, "http.ErrBodyNotAllowed"},
	{http.ErrContentLength, "http.ErrContentLength"},
	{http.ErrHijacked, "http.ErrHijacked"},
	{http.ErrNotSupported, "http.ErrNotSupported"},
	{http.ErrHandlerTimeout, "http.ErrHandlerTimeout"},
	{http.ErrBodyReadAfterClose, "http.ErrBodyReadAfterClose"},
	{http.ErrUseLastResponse, "http.ErrUseLastResponse"},
	{http.ErrNoLocation, "http.ErrNoLocation"},
	{errMine, "the reader's own error"},
}

var errMine = errors.New("mine")

// class names an error by what a caller may depend on.
func class(err error) string {
	if err == nil {
		return "no error"
	}
	for _, k := range known {
		if errors.Is(err, k.err) {
			return k.name
		}
	}
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return "*http.MaxBytesError"
	}
	if netErr, ok := errors.AsType[net.Error](err); ok && netErr.Timeout() {
		return "timeout"
	}
	return "another error"
}

// unimportant are the response headers that rows look at only if they are about them.
var unimportant = map[string]bool{"Date": true}

// headers renders header fields.
func headers(h http.Header) string {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(h)) {
		if unimportant[key] {
			continue
		}
		fmt.Fprintf(&b, "%s: %s, ", key, strings.Join(h[key], " | "))
	}
	return strings.TrimSuffix(b.String(), ", ")
}

// content renders a body.
func content(b []byte) string {
	if len(b) <= 80 {
		return fmt.Sprintf("%q", b)
	}
	return fmt.Sprintf("%d bytes %x", len(b), sha256.Sum256(b))[:24]
}

// noteResponse notes the result of sending a request, and reads the body.
func (n *notes) noteResponse(rsp *http.Response, err error) *http.Response {
	n.noteError("client: error", err)
	if err != nil {
		return nil
	}
	n.noteHead(rsp)
	body, err := io.ReadAll(rsp.Body)
	n.note("client: body", "%s, %s", content(body), class(err))
	if len(rsp.Trailer) > 0 {
		n.note("client: trailer", "%s", headers(rsp.Trailer))
	}
	rsp.Body.Close()
	return rsp
}

// noteHead notes what is known of a response before its body is read.
func (n *notes) noteHead(rsp *http.Response) {
	n.note("client: status", "%s", rsp.Status)
	n.note("client: header", "%s", headers(rsp.Header))
	n.note("client: length", "%d", rsp.ContentLength)
	if rsp.Uncompressed {
		n.note("client: uncompressed", "yes")
	}
}
