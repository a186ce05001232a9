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

// An Encoder writes tokens to a writer. It is not safe for concurrent use.
type Encoder struct {
	w     io.Writer
	buf   []byte
	stack []level
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
	if err := e.check(t, end); err != nil {
		return err
	}
	e.buf = e.buf[:0]
	if end {
		e.stack = e.stack[:len(e.stack)-1]
	} else {
		e.separate()
	}
	e.appendToken(t)
	if t.kind == '{' || t.kind == '[' {
		e.stack = append(e.stack, level{object: t.kind == '{'})
	}
	if len(e.stack) == 0 {
		e.buf = append(e.buf, '\n')
	}
	_, err := e.w.Write(e.buf)
	return err
}

func (e *Encoder) check(t Token, end bool) error {
	if len(e.stack) == 0 {
		if end {
			return errMismatch
		}
		return nil
	}
	top := e.stack[len(e.stack)-1]
	isName := top.object && top.count%2 == 0
	switch {
	case end && top.object != (t.kind == '}'):
		return errMismatch
	case end && top.object && !isName:
		return errNoValue
	case !end && isName && t.kind != '"':
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

func (e *Encoder) appendToken(t Token) {
	switch t.kind {
	case 'n':
		e.buf = append(e.buf, "null"...)
	case 't':
		e.buf = append(e.buf, "true"...)
	case 'f':
		e.buf = append(e.buf, "false"...)
	case '"':
		e.appendString(t.str)
	case 'i':
		e.buf = strconv.AppendInt(e.buf, int64(t.num), 10)
	case 'u':
		e.buf = strconv.AppendUint(e.buf, t.num, 10)
	case 'd':
		e.appendFloat(math.Float64frombits(t.num))
	default:
		e.buf = append(e.buf, t.kind)
	}
}

func (e *Encoder) appendFloat(f float64) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		e.buf = append(e.buf, "null"...)
		return
	}
	e.buf = strconv.AppendFloat(e.buf, f, 'g', -1, 64)
}

// appendString escapes no more than JSON asks for.
func (e *Encoder) appendString(s string) {
	e.buf = append(e.buf, '"')
	for _, r := range s { // invalid UTF-8 comes as U+FFFD
		switch {
		case r == '"' || r == '\\':
			e.buf = append(e.buf, '\\', byte(r))
		case r == '\n':
			e.buf = append(e.buf, `\n`...)
		case r == '\r':
			e.buf = append(e.buf, `\r`...)
		case r == '\t':
			e.buf = append(e.buf, `\t`...)
		case r < 0x20:
			e.buf = fmt.Appendf(e.buf, `\u%04x`, r)
		default:
			e.buf = utf8.AppendRune(e.buf, r)
		}
	}
	e.buf = append(e.buf, '"')
}
