package qlog

import (
	"time"

	"github.com/quic-go/quic-go/qlogwriter/jsontext"
)

// An object is the JSON of an event or frame. Its opt methods leave out members without a value.
type object struct{ *jsontext.Object }

func begin(enc *jsontext.Encoder) object { return object{enc.Object()} }

func (o object) optText(name, value string) {
	if value != "" {
		o.Text(name, value)
	}
}

func (o object) optBool(name string, value bool) {
	if value {
		o.Bool(name, true)
	}
}

func (o object) optInt(name string, value int64) {
	if value != 0 {
		o.Int(name, value)
	}
}

func (o object) optMilliseconds(name string, d time.Duration) {
	if d != 0 {
		o.Milliseconds(name, d)
	}
}

func (o object) optConnectionID(name string, id ConnectionID) {
	if id.Valid() {
		o.connectionID(name, id)
	}
}

// connectionID writes an empty connection ID as an empty string.
func (o object) connectionID(name string, id ConnectionID) { o.Hex(name, id.Bytes()) }
