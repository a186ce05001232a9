package http3

import (
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/quic-go/quic-go/quicvarint"
)

// CapsuleProtocolHeader is the header field that says that a message uses the Capsule Protocol
// (RFC 9297, Section 3.4).
const CapsuleProtocolHeader = "Capsule-Protocol"

// usesCapsules reports whether the header of a message says that it uses the Capsule Protocol.
//
// "Its value MUST be a Boolean; any other value type MUST be handled as if the field were not present by recipients (for
// example, if this field is included multiple times, its type will become a List and the field will be ignored)."
// (RFC 9297, Section 3.4)
func usesCapsules(header http.Header) bool {
	values := header[CapsuleProtocolHeader]
	if len(values) != 1 || strings.Contains(values[0], ",") {
		return false
	}
	value, _, _ := strings.Cut(values[0], ";") // "Receivers MUST ignore unknown parameters."
	return strings.TrimRight(value, " ") == "?1"
}

// checkCapsuleMessage checks a message that may use the Capsule Protocol, status is 0 for a request.
//
// "The Capsule Protocol MUST NOT be used with messages that contain Content-Length, Content-Type, or Transfer-Encoding
// header fields. Additionally, HTTP status codes 204 (No Content), 205 (Reset Content), and 206 (Partial Content) MUST NOT
// be sent on responses that use the Capsule Protocol. A receiver that observes a violation of these requirements MUST
// treat the HTTP message as malformed." (RFC 9297, Section 3.2)
func checkCapsuleMessage(header http.Header, status int) error {
	if !usesCapsules(header) {
		return nil
	}
	for _, key := range []string{"Content-Length", "Content-Type"} { // with Transfer-Encoding, any message is malformed
		if _, ok := header[key]; ok {
			return malformed("%s field in a message that uses the Capsule Protocol", key)
		}
	}
	switch status {
	case http.StatusNoContent, http.StatusResetContent, http.StatusPartialContent:
		return malformed("status %d of a response that uses the Capsule Protocol", status)
	}
	return nil
}

// A CapsuleType is the type of a capsule (RFC 9297, Section 3.2).
type CapsuleType uint64

var errCapsuleUnread = errors.New("http3: previous capsule was not fully consumed")

// A CapsuleParser reads capsules from a stream (RFC 9297, Section 3.2). It reads no byte ahead and
// buffers nothing. It is not safe for concurrent use.
type CapsuleParser struct {
	r         io.Reader
	b         io.ByteReader
	remaining int64 // of the value of the current capsule
}

// NewCapsuleParser returns a parser of the capsules in r. If r is a Stream or a RequestStream, an end inside a capsule
// cancels both directions with ErrCodeMessageError. A user who finds a fault in the value of a capsule has to do that, too.
func NewCapsuleParser(r io.Reader) *CapsuleParser {
	return &CapsuleParser{r: r, b: quicvarint.NewReader(r)}
}

// Next returns the type and the value of the next capsule. The value of the one before must have
// been read, or discarded, to its end. Next returns io.EOF if there is no further capsule,
// and io.ErrUnexpectedEOF if the stream ends within the type or the length of one.
func (p *CapsuleParser) Next() (CapsuleType, CapsuleReader, error) {
	if p.remaining > 0 {
		return 0, CapsuleReader{}, errCapsuleUnread
	}
	typ, n, err := p.readVarint()
	if err != nil {
		if err == io.EOF && n > 0 {
			err = p.truncated()
		}
		return 0, CapsuleReader{}, err
	}
	length, _, err := p.readVarint()
	if err != nil {
		if err == io.EOF {
			err = p.truncated()
		}
		return 0, CapsuleReader{}, err
	}
	p.remaining = int64(length) // below 2^62
	return CapsuleType(typ), CapsuleReader{p: p}, nil
}

// truncated ends a stream that was finished inside a capsule.
//
// "If the receive side of a stream carrying Capsules is terminated cleanly (for example, in HTTP/3 this is defined as
// receiving a QUIC STREAM frame with the FIN bit set) and the last Capsule on the stream was truncated, this MUST be
// treated as if it were a malformed or incomplete message." (RFC 9297, Section 3.3)
func (p *CapsuleParser) truncated() error {
	if s, ok := p.r.(interface{ abort(ErrCode) }); ok {
		s.abort(ErrCodeMessageError)
	}
	return io.ErrUnexpectedEOF
}

// readVarint reads an integer and tells how many bytes of it there were.
func (p *CapsuleParser) readVarint() (v uint64, n int, err error) {
	first, err := p.b.ReadByte()
	if err != nil {
		return 0, 0, err
	}
	v = uint64(first & 0x3f)
	for n = 1; n < 1<<(first>>6); n++ {
		c, err := p.b.ReadByte()
		if err != nil {
			return 0, n, err
		}
		v = v<<8 | uint64(c)
	}
	return v, n, nil
}

// A CapsuleReader reads the value of one capsule. It may be used until the next call of
// CapsuleParser.Next.
type CapsuleReader struct{ p *CapsuleParser }

// Read reads from the value. It returns io.EOF at its end, and io.ErrUnexpectedEOF if the stream
// ends before.
func (r CapsuleReader) Read(b []byte) (int, error) {
	if r.p == nil || r.p.remaining == 0 {
		return 0, io.EOF
	}
	if int64(len(b)) > r.p.remaining {
		b = b[:r.p.remaining]
	}
	n, err := r.p.r.Read(b)
	r.p.remaining -= int64(n)
	return n, r.ended(err)
}

// ReadByte reads one byte of the value.
func (r CapsuleReader) ReadByte() (byte, error) {
	if r.p == nil || r.p.remaining == 0 {
		return 0, io.EOF
	}
	c, err := r.p.b.ReadByte()
	if err != nil {
		return 0, r.ended(err)
	}
	r.p.remaining--
	return c, nil
}

// Remaining returns the number of bytes of the value that are not yet read.
func (r CapsuleReader) Remaining() int64 {
	if r.p == nil {
		return 0
	}
	return r.p.remaining
}

// Discard reads and forgets the rest of the value.
func (r CapsuleReader) Discard() error {
	_, err := io.Copy(io.Discard, r)
	return err
}

// ended turns an end of the stream within the value into io.ErrUnexpectedEOF.
func (r CapsuleReader) ended(err error) error {
	if err != io.EOF {
		return err
	}
	if r.p.remaining > 0 {
		return r.p.truncated()
	}
	return nil
}

// WriteCapsule writes a capsule to w, which gets it in one Write.
func WriteCapsule(w quicvarint.Writer, t CapsuleType, value []byte) error {
	b := make([]byte, 0, maxFrameHeader+len(value))
	b = quicvarint.Append(b, uint64(t))
	b = quicvarint.Append(b, uint64(len(value)))
	_, err := w.Write(append(b, value...))
	return err
}
