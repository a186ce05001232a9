package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

const (
	recordSeparator = 0x1e // RFC 7464, Section 2.2
	// maxRecord is the size of the longest record of a sequence that is looked at; longer ones are skipped.
	maxRecord = 4 << 20
	// maxObject is the size of the largest file that is one JSON object, which has to be kept whole.
	maxObject = 256 << 20
)

// A header describes a trace (draft-ietf-quic-qlog-main-schema, Sections 4.2 and 5.1).
type header struct {
	Title        string `json:"title"`
	Description  string `json:"description"`
	VantagePoint struct {
		Name string `json:"name"`
		Type string `json:"type"`
	} `json:"vantage_point"`
	CommonFields struct {
		GroupID       text   `json:"group_id"`
		ODCID         text   `json:"ODCID"` // of older drafts
		TimeFormat    string `json:"time_format"`
		ReferenceTime struct {
			Epoch         string `json:"epoch"`
			WallClockTime string `json:"wall_clock_time"`
		} `json:"reference_time"`
	} `json:"common_fields"`
	ErrorDescription string            `json:"error_description"`
	Events           []json.RawMessage `json:"events"`
}

// A record is what a record of a sequence may be: the description of the file, or an event.
type record struct {
	// description
	Title       string          `json:"title"`
	CodeVersion string          `json:"code_version"`
	Trace       json.RawMessage `json:"trace"`
	Traces      []header        `json:"traces"`
	// event
	Time       *float64        `json:"time"`
	Name       string          `json:"name"`
	TimeFormat string          `json:"time_format"`
	Data       json.RawMessage `json:"data"`
}

var errNoTrace = errors.New("not a qlog file: no event in it can be read")

// readTraces reads a file. name is the one that the page shows.
func readTraces(r io.Reader, name string) ([]*trace, error) {
	in := bufio.NewReaderSize(r, 1<<16)
	separator, whole, err := format(in)
	if err != nil {
		return nil, err
	}
	if whole {
		return readObject(in, name, maxObject)
	}
	b := newBuilder(name)
	for {
		rec, size, err := nextRecord(in, separator)
		switch rec = bytes.TrimSpace(rec); {
		case size > maxRecord:
			b.tooLong++
		case len(rec) > 0:
			b.record(rec)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	if b.events == 0 {
		return nil, errNoTrace
	}
	return []*trace{b.finish()}, nil
}

// format looks at the start of a file. It says what ends a record, or that the file is one JSON object.
func format(in *bufio.Reader) (separator byte, whole bool, err error) {
	start, err := in.Peek(1 << 16)
	if err != nil && err != io.EOF {
		return 0, false, err
	}
	start = bytes.TrimLeft(bytes.TrimPrefix(start, []byte("\ufeff")), " \t\r\n")
	if len(start) == 0 {
		return 0, false, errors.New("the file is empty")
	}
	if start[0] == recordSeparator {
		return recordSeparator, false, nil
	}
	line, _, complete := bytes.Cut(start, []byte("\n"))
	var rec record
	if complete && json.Unmarshal(line, &rec) == nil && rec.Traces == nil {
		return '\n', false, nil
	}
	return 0, true, nil
}

// nextRecord reads to the separator. Of a record that is too long only the size is right.
func nextRecord(in *bufio.Reader, separator byte) (rec []byte, size int, err error) {
	for {
		part, err := in.ReadSlice(separator)
		size += len(part)
		if size <= maxRecord {
			rec = append(rec, part...)
		}
		if err != bufio.ErrBufferFull {
			return bytes.TrimSuffix(rec, []byte{separator}), size, err
		}
	}
}

// readObject reads a file that is one JSON object of at most limit bytes.
func readObject(in io.Reader, name string, limit int64) ([]*trace, error) {
	all, err := io.ReadAll(io.LimitReader(in, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(all)) > limit {
		return nil, fmt.Errorf("larger than %d bytes, which is too much for one JSON object; JSON-SEQ files have no limit", limit)
	}
	var file record
	if err := json.Unmarshal(bytes.TrimPrefix(all, []byte("\ufeff")), &file); err != nil {
		return nil, fmt.Errorf("not a qlog file: %w", err)
	}
	var traces []*trace
	for i := range file.Traces {
		h := &file.Traces[i]
		b := newBuilder(name)
		b.describe(&file)
		b.header(h)
		for _, e := range h.Events {
			b.record(e)
		}
		if b.events > 0 {
			traces = append(traces, b.finish())
		}
	}
	if len(traces) == 0 {
		return nil, errNoTrace
	}
	return traces, nil
}
