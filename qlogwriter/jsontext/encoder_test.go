package jsontext

import (
	"bytes"
	"encoding/json"
	"math"
	"testing"
)

func encode(t *testing.T, tokens ...Token) string {
	t.Helper()
	var out bytes.Buffer
	enc := NewEncoder(&out)
	for i, tok := range tokens {
		if err := enc.WriteToken(tok); err != nil {
			t.Fatalf("token %d: %v", i, err)
		}
	}
	return out.String()
}

func TestEncoderWritesCommasAndColons(t *testing.T) {
	got := encode(t,
		BeginObject,
		String("a"), Int(-3),
		String("b"), BeginArray, Uint(math.MaxUint64), Float(1.5), Bool(true), Bool(false), Null, EndArray,
		String("quote\"\\\n\r\t\x00é\u2028<\xff"), String(""),
		EndObject)
	want := `{"a":-3,"b":[18446744073709551615,1.5,true,false,null],"quote\"\\\n\r\t\u0000é` + "\u2028" + `<�":""}` + "\n"
	if got != want {
		t.Errorf("encoded %s, want %s", got, want)
	}
	if !json.Valid([]byte(got)) {
		t.Errorf("%s is not valid JSON", got)
	}
}

func TestEncoderWritesNullForNumbersJSONLacks(t *testing.T) {
	if got, want := encode(t, BeginArray, Float(math.NaN()), Float(math.Inf(1)), EndArray), "[null,null]\n"; got != want {
		t.Errorf("encoded %s, want %s", got, want)
	}
}

func TestEncoderRejectsTokensOutOfPlace(t *testing.T) {
	tests := []struct {
		name   string
		before []Token
		bad    Token
		want   error
	}{
		{"an end without a beginning", nil, EndObject, errMismatch},
		{"an array that ends as an object", []Token{BeginArray}, EndObject, errMismatch},
		{"a number as a name", []Token{BeginObject}, Int(1), errName},
		{"a name without a value", []Token{BeginObject, String("a")}, EndObject, errNoValue},
	}
	for _, test := range tests {
		var out bytes.Buffer
		enc := NewEncoder(&out)
		for _, tok := range test.before {
			if err := enc.WriteToken(tok); err != nil {
				t.Fatalf("%s: %v", test.name, err)
			}
		}
		n := out.Len()
		if err := enc.WriteToken(test.bad); err != test.want {
			t.Errorf("%s: error %v, want %v", test.name, err, test.want)
		}
		if out.Len() != n {
			t.Errorf("%s: wrote %q", test.name, out.String()[n:])
		}
	}
}
