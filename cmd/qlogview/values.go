package main

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxText is the length of a text of the file that gets into the page, in bytes.
const maxText = 200

// A number is a JSON number, or a text of digits as in older drafts. What is neither is -1: the other fields of an event
// are worth showing.
type number int64

// UnmarshalJSON implements json.Unmarshaler.
func (n *number) UnmarshalJSON(b []byte) error {
	s := strings.Trim(string(b), `"`)
	*n = -1
	if v, err := strconv.ParseInt(s, 10, 64); err == nil && v >= 0 {
		*n = number(v)
	} else if f, err := strconv.ParseFloat(s, 64); err == nil && f >= 0 && f < 1<<62 {
		*n = number(f)
	}
	return nil
}

// is returns the number, or def if it is missing or not valid.
func (n *number) or(def int64) int64 {
	if n == nil || *n < 0 {
		return def
	}
	return int64(*n)
}

// A text is a JSON string, cut, or another JSON value as it is written.
type text string

// UnmarshalJSON implements json.Unmarshaler.
func (t *text) UnmarshalJSON(b []byte) error {
	s := string(b)
	if b[0] == '"' {
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
	}
	*t = text(cut(s, maxText))
	return nil
}

// cut returns at most n bytes of s, and whole characters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
