package jsontext

import (
	"encoding/hex"
	"strconv"
	"time"
)

// An Object collects the members of one JSON object and hands them to its Encoder as one value, which is faster than
// token by token. It trusts its user: names need no escapes, and every beginning has its end. An empty name
// stands for none, as the elements of an array have none.
type Object struct {
	enc *Encoder
	buf []byte
}

// Object begins an object, which End writes to e. It may be used until the next one is begun.
func (e *Encoder) Object() *Object {
	e.object.enc = e
	e.object.buf = append(e.object.buf[:0], '{')
	return &e.object
}

// End writes the object and returns the error of the writer, or one that says that no value can stand there.
func (o *Object) End() error {
	o.buf = append(o.buf, '}')
	return o.enc.writeValue(o.buf)
}

// name begins a member or, without a name, an element.
func (o *Object) name(name string) {
	if last := o.buf[len(o.buf)-1]; last != '{' && last != '[' {
		o.buf = append(o.buf, ',')
	}
	if name != "" {
		o.buf = append(o.buf, '"')
		o.buf = append(o.buf, name...)
		o.buf = append(o.buf, '"', ':')
	}
}

// Text adds a string. Invalid UTF-8 is replaced.
func (o *Object) Text(name, value string) {
	o.name(name)
	o.buf = AppendString(o.buf, value)
}

// Hex adds bytes as a string of lower-case hexadecimal digits.
func (o *Object) Hex(name string, value []byte) {
	o.name(name)
	o.buf = append(o.buf, '"')
	o.buf = hex.AppendEncode(o.buf, value)
	o.buf = append(o.buf, '"')
}

// Int adds a number.
func (o *Object) Int(name string, value int64) {
	o.name(name)
	o.buf = strconv.AppendInt(o.buf, value, 10)
}

// Uint adds a number.
func (o *Object) Uint(name string, value uint64) {
	o.name(name)
	o.buf = strconv.AppendUint(o.buf, value, 10)
}

// Float adds a number; infinities and NaN become null.
func (o *Object) Float(name string, value float64) {
	o.name(name)
	o.buf = appendFloat(o.buf, value)
}

// Bool adds true or false.
func (o *Object) Bool(name string, value bool) {
	o.name(name)
	o.buf = strconv.AppendBool(o.buf, value)
}

// Milliseconds adds a duration as a number of milliseconds.
func (o *Object) Milliseconds(name string, d time.Duration) {
	o.name(name)
	o.buf = AppendMilliseconds(o.buf, d)
}

// BeginObject adds an object. What follows are its members, until EndObject.
func (o *Object) BeginObject(name string) {
	o.name(name)
	o.buf = append(o.buf, '{')
}

// EndObject ends what BeginObject has begun.
func (o *Object) EndObject() { o.buf = append(o.buf, '}') }

// BeginArray adds an array. What follows are its elements, until EndArray.
func (o *Object) BeginArray(name string) {
	o.name(name)
	o.buf = append(o.buf, '[')
}

// EndArray ends what BeginArray has begun.
func (o *Object) EndArray() { o.buf = append(o.buf, ']') }

// minPlain is the shortest duration that Float would write without an exponent.
const minPlain = 100 * time.Nanosecond

// AppendMilliseconds appends a duration as a number of milliseconds, with all its digits.
func AppendMilliseconds(b []byte, d time.Duration) []byte {
	if d < minPlain {
		return appendFloat(b, float64(d.Nanoseconds())/1e6)
	}
	b = strconv.AppendInt(b, d.Milliseconds(), 10)
	rest := int(d % time.Millisecond)
	if rest == 0 {
		return b
	}
	b = append(b, ".000000"...)
	for i := len(b) - 1; rest > 0; i-- {
		b[i] += byte(rest % 10)
		rest /= 10
	}
	for b[len(b)-1] == '0' {
		b = b[:len(b)-1]
	}
	return b
}
