package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// A log writes a sequence, an event each millisecond.
type log struct {
	records []string
	pn      int
}

func (l *log) event(name, data string) *log {
	l.records = append(l.records, fmt.Sprintf(`{"time":%d,"name":%q,"data":{%s}}`, len(l.records), name, data))
	return l
}

// sent sends a packet with the next number.
func (l *log) sent(frames string) *log {
	l.pn++
	return l.event("quic:packet_sent", fmt.Sprintf(`"header":{"packet_type":"1RTT","packet_number":%d},"frames":[%s]`, l.pn-1, frames))
}

func (l *log) received(frames string) *log {
	return l.event("quic:packet_received", `"header":{"packet_type":"1RTT","packet_number":0},"frames":[`+frames+`]`)
}

func (l *log) state(id int, side, state string) *log {
	return l.event("quic:stream_state_updated", fmt.Sprintf(`"stream_id":%d,"stream_side":%q,"new":%q`, id, side, state))
}

func (l *log) read(t *testing.T) *trace {
	t.Helper()
	return read(t, sequence(l.records...))
}

func names(h *half) string {
	if h == nil {
		return "none"
	}
	var list []string
	for _, s := range h.States {
		list = append(list, s.State)
	}
	return strings.Join(list, " ")
}

// checkStream checks the states of both halves, and by which states they were closed.
func checkStream(t *testing.T, name string, tr *trace, id int64, send, receive string) {
	t.Helper()
	i := slices.IndexFunc(tr.Streams, func(s *stream) bool { return s.ID == id })
	if i < 0 {
		t.Errorf("%s: no stream %d", name, id)
		return
	}
	for _, h := range []struct {
		half *half
		want string // the state that closes the half is in brackets
	}{{tr.Streams[i].Send, send}, {tr.Streams[i].Receive, receive}} {
		got := names(h.half)
		if h.half != nil && h.half.Closed != nil {
			got = strings.Replace(got, h.half.Closed.State, "["+h.half.Closed.State+"]", 1)
		}
		if got != h.want {
			t.Errorf("%s: stream %d has a half with %q, want %q", name, id, got, h.want)
		}
	}
}

func streamFrame(id, offset, length int, fin bool) string {
	return fmt.Sprintf(`{"frame_type":"stream","stream_id":%d,"offset":%d,"length":%d,"fin":%v}`, id, offset, length, fin)
}

const (
	ack     = `{"frame_type":"ack","acked_ranges":[%s]}`
	reset   = `{"frame_type":"reset_stream","stream_id":0,"error_code":7,"final_size":20}`
	resetAt = `{"frame_type":"reset_stream_at","stream_id":0,"error_code":7,"final_size":20,"reliable_size":5}`
	stop    = `{"frame_type":"stop_sending","stream_id":0,"error_code":7}`
)

func TestStatesFromFrames(t *testing.T) {
	acked := func(ranges string) string { return fmt.Sprintf(ack, ranges) }
	open := new(log).sent(streamFrame(0, 0, 10, false))
	tests := []struct {
		name          string
		log           *log
		send, receive string
	}{
		{"open", open, "ready send", "receive"},
		{"a FIN, and what is acknowledged in two steps", new(log).sent(streamFrame(0, 0, 10, false)).sent(streamFrame(0, 10, 10, true)).received(acked("[1]")).received(acked("[0,1]")),
			"ready send [data_sent] data_received", "receive"},
		{"a FIN that is not acknowledged", new(log).sent(streamFrame(0, 0, 10, false)).sent(streamFrame(0, 10, 0, true)).received(acked("[0]")), "ready send [data_sent]", "receive"},
		{"a FIN that is lost and sent again", new(log).sent(streamFrame(0, 0, 10, true)).event("recovery:packet_lost", `"header":{"packet_type":"1RTT","packet_number":0}`).
			sent(streamFrame(0, 0, 10, true)).received(acked("[1]")), "ready [data_sent] data_received", "receive"},
		{"an acknowledgement of another space", new(log).sent(streamFrame(0, 0, 10, true)).event("quic:packet_received", `"header":{"packet_type":"handshake"},"frames":[`+acked("[0]")+`]`),
			"ready [data_sent]", "receive"},
		{"an event for the acknowledgement", new(log).sent(streamFrame(0, 0, 0, true)).event("quic:packets_acked", `"packet_number_space":"application_data","packet_numbers":[0]`),
			"ready [data_sent] data_received", "receive"},
		{"a reset", new(log).sent(streamFrame(0, 0, 10, false)).sent(reset).received(acked("[0,1]")), "ready send [reset_sent] reset_received", "receive"},
		{"a reset with a reliable prefix", new(log).sent(streamFrame(0, 0, 10, false)).sent(resetAt).received(acked("[0,1]")), "ready send [data_sent] data_received", "receive"},
		{"a reset with a reliable prefix that is lost", new(log).sent(streamFrame(0, 0, 10, false)).sent(resetAt).received(acked("[0]")), "ready send [data_sent]", "receive"},
		{"blocked at once", new(log).sent(`{"frame_type":"stream_data_blocked","stream_id":0,"limit":0}`), "ready send", "receive"},
		{"receives in the wrong order", new(log).received(streamFrame(0, 10, 5, true)).received(streamFrame(0, 0, 10, false)), "ready", "receive size_known [data_received]"},
		{"receives a reset", new(log).received(streamFrame(0, 0, 10, false)).received(reset), "ready", "receive [reset_received]"},
		{"receives a reset after everything", new(log).received(streamFrame(0, 0, 10, true)).received(reset), "ready", "receive size_known [data_received]"},
		{"receives a reset with a reliable prefix", new(log).received(resetAt).received(streamFrame(0, 0, 5, false)), "ready", "receive size_known [data_received]"},
		{"stops and hears the final size", new(log).received(streamFrame(0, 0, 10, false)).sent(stop).received(reset), "ready", "receive [stopped] discarded"},
		{"the connection ends", new(log).sent(streamFrame(0, 0, 10, true)).event("quic:connection_closed", ""), "ready [data_sent] abandoned", "receive [abandoned]"},
		{"a stream of the peer is stopped", new(log).received(streamFrame(0, 0, 1, false)).received(stop).sent(reset), "ready [reset_sent]", "receive"},
	}
	for _, test := range tests {
		tr := test.log.read(t)
		if tr.States != statesFromFrames {
			t.Errorf("%s: states come from %s", test.name, tr.States)
		}
		checkStream(t, test.name, tr, 0, test.send, test.receive)
	}
	who := new(log).received(streamFrame(0, 0, 1, false)).received(stop).sent(reset).read(t)
	if got := who.Streams[0].Send.Closed.Trigger; got != "STOP_SENDING received" {
		t.Errorf("the half was closed because of %q", got)
	}
	one := new(log).sent(streamFrame(2, 0, 1, true)).received(streamFrame(3, 0, 1, false)).read(t)
	checkStream(t, "unidirectional", one, 2, "ready [data_sent]", "none")
	checkStream(t, "unidirectional", one, 3, "none", "receive")
}

func TestStatesFromEvents(t *testing.T) {
	l := new(log).sent(streamFrame(0, 0, 10, true)).
		state(0, "sending", "ready").state(0, "sending", "send").state(0, "sending", "fin_queued").state(0, "sending", "destroyed").
		state(0, "receiving", "receive").state(0, "receiving", "receive").
		state(4, "sending", "open").state(4, "receiving", "open").state(4, "", "half_closed_local").state(4, "", "half_closed_remote").
		state(8, "", "open").state(8, "", "closed").
		state(3, "receiving", "size_known").state(12, "sending", "invented")
	tr := l.read(t)
	if tr.States != statesFromEvents {
		t.Errorf("states come from %s", tr.States)
	}
	checkStream(t, "events", tr, 0, "ready send [fin_queued] destroyed", "receive")
	checkStream(t, "simple states", tr, 4, "open [closed]", "open [closed]")
	checkStream(t, "no side", tr, 8, "open [closed]", "open [closed]")
	checkStream(t, "unidirectional", tr, 3, "none", "size_known")
	checkStream(t, "unknown", tr, 12, "invented", "")
}

func TestDatagramsAndTitles(t *testing.T) {
	l := new(log).event("http3:datagram_created", `"quarter_stream_id":1,"raw":{"payload_length":30}`).
		event("http3:datagram_parsed", `"quarter_stream_id":1,"raw":{"length":31}`).
		event("http3:datagram_parsed", `"quarter_stream_id":4611686018427387904`).
		event("http3:frame_created", `"stream_id":4,"frame":{"frame_type":"headers","headers":[{"name":":method","value":"GET"},{"name":":path","value":"/a"}]}`).
		event("http3:frame_parsed", `"stream_id":4,"frame":{"frame_type":"data"}`).
		event("http3:stream_type_set", `"stream_id":2,"stream_type":"control"`).
		sent(`{"frame_type":"datagram","length":9}`).received(`{"frame_type":"datagram","raw":{"payload_length":8}}`).
		event("quic:datagram_dropped", `"direction":"receiving","raw":{"payload_length":7},"trigger":"queue full"`)
	tr := l.read(t)
	if len(tr.Streams) != 2 || tr.Streams[1].Title != "GET /a" || tr.Streams[0].Title != "control" || tr.Streams[0].Type != "unidirectional, opened by the client" {
		t.Fatalf("streams %+v", tr.Streams)
	}
	s := tr.Streams[1]
	if want := []tick{{T: 0, Size: 30}}; !slices.Equal(s.Send.Datagrams, want) {
		t.Errorf("sent %v, want %v", s.Send.Datagrams, want)
	}
	if want := []tick{{T: 1, Size: 31}}; !slices.Equal(s.Receive.Datagrams, want) {
		t.Errorf("received %v, want %v", s.Receive.Datagrams, want)
	}
	if d := tr.Frames; len(d.Sent) != 1 || d.Sent[0].Size != 9 || len(d.Received) != 1 || d.Received[0].Size != 8 || len(d.Dropped) != 1 {
		t.Errorf("DATAGRAM frames %+v", d)
	}
	if tr.States != statesFromNone {
		t.Errorf("states come from %s", tr.States)
	}
}

// What frames tell has to agree with what the stack itself has logged.
func TestReconstructionAgreesWithTheLog(t *testing.T) {
	client, server := scene(t)
	for side, file := range map[string][]byte{"client": client, "server": server} {
		var rest []string
		for _, line := range strings.SplitAfter(string(file), "\n") {
			if !strings.Contains(line, "stream_state_updated") {
				rest = append(rest, line)
			}
		}
		logged, found := read(t, string(file)), read(t, strings.Join(rest, ""))
		if logged.States != statesFromEvents || found.States != statesFromFrames || len(logged.Streams) != len(found.Streams) {
			t.Fatalf("%s: states from %s and %s, %d and %d streams", side, logged.States, found.States, len(logged.Streams), len(found.Streams))
		}
		compared := 0
		for i, s := range logged.Streams {
			compared += compare(t, fmt.Sprintf("%s, stream %d, send half", side, s.ID), s.Send, found.Streams[i].Send)
			compared += compare(t, fmt.Sprintf("%s, stream %d, receive half", side, s.ID), s.Receive, found.Streams[i].Receive)
		}
		if compared < 25 {
			t.Errorf("%s: only %d states were compared", side, compared)
		}
	}
}

// compare checks that the states that frames show are those of the log, at the same time. What is known by frames at once
// and by the stack a little later, or the other way round, may differ by a round trip.
func compare(t *testing.T, name string, logged, found *half) (compared int) {
	t.Helper()
	if logged == nil || found == nil {
		if (logged == nil) != (found == nil) {
			t.Errorf("%s: logged %v, found %v", name, logged, found)
		}
		return 0
	}
	for _, s := range found.States {
		i := slices.IndexFunc(logged.States, func(l span) bool { return l.State == s.State })
		if i < 0 && s.State == "send" {
			continue // the FIN was waiting before the first packet, which frames do not show
		}
		if i < 0 {
			t.Errorf("%s: %s is not in the log: %s", name, s.State, names(logged))
			continue
		}
		if d := logged.States[i].T - s.T; d > 40 || d < -40 {
			t.Errorf("%s: %s at %v, logged at %v", name, s.State, s.T, logged.States[i].T)
		}
		compared++
	}
	return compared
}

func TestIntervals(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		var v intervals
		var have [64]bool
		for range 12 {
			first := random.Int64N(64)
			end := first + random.Int64N(64-first+1)
			v.add(first, end)
			for i := first; i < end; i++ {
				have[i] = true
			}
		}
		missing := int64(slices.Index(append(have[:], false), false))
		if !v.covers(missing) || v.covers(missing+1) {
			t.Fatalf("%v: the first that is missing is %d", v, missing)
		}
		for i := 1; i < len(v); i++ {
			if v[i][0] <= v[i-1][1] {
				t.Fatalf("%v are not apart", v)
			}
		}
	}
}
