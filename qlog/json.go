package qlog

import (
	"encoding/hex"
	"time"

	"github.com/quic-go/quic-go/qlogwriter/jsontext"
)

// An object writes the members of a JSON object. The first error sticks; end returns it.
type object struct {
	enc *jsontext.Encoder
	err error
}

func begin(enc *jsontext.Encoder) *object {
	o := &object{enc: enc}
	o.token(jsontext.BeginObject)
	return o
}

func (o *object) end() error {
	o.token(jsontext.EndObject)
	return o.err
}

func (o *object) token(t jsontext.Token) {
	if o.err == nil {
		o.err = o.enc.WriteToken(t)
	}
}

func (o *object) member(name string, t jsontext.Token) {
	o.token(jsontext.String(name))
	o.token(t)
}

func (o *object) text(name, value string)        { o.member(name, jsontext.String(value)) }
func (o *object) flag(name string, value bool)   { o.member(name, jsontext.Bool(value)) }
func (o *object) uint(name string, value uint64) { o.member(name, jsontext.Uint(value)) }
func (o *object) int(name string, value int64)   { o.member(name, jsontext.Int(value)) }
func (o *object) bytes(name string, value []byte) {
	o.text(name, hex.EncodeToString(value))
}

// ms writes a duration in milliseconds.
func (o *object) ms(name string, d time.Duration) {
	o.member(name, jsontext.Float(float64(d.Nanoseconds())/1e6))
}

// The opt methods leave out members without a value.

func (o *object) optText(name, value string) {
	if value != "" {
		o.text(name, value)
	}
}

func (o *object) optFlag(name string, value bool) {
	if value {
		o.flag(name, true)
	}
}

func (o *object) optInt(name string, value int64) {
	if value != 0 {
		o.int(name, value)
	}
}

func (o *object) optMS(name string, d time.Duration) {
	if d != 0 {
		o.ms(name, d)
	}
}

func (o *object) optConnectionID(name string, id ConnectionID) {
	if id.Valid() {
		o.connectionID(name, id)
	}
}

// connectionID writes an empty connection ID as an empty string.
func (o *object) connectionID(name string, id ConnectionID) { o.bytes(name, id.Bytes()) }

// nested writes a member that is an object with the members that fill writes.
func (o *object) nested(name string, fill func()) {
	o.member(name, jsontext.BeginObject)
	fill()
	o.token(jsontext.EndObject)
}

// list writes a member that is an array with the values that fill writes.
func (o *object) list(name string, fill func()) {
	o.member(name, jsontext.BeginArray)
	fill()
	o.token(jsontext.EndArray)
}
