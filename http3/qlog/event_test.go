package qlog

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/qlogwriter"
	"github.com/quic-go/quic-go/qlogwriter/jsontext"
	"github.com/quic-go/quic-go/testutils/events"
)

func TestEvents(t *testing.T) {
	raw := RawInfo{Length: 10, PayloadLength: 8}
	frame := func(f any) FrameCreated { return FrameCreated{StreamID: 4, Raw: raw, Frame: Frame{f}} }
	const prefix = `http3:frame_created {"stream_id":4,"frame":{"raw":{"length":10,"payload_length":8},`
	tests := []struct {
		event qlogwriter.Event
		want  string
	}{
		{frame(DataFrame{}), prefix + `"frame_type":"data"}}`},
		{frame(HeadersFrame{HeaderFields: []HeaderField{{Name: ":path", Value: "/"}, {Name: "n", Value: "v", InvalidName: true}, {Name: "n", Value: "v", InvalidValue: true}}}),
			prefix + `"frame_type":"headers","headers":[{"name":":path","value":"/"},{"name_bytes":"6e","value":"v"},{"name":"n","value_bytes":"76"}]}}`},
		{frame(HeadersFrame{}), prefix + `"frame_type":"headers","headers":[]}}`},
		{frame(GoAwayFrame{StreamID: 8}), prefix + `"frame_type":"goaway","id":8}}`},
		{frame(SettingsFrame{MaxFieldSectionSize: 5, Datagram: 1, ExtendedConnect: 0, Other: map[uint64]uint64{7: 1, 3: 2}}), prefix +
			`"frame_type":"settings","settings":[{"name":"settings_max_field_section_size","value":5},{"name":"settings_h3_datagram","value":1},` +
			`{"name":"settings_enable_connect_protocol","value":0},{"name":"unknown","name_bytes":3,"value":2},{"name":"unknown","name_bytes":7,"value":1}]}}`},
		{frame(SettingsFrame{MaxFieldSectionSize: -1, Datagram: -1, ExtendedConnect: -1}), prefix + `"frame_type":"settings","settings":[]}}`},
		{frame(PriorityUpdateFrame{StreamID: 4, PriorityFieldValue: "u=1"}), prefix + `"frame_type":"priority_update","stream_id":4,"priority_field_value":"u=1"}}`},
		{frame(PushPromiseFrame{}), prefix + `"frame_type":"push_promise"}}`},
		{frame(CancelPushFrame{}), prefix + `"frame_type":"cancel_push"}}`},
		{frame(MaxPushIDFrame{}), prefix + `"frame_type":"max_push_id"}}`},
		{frame(ReservedFrame{Type: 33}), prefix + `"frame_type":"reserved","frame_type_bytes":33}}`},
		{frame(UnknownFrame{Type: 99}), prefix + `"frame_type":"unknown","frame_type_bytes":99}}`},
		{frame(nil), `http3:frame_created {"stream_id":4,"frame":{"raw":{"length":10,"payload_length":8}}}`},
		{FrameParsed{StreamID: 4, Raw: RawInfo{OmitLength, OmitLength}, Frame: Frame{DataFrame{}}}, `http3:frame_parsed {"stream_id":4,"frame":{"frame_type":"data"}}`},
		{DatagramCreated{QuarterStreamID: 1, Raw: raw}, `http3:datagram_created {"quarter_stream_id":1,"raw":{"length":10,"payload_length":8}}`},
		{DatagramParsed{Raw: RawInfo{Length: 3, PayloadLength: OmitLength}}, `http3:datagram_parsed {"quarter_stream_id":0,"raw":{"length":3}}`},
		{DatagramParsed{Raw: RawInfo{OmitLength, OmitLength}}, `http3:datagram_parsed {"quarter_stream_id":0,"raw":{}}`},
		{StreamTypeSet{Initiator: InitiatorLocal, StreamID: 3, StreamType: StreamTypeControl, StreamTypeBytes: 9}, `http3:stream_type_set {"initiator":"local","stream_id":3,"stream_type":"control"}`},
		{StreamTypeSet{Initiator: InitiatorRemote, StreamID: 3, StreamType: StreamTypeUnknown, StreamTypeBytes: 84},
			`http3:stream_type_set {"initiator":"remote","stream_id":3,"stream_type":"unknown","stream_type_bytes":84}`},
	}
	for _, test := range tests {
		var b bytes.Buffer
		if err := test.event.Encode(jsontext.NewEncoder(&b), time.Time{}); err != nil {
			t.Errorf("%+v: %v", test.event, err)
		}
		if got := test.event.Name() + " " + b.String(); got != test.want+"\n" {
			t.Errorf("%+v: encoded\n%s, want\n%s", test.event, got, test.want)
		}
	}
}

type failingWriter struct{ left int }

var errFull = errors.New("full")

func (w *failingWriter) Write(b []byte) (int, error) {
	if w.left -= len(b); w.left < 0 {
		return 0, errFull
	}
	return len(b), nil
}

func TestErrorsOfTheWriterAreReturned(t *testing.T) {
	e := FrameCreated{Frame: Frame{HeadersFrame{HeaderFields: []HeaderField{{Name: "a", Value: "b"}}}}}
	var whole bytes.Buffer
	if err := e.Encode(jsontext.NewEncoder(&whole), time.Time{}); err != nil {
		t.Fatal(err)
	}
	for n := range whole.Len() {
		if err := e.Encode(jsontext.NewEncoder(&failingWriter{n}), time.Time{}); err != errFull {
			t.Errorf("with room for %d of %d bytes: %v, want the error of the writer", n, whole.Len(), err)
		}
	}
}

func TestRedactHeaders(t *testing.T) {
	rec := &events.Recorder{}
	tracer := func(context.Context, bool, quic.ConnectionID) qlogwriter.Trace { return &events.Trace{Recorder: rec} }
	redacting := RedactHeaders(tracer, func(name, value string) string {
		if name == "Set-Cookie" {
			return "hidden"
		}
		return value
	})
	r := redacting(context.Background(), true, quic.ConnectionID{}).AddProducer()
	fields := []HeaderField{{Name: "set-cookie", Value: "secret", InvalidValue: true}, {Name: "a", Value: "\xff", InvalidValue: true}}
	want := []HeaderField{{Name: "set-cookie", Value: "hidden"}, {Name: "a", Value: "\xff", InvalidValue: true}}
	r.RecordEvent(FrameCreated{StreamID: 4, Frame: Frame{HeadersFrame{fields}}})
	r.RecordEvent(FrameParsed{StreamID: 4, Frame: Frame{HeadersFrame{fields}}})
	r.RecordEvent(FrameParsed{StreamID: 4, Frame: Frame{DataFrame{}}})
	r.RecordEvent(DatagramParsed{QuarterStreamID: 1})
	got := rec.Events()
	created, parsed := got[0].(FrameCreated), got[1].(FrameParsed)
	if h := created.Frame.Frame.(HeadersFrame).HeaderFields; !slices.Equal(h, want) || created.StreamID != 4 {
		t.Errorf("created %+v, want %+v", created, want)
	}
	if h := parsed.Frame.Frame.(HeadersFrame).HeaderFields; !slices.Equal(h, want) || parsed.StreamID != 4 {
		t.Errorf("parsed %+v, want %+v", parsed, want)
	}
	if fields[0].Value != "secret" {
		t.Error("the fields of the caller have changed")
	}
	if got[2].(FrameParsed).Frame.Frame != (DataFrame{}) || got[3] != (DatagramParsed{QuarterStreamID: 1}) {
		t.Errorf("other events have changed: %+v", got[2:])
	}
	if r.Close(); !rec.Closed() {
		t.Error("Close does not reach the recorder")
	}
}

// qlog.WithStreamStates is recognized by it.
func TestRedactedTraceShowsTheOtherOne(t *testing.T) {
	inner := &events.Trace{Recorder: &events.Recorder{}}
	tracer := func(context.Context, bool, quic.ConnectionID) qlogwriter.Trace { return inner }
	trace := RedactHeaders(tracer, func(_, value string) string { return value })(context.Background(), true, quic.ConnectionID{})
	if u, ok := trace.(interface{ Unwrap() qlogwriter.Trace }); !ok || u.Unwrap() != inner {
		t.Errorf("%T does not show the trace in it", trace)
	}
}

func TestRedactHeadersOfNothing(t *testing.T) {
	redact := func(_, value string) string { return value }
	if RedactHeaders(nil, redact) != nil {
		t.Error("RedactHeaders without a tracer is not nil")
	}
	none := func(context.Context, bool, quic.ConnectionID) qlogwriter.Trace { return nil }
	if RedactHeaders(none, redact)(context.Background(), true, quic.ConnectionID{}) != nil {
		t.Error("the trace is not nil although the tracer has returned nil")
	}
}
