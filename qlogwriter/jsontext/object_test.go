package jsontext

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"
)

// fill adds a member of each kind.
func fill(o *Object) {
	o.Text("text", "quote\"\\\n\x00é<\xff")
	o.Text("plain", "a b")
	o.Hex("hex", []byte{0, 0xab})
	o.Int("int", -3)
	o.Uint("uint", math.MaxUint64)
	o.Float("float", 1.5)
	o.Float("none", math.Inf(1))
	o.Bool("bool", true)
	o.Milliseconds("ms", 1500*time.Microsecond)
	o.BeginObject("object")
	o.EndObject()
	o.BeginArray("array")
	o.Int("", 1)
	o.BeginArray("")
	o.Int("", 2)
	o.Int("", 3)
	o.EndArray()
	o.BeginObject("")
	o.Text("a", "")
	o.Text("b", "{")
	o.EndObject()
	o.Text("", "[")
	o.EndArray()
	o.Bool("last", false)
}

const filled = `{"text":"quote\"\\\n\u0000é<�","plain":"a b","hex":"00ab","int":-3,"uint":18446744073709551615,"float":1.5,"none":null,` +
	`"bool":true,"ms":1.5,"object":{},"array":[1,[2,3],{"a":"","b":"{"},"["],"last":false}`

func TestObject(t *testing.T) {
	var out bytes.Buffer
	enc := NewEncoder(&out)
	for range 2 { // the second one in the buffer of the first one
		o := enc.Object()
		fill(o)
		if err := o.End(); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := out.String(), filled+"\n"+filled+"\n"; got != want {
		t.Errorf("encoded\n%s, want\n%s", got, want)
	}
	if !json.Valid([]byte(filled)) {
		t.Error("not valid")
	}
}

func TestObjectInItsPlace(t *testing.T) {
	var out bytes.Buffer
	enc := NewEncoder(&out)
	write := func(tokens ...Token) {
		t.Helper()
		for _, tok := range tokens {
			if err := enc.WriteToken(tok); err != nil {
				t.Fatal(err)
			}
		}
	}
	end := func() error {
		o := enc.Object()
		o.Int("a", 1)
		return o.End()
	}
	write(BeginObject)
	if err := end(); err != errName {
		t.Errorf("an object as a name: error %v, want %v", err, errName)
	}
	write(String("x"))
	if err := end(); err != nil {
		t.Error(err)
	}
	write(String("y"), BeginArray)
	for range 2 {
		if err := end(); err != nil {
			t.Error(err)
		}
	}
	write(EndArray, EndObject)
	if got, want := out.String(), `{"x":{"a":1},"y":[{"a":1},{"a":1}]}`+"\n"; got != want {
		t.Errorf("encoded %s, want %s", got, want)
	}
}

type fullWriter struct{}

var errFull = errors.New("full")

func (fullWriter) Write([]byte) (int, error) { return 0, errFull }

func TestObjectReturnsTheErrorOfTheWriter(t *testing.T) {
	if err := NewEncoder(fullWriter{}).Object().End(); err != errFull {
		t.Errorf("End() = %v, want %v", err, errFull)
	}
}

func TestMilliseconds(t *testing.T) {
	for _, test := range []struct {
		d    time.Duration
		want string
	}{
		{0, "0"}, {1, "1e-06"}, {99, "9.9e-05"}, {100, "0.0001"}, {101, "0.000101"}, {time.Microsecond, "0.001"}, {1_000_001, "1.000001"},
		{time.Millisecond, "1"}, {10 * time.Millisecond, "10"}, {time.Hour + 20*time.Microsecond, "3600000.02"}, {-1500 * time.Microsecond, "-1.5"},
		{math.MaxInt64, "9223372036854.775807"}, {math.MinInt64, "-9.223372036854775e+12"},
	} {
		if got := string(AppendMilliseconds(nil, test.d)); got != test.want {
			t.Errorf("AppendMilliseconds(%d) = %s, want %s", test.d, got, test.want)
		}
	}
}

func TestMillisecondsAreExact(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 10_000 {
		d := time.Duration(r.Int64N(1 << (1 + r.IntN(53))))
		f, err := strconv.ParseFloat(string(AppendMilliseconds(nil, d)), 64)
		if want := float64(d) / 1e6; err != nil || f != want {
			t.Errorf("%d: %g, want %g (%v)", d, f, want, err)
		}
	}
}

func TestObjectAllocatesNothing(t *testing.T) {
	var out bytes.Buffer
	enc := NewEncoder(&out)
	if n := testing.AllocsPerRun(100, func() {
		out.Reset()
		o := enc.Object()
		o.Text("plain", "a b")
		o.Int("int", 3)
		o.Milliseconds("ms", time.Second+1)
		_ = o.End()
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

func BenchmarkObject(b *testing.B) {
	var out bytes.Buffer
	enc := NewEncoder(&out)
	b.ReportAllocs()
	for b.Loop() {
		out.Reset()
		o := enc.Object()
		fill(o)
		_ = o.End()
	}
	b.SetBytes(int64(out.Len()))
}
