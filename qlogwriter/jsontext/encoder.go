package jsontext

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"unicode/utf8"
)

// A Token is a piece of JSON: a value or the beginning or end of an object or array.
type Token struct {
	kind byte // 'n', 't', 'f', '"', 'i', 'u', 'd' or one of {}[]
	str  string
	num  uint64
}

// Tokens without a value.
var (
	BeginObject = Token{kind: '{'}
	EndObject   = Token{kind: '}'}
	BeginArray  = Token{kind: '['}
	EndArray    = Token{kind: ']'}
	Null        = Token{kind: 'n'}
	True        = Token{kind: 't'}
	False       = Token{kind: 'f'}
)

// String returns a JSON string. Invalid UTF-8 is replaced.
func String(s string) Token { return Token{kind: '"', str: s} }

// Int returns a JSON number.
func Int(i int64) Token { return Token{kind: 'i', num: uint64(i)} }

// Uint returns a JSON number.
func Uint(u uint64) Token { return Token{kind: 'u', num: u} }

// Float returns a JSON number; infinities and NaN become null.
func Float(f float64) Token { return Token{kind: 'd', num: math.Float64bits(f)} }

// Bool returns True or False.
func Bool(b bool) Token {
	if b {
		return True
	}
	return False
}

// An Encoder writes tokens, and whole objects, to a writer. It is not safe for concurrent use.
type Encoder struct {
	w      io.Writer
	buf    []byte
	stack  []level
	object Object
}

type level struct {
	object bool
	count  int // tokens written; in an object names and values alternate
}

// NewEncoder returns an Encoder that writes to w.
func NewEncoder(w io.Writer) *Encoder { return &Encoder{w: w} }

var (
	errName     = errors.New("jsontext: object name must be a string")
	errMismatch = errors.New("jsontext: end without matching begin")
	errNoValue  = errors.New("jsontext: object name without a value")
)

// WriteToken writes t, preceded by the comma or colon that its place calls for and, at the end of a
// value that is not part of another one, followed by a newline. It returns the writer's error, or an
// error if t cannot stand at this place; then nothing is written.
func (e *Encoder) WriteToken(t Token) error {
	end := t.kind == '}' || t.kind == ']'
	if err := e.check(t.kind, end); err != nil {
		return err
	}
	e.buf = e.buf[:0]
	if end {
		e.stack = e.stack[:len(e.stack)-1]
	} else {
		e.separate()
	}
	e.buf = t.append(e.buf)
	if t.kind == '{' || t.kind == '[' {
		e.stack = append(e.stack, level{object: t.kind == '{'})
	}
	if len(e.stack) == 0 {
		e.buf = append(e.buf, '\n')
	}
	_, err := e.w.Write(e.buf)
	return err
}

// writeValue writes an object in the way of WriteToken. b may be changed.
func (e *Encoder) writeValue(b []byte) error {
	if len(e.stack) == 0 {
		_, err := e.w.Write(append(b, '\n'))
		return err
	}
	if err := e.check('{', false); err != nil {
		return err
	}
	e.buf = e.buf[:0]
	e.separate()
	e.buf = append(e.buf, b...)
	_, err := e.w.Write(e.buf)
	return err
}

// check reports what is wrong with a token of a kind at this place.
func (e *Encoder) check(kind byte, end bool) error {
	if len(e.stack) == 0 {
		if end {
			return errMismatch
		}
		return nil
	}
	top := e.stack[len(e.stack)-1]
	isName := top.object && top.count%2 == 0
	switch {
	case end && top.object != (kind == '}'):
		return errMismatch
	case end && top.object && !isName:
		return errNoValue
	case !end && isName && kind != '"':
		return errName
	}
	return nil
}

func (e *Encoder) separate() {
	if len(e.stack) == 0 {
		return
	}
	top := &e.stack[len(e.stack)-1]
	switch {
	case top.object && top.count%2 == 1:
		e.buf = append(e.buf, ':')
	case top.count > 0:
		e.buf = append(e.buf, ',')
	}
	top.count++
}

func (t Token) append(b []byte) []byte {
	switch t.kind {
	case 'n':
		return append(b, "null"...)
	case 't':
		return append(b, "true"...)
	case 'f':
		return append(b, "false"...)
	case '"':
		return AppendString(b, t.str)
	case 'i':
		return strconv.AppendInt(b, int64(t.num), 10)
	case 'u':
		return strconv.AppendUint(b, t.num, 10)
	case 'd':
		return appendFloat(b, math.Float64frombits(t.num))
	}
	return append(b, t.kind)
}

func appendFloat(b []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(b, "null"...)
	}
	return strconv.AppendFloat(b, f, 'g', -1, 64)
}

// AppendString appends a JSON string, with no more escapes than JSON asks for. Invalid UTF-8 is replaced.
func AppendString(b []byte, s string) []byte {
	b = append(b, '"')
	if isPlain(s) {
		b = append(b, s...)
		return append(b, '"')
	}
	for _, r := range s { // invalid UTF-8 comes as U+FFFD
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\r':
			b = append(b, `\r`...)
		case r == '\t':
			b = append(b, `\t`...)
		case r < 0x20:
			b = fmt.Appendf(b, `\u%04x`, r)
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}

// isPlain reports whether s is its own JSON.
func isPlain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c >= utf8.RuneSelf || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}
