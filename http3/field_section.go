package http3

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"

	"github.com/quic-go/qpack"
	"golang.org/x/net/http/httpguts"
)

// errFieldsTooLarge says that a field section is larger than it may be once decoded.
var errFieldsTooLarge = errors.New("http3: field section too large")

// eachField decodes a field section and calls add with its lines. limit is compared with the size that RFC 9114,
// Section 4.2.2 defines; so what a few references to the static table expand to is bounded.
func eachField(block []byte, limit int, add func(qpack.HeaderField)) error {
	block, err := checkPrefix(block)
	if err != nil {
		return err
	}
	next := qpack.NewDecoder().Decode(block)
	size := 0
	for lines := 0; ; lines++ {
		f, err := next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return decodingError(err)
		}
		size += len(f.Name) + len(f.Value) + fieldLineOverhead
		if size > limit || lines >= maxFieldLines {
			return errFieldsTooLarge
		}
		add(f)
	}
}

// decodeFields returns the lines of a field section.
func decodeFields(block []byte, limit int) (fields []qpack.HeaderField, err error) {
	err = eachField(block, limit, func(f qpack.HeaderField) { fields = append(fields, f) })
	return fields, err
}

// checkPrefix checks the prefix of a field section, and returns the section with a Base of zero: "A field section that
// was encoded without references to the dynamic table can use any value for the Base" (RFC 9204, Section 4.5.1.2).
func checkPrefix(block []byte) ([]byte, error) {
	if len(block) >= 2 && block[0] == 0 && block[1] == 0 {
		return block, nil
	}
	r := bytes.NewReader(block)
	count, err := readPrefixInt(r, 0xff)
	if err != nil {
		return nil, err
	}
	// "If the decoder encounters a value of EncodedInsertCount that could not have been produced by a conformant
	// encoder, it MUST treat this as a connection error of type QPACK_DECOMPRESSION_FAILED." (RFC 9204,
	// Section 4.5.1.1) Ours has no dynamic table to insert into.
	if count != 0 {
		return nil, connErrorf(ErrCodeQPACKDecompressionFailed, "reference to the dynamic table, which has no capacity")
	}
	// "The value of Base MUST NOT be negative. [...] An endpoint MUST treat a field block with a Sign bit
	// of 1 as invalid if the value of Required Insert Count is less than or equal to the value of
	// Delta Base." (RFC 9204, Section 4.5.1.2)
	if rest := block[len(block)-r.Len():]; len(rest) > 0 && rest[0]&0x80 != 0 {
		return nil, connErrorf(ErrCodeQPACKDecompressionFailed, "negative base")
	}
	if _, err := readPrefixInt(r, 0x7f); err != nil {
		return nil, err
	}
	return append([]byte{0, 0}, block[len(block)-r.Len():]...), nil
}

// readPrefixInt reads an integer of the prefix of a field section.
func readPrefixInt(r *bytes.Reader, mask byte) (uint64, error) {
	first, err := r.ReadByte()
	if err != nil {
		return 0, decodingError(io.ErrUnexpectedEOF)
	}
	v, err := readPrefixedInt(r, first&mask, mask)
	if err == io.EOF {
		return 0, decodingError(io.ErrUnexpectedEOF)
	}
	if err != nil {
		return 0, errIntegerTooLarge
	}
	return v, nil
}

// errIntegerTooLarge is the error of an integer of more than 62 bits.
//
// "If an implementation encounters a value larger than it is able to decode, this MUST be treated as a stream error of
// type QPACK_DECOMPRESSION_FAILED if on a request stream" (RFC 9204, Section 7.4).
var errIntegerTooLarge = streamErrorf(ErrCodeQPACKDecompressionFailed, "integer is too large")

// decodingError returns the error for what package qpack says about a field section.
//
// "If the decoder encounters a reference in a field line representation to a dynamic table entry that has already been
// evicted or that has an absolute index greater than or equal to the declared Required Insert Count (Section 4.5.1), it
// MUST treat this as a connection error of type QPACK_DECOMPRESSION_FAILED." (RFC 9204, Section 2.2.3)
func decodingError(err error) error {
	if err.Error() == "varint integer overflow" { // a text of package qpack, which exports no error
		return errIntegerTooLarge
	}
	return connErrorf(ErrCodeQPACKDecompressionFailed, "%s", strconv.QuoteToASCII(err.Error()))
}

// A messageKind tells what a field section belongs to.
type messageKind int

const (
	requestMessage messageKind = iota
	responseMessage
	trailerSection
)

// pseudo is a set of pseudo-header fields.
type pseudo uint8

const (
	pseudoMethod pseudo = 1 << iota
	pseudoScheme
	pseudoAuthority
	pseudoPath
	pseudoProtocol
	pseudoStatus
)

// A message is a header section or a trailer section whose field lines are valid each by itself.
type message struct {
	kind                                              messageKind
	method, scheme, authority, path, protocol, status string
	seen                                              pseudo
	regular                                           bool // a regular field line was seen

	header        http.Header
	values        []string // memory for the first value of each name
	contentLength int64    // -1 without Content-Length
}

// parse decodes a field section and validates its field lines.
func (m *message) parse(block []byte, limit int, kind messageKind) error {
	lines := min(4+len(block)/fieldLineGuess, maxLineGuess)
	m.kind, m.contentLength = kind, -1
	m.header, m.values = make(http.Header, lines), make([]string, 0, lines)
	var fault error
	err := eachField(block, limit, func(f qpack.HeaderField) {
		if fault == nil { // what cannot be decoded is worse than what is malformed
			fault = m.add(f)
		}
	})
	if err != nil {
		return err
	}
	return fault
}

// How much memory parse begins with: a line for so many bytes of the section, and no more than that.
const (
	fieldLineGuess = 24
	maxLineGuess   = 32
)

// add notes a field line.
func (m *message) add(f qpack.HeaderField) error {
	if f.IsPseudo() {
		return m.addPseudo(f)
	}
	m.regular = true
	key, value, err := checkField(f)
	if err != nil {
		return err
	}
	values, again := m.header[key]
	if key == "Content-Length" && m.kind != trailerSection {
		if err := m.setContentLength(value); err != nil {
			return err
		}
		values = values[:0] // several equal ones count as one
	}
	if again {
		m.header[key] = append(values, value)
		return nil
	}
	if len(m.values) == cap(m.values) {
		m.values = make([]string, 0, cap(m.values))
	}
	m.values = append(m.values, value)
	n := len(m.values)
	m.header[key] = m.values[n-1 : n : n]
	return nil
}

func (m *message) addPseudo(f qpack.HeaderField) error {
	if m.kind == trailerSection {
		// "Pseudo-header fields MUST NOT appear in trailer sections." (RFC 9114, Section 4.3)
		return malformed("received pseudo header in trailer: %s", quoteName(f.Name))
	}
	// "Any request or response that contains a pseudo-header field that appears in a header section after a regular
	// header field MUST be treated as malformed." (RFC 9114, Section 4.3)
	if m.regular {
		return malformed("received pseudo header %s after a regular header field", quoteName(f.Name))
	}
	return m.setPseudo(f.Name, f.Value)
}

// setPseudo notes a pseudo-header field.
//
// "Endpoints MUST treat a request or response that contains undefined or invalid pseudo-header fields
// as malformed." (RFC 9114, Section 4.3)
func (m *message) setPseudo(name, value string) error {
	var id pseudo
	var field *string
	switch name {
	case ":method":
		id, field = pseudoMethod, &m.method
	case ":scheme":
		id, field = pseudoScheme, &m.scheme
	case ":authority":
		id, field = pseudoAuthority, &m.authority
	case ":path":
		id, field = pseudoPath, &m.path
	case ":protocol":
		id, field = pseudoProtocol, &m.protocol
	case ":status":
		id, field = pseudoStatus, &m.status
	default:
		return malformed("unknown pseudo header: %s", quoteName(name))
	}
	if (id == pseudoStatus) != (m.kind == responseMessage) {
		return malformed("invalid pseudo header in this message: %s", name)
	}
	if m.seen&id != 0 {
		return malformed("duplicate pseudo header: %s", name)
	}
	if !httpguts.ValidHeaderFieldValue(value) {
		return malformed("invalid value of pseudo header %s", name)
	}
	m.seen |= id
	*field = value
	return nil
}

// setContentLength notes a Content-Length.
func (m *message) setContentLength(value string) error {
	n, err := parseContentLength(value)
	if err != nil {
		return malformed("invalid content length: %s", strconv.QuoteToASCII(value))
	}
	if m.contentLength >= 0 && m.contentLength != n {
		return malformed("contradicting content lengths: %d and %d", m.contentLength, n)
	}
	m.contentLength = n
	return nil
}

// parseContentLength parses 1*DIGIT (RFC 9110, Section 8.6).
func parseContentLength(s string) (int64, error) {
	n, err := strconv.ParseUint(s, 10, 63) // no sign, unlike ParseInt
	return int64(n), err
}

// checkField validates a regular field line and returns its key in an http.Header, and its value without surrounding white
// space.
func checkField(f qpack.HeaderField) (key, value string, err error) {
	key, common := canonicalNames[f.Name]
	// "A request or response containing uppercase characters in field names MUST be treated as
	// malformed." (RFC 9114, Section 4.2)
	if !common && (!httpguts.ValidHeaderFieldName(f.Name) || hasUpper(f.Name)) {
		return "", "", malformed("invalid header field name: %s", strconv.QuoteToASCII(f.Name))
	}
	if !httpguts.ValidHeaderFieldValue(f.Value) {
		return "", "", malformed("invalid header field value for %s", f.Name)
	}
	value = textproto.TrimString(f.Value)
	// "any message containing connection-specific fields MUST be treated as malformed. The only
	// exception to this is the TE header field, which MAY be present in an HTTP/3 request header;
	// when it is, it MUST NOT contain any value other than "trailers"." (RFC 9114, Section 4.2)
	if isConnectionSpecific(f.Name) || f.Name == "te" && !strings.EqualFold(value, "trailers") {
		return "", "", malformed("invalid header field name: %q", f.Name)
	}
	if !common {
		key = http.CanonicalHeaderKey(f.Name)
	}
	return key, value, nil
}

func isConnectionSpecific(name string) bool {
	switch name {
	case "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade":
		return true
	default:
		return false
	}
}

func hasUpper(s string) bool {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			return true
		}
	}
	return false
}

// quoteName makes a name that the peer has chosen fit for an error text.
func quoteName(name string) string {
	quoted := strconv.QuoteToASCII(name)
	return quoted[1 : len(quoted)-1]
}

// parseTrailers decodes and validates a trailer section.
func parseTrailers(block []byte, limit int) (http.Header, error) {
	var m message
	err := m.parse(block, limit, trailerSection)
	if err == errFieldsTooLarge {
		return nil, streamErrorf(ErrCodeExcessiveLoad, "http3: trailers too large (max: %d bytes)", limit)
	}
	if e, ok := err.(*streamError); ok && e.code == ErrCodeMessageError {
		return nil, malformed("http3: %w", err)
	}
	if err != nil {
		return nil, err
	}
	for key := range m.header {
		// Fields that are needed to find the end of the message, or to route it, do not belong
		// here (RFC 9110, Section 6.5.1).
		if !httpguts.ValidTrailerHeader(key) {
			delete(m.header, key)
		}
	}
	return m.header, nil
}

// takeTrailerNames removes the Trailer field from header and returns the names that it announces.
func takeTrailerNames(header http.Header) http.Header {
	announced, ok := header["Trailer"]
	if !ok {
		return nil
	}
	delete(header, "Trailer")
	trailer := make(http.Header)
	for _, line := range announced {
		for name := range strings.SplitSeq(line, ",") {
			name = http.CanonicalHeaderKey(textproto.TrimString(name))
			if httpguts.ValidTrailerHeader(name) && httpguts.ValidHeaderFieldName(name) {
				trailer[name] = nil
			}
		}
	}
	if len(trailer) == 0 {
		return nil
	}
	return trailer
}
