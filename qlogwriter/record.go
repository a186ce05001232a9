package qlogwriter

import (
	"bytes"
	"errors"
	"sync"
	"time"

	"github.com/quic-go/quic-go/qlogwriter/jsontext"
)

// A record is the text of one event, on its way into a FileSeq. It is the writer of its encoder.
type record struct {
	text []byte
	enc  *jsontext.Encoder
}

// recordPool holds records that are not in use, with their buffers.
var recordPool = sync.Pool{New: func() any { return newRecord() }}

func newRecord() *record {
	r := &record{}
	r.enc = jsontext.NewEncoder(r)
	return r
}

// maxKeptText is the longest text whose buffer is used again.
const maxKeptText = 16 << 10

// release gives r back. One whose event could not be encoded may not be used again.
func (r *record) release() {
	if cap(r.text) <= maxKeptText {
		recordPool.Put(r)
	}
}

// Write implements io.Writer.
func (r *record) Write(b []byte) (int, error) {
	r.text = append(r.text, b...)
	return len(b), nil
}

var errNoValue = errors.New("an event is not one JSON object")

// encode sets the text of an event that happened at the given time, so long after the beginning.
func (r *record) encode(e Event, at time.Time, since time.Duration) error {
	r.text = append(r.text[:0], RecordSeparator)
	r.text = append(r.text, `{"time":`...)
	r.text = jsontext.AppendMilliseconds(r.text, since)
	r.text = append(r.text, `,"name":`...)
	r.text = jsontext.AppendString(r.text, e.Name())
	r.text = append(r.text, `,"data":`...)
	begin := len(r.text)
	if err := e.Encode(r.enc, at); err != nil {
		return err
	}
	// The encoder writes line feeds behind values only.
	data := r.text[begin:]
	if n := bytes.IndexByte(data, '\n'); n < 0 || n != len(data)-1 || data[0] != '{' {
		return errNoValue
	}
	r.text = append(r.text[:len(r.text)-1], '}', '\n')
	return nil
}
