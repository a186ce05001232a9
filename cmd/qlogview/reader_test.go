package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

const (
	description = `{"title":"a file","code_version":"v1","trace":{"vantage_point":{"type":"client"},"common_fields":{"group_id":"abcd",` +
		`"reference_time":{"clock_type":"monotonic","epoch":"unknown","wall_clock_time":"2024-01-02T03:04:05.5Z"}}}}`
	sentEvent     = `{"time":%g,"name":"quic:packet_sent","data":{"header":{"packet_type":"1RTT","packet_number":7},"raw":{"length":1200},"frames":[{"frame_type":"ping"}]}}`
	receivedEvent = `{"time":%g,"name":"transport:packet_received","data":{"header":{"packet_type":"initial","packet_number":0},"raw":{"length":90}}}`
)

// sequence joins records as JSON-SEQ.
func sequence(records ...string) string { return "\x1e" + strings.Join(records, "\n\x1e") + "\n" }

func read(t *testing.T, file string) *trace {
	t.Helper()
	traces, err := readTraces(strings.NewReader(file), "x.sqlog")
	if err != nil {
		t.Fatal(err)
	}
	if len(traces) != 1 {
		t.Fatalf("%d traces, want 1", len(traces))
	}
	return traces[0]
}

func TestFormats(t *testing.T) {
	sent, received := fmt.Sprintf(sentEvent, 10.5), fmt.Sprintf(receivedEvent, 12.0)
	whole := `{"qlog_version":"0.3","title":"a file","code_version":"v1","traces":[{"vantage_point":{"type":"client"},"common_fields":` +
		`{"ODCID":"abcd","reference_time":{"epoch":"2024-01-02T03:04:05.5Z"}},"events":[%s,%s]}]}`
	for name, file := range map[string]string{
		"JSON-SEQ":                   sequence(description, sent, received),
		"JSON-SEQ, the last cut off": sequence(description, sent, received) + "\x1e{\"time\":13,\"na",
		"a record for each line":     strings.Join([]string{description, sent, received}, "\n"),
		"one object":                 fmt.Sprintf(whole, sent, received),
		"one object with mark":       "\ufeff \n" + fmt.Sprintf(whole, sent, received),
	} {
		traces, err := readTraces(strings.NewReader(file), "x.sqlog")
		if err != nil || len(traces) != 1 {
			t.Errorf("%s: %d traces, %v", name, len(traces), err)
			continue
		}
		got := traces[0]
		if got.Title != "a file" || got.Side != "client" || got.Group != "abcd" || got.CodeVersion != "v1" || got.File != "x.sqlog" {
			t.Errorf("%s: described as %q %q %q %q %q", name, got.Title, got.Side, got.Group, got.CodeVersion, got.File)
		}
		if got.Start != "2024-01-02 03:04:05.510 UTC" || got.Events != 2 || got.End != 1.5 {
			t.Errorf("%s: start %s, %d events, end %v", name, got.Start, got.Events, got.End)
		}
		if want := (packet{T: 0, Size: 1200, Name: "1RTT 7", Info: "PING"}); len(got.Sent) != 1 || got.Sent[0] != want {
			t.Errorf("%s: sent %+v, want %+v", name, got.Sent, want)
		}
		if want := (packet{T: 1.5, Size: 90, Name: "initial 0"}); len(got.Received) != 1 || got.Received[0] != want {
			t.Errorf("%s: received %+v, want %+v", name, got.Received, want)
		}
		if cut := strings.Contains(name, "cut off"); cut != (len(got.Remarks) == 1) {
			t.Errorf("%s: remarks %q", name, got.Remarks)
		}
	}
}

func TestFilesThatAreNone(t *testing.T) {
	for name, file := range map[string]string{
		"empty":               "",
		"white space":         " \n\t\n",
		"no JSON":             "hello\nworld\n",
		"other JSON":          `{"a":1}`,
		"a JSON array":        `[1,2,3]`,
		"no event":            sequence(description),
		"no valid event":      sequence(description, `{"time":"soon","name":"x"}`, `{`, `null`, `7`, `{"time":1e300,"name":"x","data":{}}`),
		"traces without any":  `{"traces":[{"error_description":"gone"}]}`,
		"nested beyond sense": sequence(strings.Repeat("[", 20000)),
	} {
		if traces, err := readTraces(strings.NewReader(file), "x"); err == nil {
			t.Errorf("%s: %d traces and no error", name, len(traces))
		}
	}
}

func TestErrorOfTheReader(t *testing.T) {
	broken := errors.New("broken")
	for name, start := range map[string]string{"at once": "", "later": sequence(fmt.Sprintf(sentEvent, 1.0))} {
		r := &failing{strings.NewReader(start + strings.Repeat(" ", 100_000)), broken}
		if name == "at once" {
			r.Reader = strings.NewReader("")
		}
		if _, err := readTraces(r, "x"); !errors.Is(err, broken) {
			t.Errorf("%s: %v, want the error of the reader", name, err)
		}
	}
}

type failing struct {
	*strings.Reader
	err error
}

func (f *failing) Read(b []byte) (int, error) {
	n, err := f.Reader.Read(b)
	if err != nil {
		err = f.err
	}
	return n, err
}

func TestTimes(t *testing.T) {
	relative := `{"trace":{"common_fields":{"time_format":"relative_to_previous_event"}}}`
	got := read(t, sequence(relative, fmt.Sprintf(sentEvent, 1e12), fmt.Sprintf(sentEvent, 2.0), fmt.Sprintf(sentEvent, 3.0)))
	if got.End != 5 || got.Sent[1].T != 2 || got.Sent[2].T != 5 {
		t.Errorf("relative times: end %v, sent %+v", got.End, got.Sent)
	}
	one := strings.Replace(fmt.Sprintf(sentEvent, 2.0), `"name"`, `"time_format":"relative_to_previous_event","name"`, 1)
	if got := read(t, sequence(fmt.Sprintf(sentEvent, 10.0), one, fmt.Sprintf(sentEvent, 11.0))); got.Sent[2].T != 2 || got.End != 2 {
		t.Errorf("a relative time among others: %+v", got.Sent)
	}
	if got := read(t, sequence(fmt.Sprintf(sentEvent, 10.0), fmt.Sprintf(sentEvent, 4.0))); got.Sent[0].T != -6 || got.End != 0 {
		t.Errorf("times out of order: %+v", got.Sent)
	}
}

func TestAlign(t *testing.T) {
	other := strings.Replace(description, "05.5Z", "05.75Z", 1)
	traces := []*trace{read(t, sequence(other, fmt.Sprintf(sentEvent, 1.0))), read(t, sequence(description, fmt.Sprintf(sentEvent, 0.0))),
		read(t, sequence(strings.Replace(other, "abcd", "ef", 1), fmt.Sprintf(sentEvent, 0.0))), read(t, sequence(fmt.Sprintf(sentEvent, 0.0)))}
	align(traces)
	for i, want := range []ms{251, 0, 0, 0} {
		if traces[i].Offset != want {
			t.Errorf("offset of trace %d = %v, want %v", i, traces[i].Offset, want)
		}
	}
}

func TestRecordsThatAreTooLong(t *testing.T) {
	long := `{"time":1,"name":"quic:packet_sent","data":{"x":"` + strings.Repeat("a", maxRecord) + `"}}`
	got := read(t, sequence(fmt.Sprintf(sentEvent, 0.0), long, fmt.Sprintf(sentEvent, 2.0)))
	if got.Events != 2 || len(got.Remarks) != 1 || !strings.Contains(got.Remarks[0], "1 records are longer than 4 MiB") {
		t.Errorf("%d events, remarks %q", got.Events, got.Remarks)
	}
}

func TestObjectsThatAreTooLarge(t *testing.T) {
	file := `{"traces":[{"events":[{"time":0,"name":"a","data":{}}]}]}`
	if _, err := readObject(strings.NewReader(file), "x", int64(len(file))); err != nil {
		t.Error(err)
	}
	if _, err := readObject(strings.NewReader(file+" "), "x", int64(len(file))); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("error = %v", err)
	}
}

func FuzzPage(f *testing.F) {
	f.Add([]byte(sequence(description, fmt.Sprintf(sentEvent, 1.0), fmt.Sprintf(receivedEvent, 2.0))))
	f.Add([]byte(sequence(
		`{"time":0,"name":"x:packet_sent","data":{"header":{"packet_type":"1RTT","packet_number":"3"},"frames":[{"frame_type":"stream","stream_id":4,"offset":0,"raw":{"payload_length":3},"fin":true},{"frame_type":"reset_stream","stream_id":8}]}}`,
		`{"time":1,"name":"x:packet_received","data":{"header":{"packet_type":"1RTT","packet_number":1},"frames":[{"frame_type":"ack","acked_ranges":[[0,9],[12]]},{"frame_type":"stream","stream_id":4,"fin":true}]}}`,
		`{"time":2,"name":"x:stream_state_updated","data":{"stream_id":4,"new":"half_closed_local"}}`,
		`{"time":3,"name":"http3:datagram_created","data":{"quarter_stream_id":1}}`,
		`{"time":4,"name":"http3:frame_parsed","data":{"stream_id":4,"frame":{"headers":[{"name":":method","value":"</script>"}]}}}`,
		`{"time":5,"name":"connection_closed","data":{"reason":"<b>"}}`)))
	f.Add([]byte(`{"traces":[{"events":[{"time":0,"name":"a","data":{}}]}]}`))
	f.Fuzz(func(t *testing.T, file []byte) {
		traces, err := readTraces(bytes.NewReader(file), "<name>")
		if err != nil {
			return
		}
		align(traces)
		data, err := marshal(traces)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.ContainsAny(data, "<>&") {
			t.Errorf("characters that HTML knows in %s", data)
		}
	})
}
