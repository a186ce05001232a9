package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// hostileTexts try to leave the place of the page where they stand.
var hostileTexts = []string{
	`</script><script>window.broken=1</script>`, `<!--<script>`, `<img src=x onerror=window.broken=1>`, `"};window.broken=1;//`, `{{script}}`,
	"\u2028\u2029\u0000\ufffe", `__proto__`, `javascript:window.broken=1`, strings.Repeat("ü", 5000),
}

// hostileFile has the texts in each place that gets into the page.
func hostileFile() string {
	var records []string
	add := func(format string, args ...any) { records = append(records, fmt.Sprintf(format, args...)) }
	for i, text := range hostileTexts {
		b, _ := json.Marshal(text)
		if i == 0 {
			add(`{"title":%s,"code_version":%s,"trace":{"vantage_point":{"type":%s},"common_fields":{"group_id":%s}}}`, b, b, b, b)
		}
		event := func(name, data string) {
			add(`{"time":%d,"name":"x:%s","data":%s}`, i, name, strings.ReplaceAll(data, "$", string(b)))
		}
		event("packet_sent", `{"header":{"packet_type":$,"packet_number":$},"raw":{"length":$},"frames":[{"frame_type":$,"stream_id":1,"error_code":$,"reason":$,"acked_ranges":[[$],$]}]}`)
		event("packet_lost", `{"header":{"packet_type":$},"trigger":$}`)
		event("packet_dropped", `{"header":{"packet_type":$},"trigger":$,"details":{"reason":$}}`)
		event("stream_state_updated", `{"stream_id":4,"stream_side":"sending","new":$,"trigger":$}`)
		event("congestion_state_updated", `{"new":$,"trigger":$}`)
		event("connection_state_updated", `{"new":$}`)
		event("connection_closed", `{"initiator":$,"connection_error":$,"application_error":$,"error_code":$,"reason":$,"trigger":$}`)
		event("alpn_information", `{"chosen_alpn":{"string_value":$}}`)
		event("tuple_assigned", `{"tuple_id":$}`)
		event("key_updated", `{"key_type":$,"trigger":$}`)
		event("datagram_dropped", `{"direction":$,"trigger":$}`)
		event("stream_type_set", fmt.Sprintf(`{"stream_id":%d,"stream_type":$}`, 4*i+2))
		event("frame_parsed", fmt.Sprintf(`{"stream_id":%d,"frame":{"headers":[{"name":":method","value":$},{"name":":path","value":$}]}}`, 4*i))
	}
	return sequence(records...)
}

func page(t *testing.T, traces ...*trace) string {
	t.Helper()
	var b bytes.Buffer
	if err := writePage(&b, traces); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

var dataScript = regexp.MustCompile(`(?s)<script type="application/json" id="data">(.*?)</script>`)

func TestHostileTextsStayTexts(t *testing.T) {
	traces, err := readTraces(strings.NewReader(hostileFile()), `<b>"name"`)
	if err != nil {
		t.Fatal(err)
	}
	p := page(t, traces...)
	data := dataScript.FindStringSubmatch(p)
	if data == nil || strings.ContainsAny(data[1], "<>&\u2028\u2029") {
		t.Fatal("the data has characters that a page takes for something else")
	}
	empty := page(t, &trace{})
	if without := strings.Replace(p, data[1], dataScript.FindStringSubmatch(empty)[1], 1); without != empty {
		t.Error("texts of the file are outside of the data")
	}
	var back []trace
	if err := json.Unmarshal([]byte(data[1]), &back); err != nil {
		t.Fatal(err)
	}
	if len(back[0].Sent) != len(hostileTexts) || back[0].Side != cut(hostileTexts[0], 40) || back[0].File != `<b>"name"` {
		t.Errorf("%d packets, side %q, file %q", len(back[0].Sent), back[0].Side, back[0].File)
	}
	if len(p) > 400_000 {
		t.Errorf("the page has %d bytes: texts are not cut", len(p))
	}
}

func TestPageIsSelfContained(t *testing.T) {
	p := page(t, &trace{})
	if n := strings.Count(strings.ToLower(p), "</script"); n != 2 {
		t.Errorf("%d ends of scripts, want 2", n)
	}
	for _, outside := range []string{`src=`, `<link`, `@import`, `url(`, `fetch(`, `XMLHttpRequest`, `{{`} {
		if strings.Contains(p, outside) {
			t.Errorf("the page has %q", outside)
		}
	}
	for _, inside := range []string{hash(join(styles)), hash(join(scripts)), "Permission is hereby granted", "default-src 'none'"} {
		if !strings.Contains(p, inside) {
			t.Errorf("the page lacks %q", inside)
		}
	}
}

func TestLimits(t *testing.T) {
	var b strings.Builder
	b.WriteString(sequence(description))
	add := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "\x1e{\"time\":%d,\"name\":\"x:%s\",\"data\":{%s}}\n", b.Len(), name, fmt.Sprintf(format, args...))
	}
	const n, rare = 3 * (maxFaults + 200), maxFaults + 200
	for i := range n {
		add("packet_sent", `"header":{"packet_type":"1RTT","packet_number":%d},"raw":{"length":%d},"frames":[{"frame_type":"datagram"},{"frame_type":"stream","stream_id":%d}]`, i, i, 4*i)
		add("packet_received", `"header":{"packet_type":"1RTT","packet_number":%d},"frames":[{"frame_type":"datagram"},{"frame_type":"stream","stream_id":0,"offset":%d,"length":1}]`, i, 2*i)
		if i%3 != 0 {
			continue
		}
		add("packet_lost", `"header":{"packet_type":"1RTT","packet_number":%d}`, i+1000)
		add("packet_dropped", `"header":{"packet_type":"1RTT"}`)
		add("metrics_updated", `"latest_rtt":%d,"pto_count":1`, i)
		add("congestion_state_updated", `"new":"%d"`, i)
		add("connection_state_updated", `"new":"%d"`, i)
		add("stream_state_updated", `"stream_id":0,"stream_side":"sending","new":"%d"`, i)
		add("datagram_created", `"quarter_stream_id":0`)
		add("datagram_dropped", `"trigger":"x"`)
	}
	tr := read(t, b.String())
	for _, l := range []struct {
		what       string
		got, limit int
	}{
		{"packets sent", len(tr.Sent), maxPackets}, {"packets received", len(tr.Received), maxPackets}, {"packets lost", len(tr.Lost), maxFaults},
		{"packets dropped", len(tr.Dropped), maxFaults}, {"points of a line", len(tr.Lines["latest_rtt"].T), 2 * maxLine},
		{"congestion states", len(tr.Congestion), maxSpans}, {"connection states", len(tr.Connection), maxSpans}, {"streams", len(tr.Streams), maxStreams},
		{"states of a half", len(tr.Streams[0].Send.States), maxStates}, {"datagrams of a half", len(tr.Streams[0].Send.Datagrams), maxTicks},
		{"DATAGRAM frames", len(tr.Frames.Sent), maxAllTicks}, {"dropped datagrams", len(tr.Frames.Dropped), maxMarks}, {"marks", len(tr.Marks), maxMarks},
	} {
		if l.got > l.limit || l.got < l.limit/4 {
			t.Errorf("%d %s, limit %d", l.got, l.what, l.limit)
		}
	}
	if tr.Totals != (totals{Sent: n, Received: n, Lost: rare, Dropped: rare, BytesSent: n * (n - 1) / 2}) {
		t.Errorf("totals %+v", tr.Totals)
	}
	if last := slices.MaxFunc(tr.Sent, func(a, b packet) int { return int(a.Size - b.Size) }); last.Size != n-1 {
		t.Errorf("the largest packet drawn has %d bytes, want %d", last.Size, n-1)
	}
	for _, want := range []string{"Of 12600 packets sent,", "Of 4200 packets lost,", "The lines are drawn", "events of the connection are not shown", "Only the first 400 streams"} {
		if !slices.ContainsFunc(tr.Remarks, func(r string) bool { return strings.Contains(r, want) }) {
			t.Errorf("no remark %q in %q", want, tr.Remarks)
		}
	}
}

func TestAckTrackerForgetsTheOldest(t *testing.T) {
	a := ackTracker{sent: map[string][]sentPacket{}}
	for pn := range int64(2 * maxTrackedPN) {
		a.add("x", pn, []sentFrame{{stream: pn}})
	}
	a.add("x", 5, []sentFrame{{}}) // out of order
	if n := len(a.sent["x"]); n > maxTrackedPN || !a.full {
		t.Errorf("%d packets, full %v", n, a.full)
	}
	if got := a.take("x", ackRange{2*maxTrackedPN - 2, 1 << 62}); len(got) != 2 || got[0].pn != 2*maxTrackedPN-2 {
		t.Errorf("took %+v", got)
	}
	if got := a.take("x", ackRange{2*maxTrackedPN - 3, 1 << 62}); len(got) != 1 {
		t.Errorf("took %d packets, want 1", len(got))
	}
}

func TestRun(t *testing.T) {
	dir := t.TempDir()
	file, other := filepath.Join(dir, "a.sqlog"), filepath.Join(dir, "b.sqlog")
	os.WriteFile(file, []byte(sequence(description, fmt.Sprintf(sentEvent, 1.0))), 0o644)
	os.WriteFile(other, []byte(sequence(fmt.Sprintf(sentEvent, 1.0))), 0o644)
	bad := filepath.Join(dir, "bad")
	os.WriteFile(bad, []byte("nothing"), 0o644)
	for _, test := range []struct {
		name   string
		args   []string
		status int
		output string // in the standard output, or in the errors
		made   string
		traces int
	}{
		{"a file", []string{file}, 0, "a.sqlog.html", "a.sqlog.html", 1},
		{"two files and a name", []string{"-o", filepath.Join(dir, "out.html"), file, other}, 0, "out.html", "out.html", 2},
		{"help", []string{"-h"}, 0, "Usage: qlogview", "", 0},
		{"no file", nil, 2, "Usage: qlogview", "", 0},
		{"unknown flag", []string{"-x", file}, 2, "Usage: qlogview", "", 0},
		{"a file that does not exist", []string{file + "x"}, 1, "no such file", "", 0},
		{"a file that is none", []string{bad}, 1, "not a qlog file", "", 0},
		{"output into the input", []string{"-o", file, file}, 1, "input and output", "", 0},
		{"output that cannot be", []string{"-o", dir, file}, 1, "qlogview:", "", 0},
	} {
		var stdout, stderr bytes.Buffer
		if status := run(test.args, &stdout, &stderr); status != test.status {
			t.Errorf("%s: status %d, want %d; %s", test.name, status, test.status, &stderr)
		}
		if out := stdout.String() + stderr.String(); !strings.Contains(out, test.output) {
			t.Errorf("%s: output %q, want %q in it", test.name, out, test.output)
		}
		if test.made == "" {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, test.made))
		if err != nil || strings.Count(string(b), `"file":`) != test.traces {
			t.Errorf("%s: page of %d bytes, %v", test.name, len(b), err)
		}
	}
}
