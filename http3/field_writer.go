package http3

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/quic-go/qpack"
	"golang.org/x/net/http/httpguts"
)

// A fieldWriter encodes one field section into a HEADERS frame. Its size, in the sense of
// RFC 9114, Section 4.2.2, is counted.
type fieldWriter struct {
	block   bytes.Buffer
	encoder *qpack.Encoder
	size    uint64
	frames  []byte // memory for the frame and what is written with it
}

var fieldWriters = sync.Pool{New: func() any {
	w := &fieldWriter{}
	w.encoder = qpack.NewEncoder(&w.block)
	return w
}}

func newFieldWriter() *fieldWriter { return fieldWriters.Get().(*fieldWriter) }

// release makes w usable for other field sections. A large buffer is not kept.
func (w *fieldWriter) release() {
	if w.block.Cap() > 64<<10 || cap(w.frames) > 64<<10 {
		return
	}
	w.encoder.Close()
	w.block.Reset()
	w.size = 0
	fieldWriters.Put(w)
}

// add appends a field line whose name is in lower case.
func (w *fieldWriter) add(name, value string) {
	w.size += uint64(len(name) + len(value) + fieldLineOverhead)
	begin := max(w.block.Len(), 2) // behind the prefix of the section
	// The encoder fails only if its writer does.
	w.encoder.WriteField(qpack.HeaderField{Name: name, Value: value})
	if isSensitive(name) {
		neverIndex(w.block.Bytes()[begin:])
	}
}

// isSensitive reports whether intermediaries must not index the values of a field.
//
// "An encoder might also choose not to index values for fields that are considered to be highly valuable or sensitive to
// recovery, such as the Cookie or Authorization header fields." (RFC 9204, Section 7.1.3)
func isSensitive(name string) bool {
	switch name {
	case "authorization", "proxy-authorization", "cookie", "set-cookie":
		return true
	default:
		return false
	}
}

// neverIndex sets the bit 'N' of a literal field line (RFC 9204, Sections 4.5.4 and 4.5.6).
func neverIndex(line []byte) {
	switch {
	case line[0]>>6 == 0b01:
		line[0] |= 0x20
	case line[0]>>5 == 0b001:
		line[0] |= 0x10
	}
}

// addHeader appends the values of a header field. Names that are none are left out; line breaks in
// values become spaces, as in net/http.
func (w *fieldWriter) addHeader(key string, values []string) {
	if !httpguts.ValidHeaderFieldName(key) {
		return
	}
	name := lowerName(key)
	for _, v := range values {
		if !httpguts.ValidHeaderFieldValue(v) {
			v = cleanValue(v)
		}
		w.add(name, v)
	}
}

// frame returns the HEADERS frame, which is valid until release.
func (w *fieldWriter) frame() []byte {
	w.frames = w.append(w.frames[:0])
	return w.frames
}

// append appends the HEADERS frame to b.
func (w *fieldWriter) append(b []byte) []byte {
	if w.block.Len() == 0 {
		// An empty field section still has its prefix (RFC 9204, Section 4.5.1).
		w.block.Write([]byte{0, 0})
	}
	b = slices.Grow(b, maxFrameHeader+w.block.Len())
	b = appendFrameHeader(b, frameHeaders, w.block.Len())
	return append(b, w.block.Bytes()...)
}

// cleanValue replaces what a field value must not contain.
func cleanValue(v string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r == 0x7f {
			return ' '
		}
		return r
	}, v)
}

// lowerName returns the name of a header field as it is on the wire.
func lowerName(key string) string {
	if name, ok := lowerNames[key]; ok {
		return name
	}
	return strings.ToLower(key)
}

// commonNames are names of header fields whose two spellings are not worked out each time.
var commonNames = []string{
	"accept", "accept-encoding", "accept-language", "accept-ranges", "access-control-allow-origin", "age", "alt-svc",
	"authorization", "cache-control", "content-disposition", "content-encoding", "content-language", "content-length",
	"content-range", "content-security-policy", "content-type", "cookie", "date", "etag", "expect", "expires",
	"if-match", "if-modified-since", "if-none-match", "if-range", "last-modified", "link", "location", "origin",
	"priority", "range", "referer", "retry-after", "server", "set-cookie", "strict-transport-security", "te", "trailer",
	"user-agent", "vary", "via", "www-authenticate", "x-content-type-options", "x-forwarded-for", "x-frame-options",
	"capsule-protocol",
}

// lowerNames and canonicalNames are the spellings of commonNames on the wire and in an http.Header, by the other one.
var lowerNames, canonicalNames = func() (lower, canonical map[string]string) {
	lower, canonical = make(map[string]string), make(map[string]string)
	for _, name := range commonNames {
		key := http.CanonicalHeaderKey(name)
		lower[key], canonical[name] = name, key
	}
	return lower, canonical
}()

// appendTrailers appends a HEADERS frame with the trailer fields, or nothing if there are none.
func appendTrailers(b []byte, trailer http.Header) []byte {
	if len(trailer) == 0 {
		return b
	}
	w := newFieldWriter()
	defer w.release()
	for key, values := range trailer {
		if httpguts.ValidTrailerHeader(key) {
			w.addHeader(key, values)
		}
	}
	if w.size == 0 {
		return b
	}
	return w.append(b)
}
