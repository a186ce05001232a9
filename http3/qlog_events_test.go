package http3_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3/qlog"
	"github.com/quic-go/quic-go/qlogwriter"
	"github.com/quic-go/quic-go/testutils/events"
)

// traced makes both sides record their events.
func traced(w *world) (client, server *events.Recorder) {
	client, server = &events.Recorder{}, &events.Recorder{}
	tracer := func(r *events.Recorder) func(context.Context, bool, quic.ConnectionID) qlogwriter.Trace {
		return func(context.Context, bool, quic.ConnectionID) qlogwriter.Trace { return &events.Trace{Recorder: r} }
	}
	w.clientQUIC.Tracer, w.serverQUIC.Tracer = tracer(client), tracer(server)
	return client, server
}

// frames returns the frames that an event of the given type tells of, each stream by itself.
func frames[E qlogwriter.Event](r *events.Recorder) map[quic.StreamID][]string {
	streams := make(map[quic.StreamID][]string)
	var example E
	for _, e := range r.Events(example) {
		switch e := e.(type) {
		case qlog.FrameCreated:
			streams[e.StreamID] = append(streams[e.StreamID], fmt.Sprintf("%T%+v %+v", e.Frame.Frame, e.Frame.Frame, e.Raw))
		case qlog.FrameParsed:
			streams[e.StreamID] = append(streams[e.StreamID], fmt.Sprintf("%T%+v %+v", e.Frame.Frame, e.Frame.Frame, e.Raw))
		case qlogwriter.Event:
			panic("no frame")
		}
	}
	return streams
}

func sameFrames(t *testing.T, direction string, created, parsed map[quic.StreamID][]string) {
	t.Helper()
	for id := range parsed {
		if len(created[id]) == 0 {
			t.Errorf("%s: frames on stream %d which nobody has created", direction, id)
		}
	}
	for id := range created {
		if !slices.Equal(created[id], parsed[id]) {
			t.Errorf("%s: stream %d: created\n%q, parsed\n%q", direction, id, created[id], parsed[id])
		}
	}
}

func TestLogsOfBothSidesAgree(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		client, server := traced(w)
		w.serve(func(rw http.ResponseWriter, req *http.Request) {
			io.Copy(io.Discard, req.Body)
			rw.Header().Set("Link", "</style.css>")
			rw.WriteHeader(http.StatusEarlyHints)
			rw.Header().Set(http.TrailerPrefix+"Checksum", "42")
			rw.Write([]byte(strings.Repeat("x", 3000)))
			rw.Write([]byte(strings.Repeat("y", 5000)))
		})
		req := w.request(http.MethodPost, "/path", strings.NewReader(strings.Repeat("z", 100_000)))
		req.Trailer = http.Header{"Sum": {"1"}}
		w.do(req)
		w.get("/again")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := w.server.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		sameFrames(t, "client to server", frames[qlog.FrameCreated](client), frames[qlog.FrameParsed](server))
		sameFrames(t, "server to client", frames[qlog.FrameCreated](server), frames[qlog.FrameParsed](client))
		if got := frames[qlog.FrameCreated](client)[0]; len(got) < 3 || !strings.Contains(got[0], "Name::path Value:/path") ||
			!strings.Contains(got[len(got)-1], "Name:sum Value:1") {
			t.Errorf("frames of the first request: %q, want a header with :path, DATA and a trailer", got)
		}
		if got := frames[qlog.FrameCreated](server)[3]; len(got) != 2 || !strings.Contains(got[0], "ExtendedConnect:1") ||
			!strings.HasPrefix(got[1], "qlog.GoAwayFrame{StreamID:4611686018427387900}") {
			t.Errorf("frames on the control stream of the server: %q, want SETTINGS and GOAWAY", got)
		}
		if !client.Closed() || !server.Closed() {
			t.Error("a recorder is not closed")
		}
	})
}

func TestLogOfStreamTypes(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		_, server := traced(w)
		w.serve(func(http.ResponseWriter, *http.Request) {})
		conn := w.rawConn()
		for _, first := range []string{"\x00\x04\x00", "\x02", "\x03", "\x40\x54"} {
			s, err := conn.OpenUniStream()
			if err != nil {
				t.Fatal(err)
			}
			s.Write([]byte(first))
			time.Sleep(time.Second)
		}
		want := []qlogwriter.Event{
			qlog.StreamTypeSet{Initiator: qlog.InitiatorLocal, StreamID: 3, StreamType: qlog.StreamTypeControl},
			qlog.StreamTypeSet{Initiator: qlog.InitiatorRemote, StreamID: 2, StreamType: qlog.StreamTypeControl},
			qlog.StreamTypeSet{Initiator: qlog.InitiatorRemote, StreamID: 6, StreamType: qlog.StreamTypeQPACKEncode, StreamTypeBytes: 2},
			qlog.StreamTypeSet{Initiator: qlog.InitiatorRemote, StreamID: 10, StreamType: qlog.StreamTypeQPACKDecode, StreamTypeBytes: 3},
			qlog.StreamTypeSet{Initiator: qlog.InitiatorRemote, StreamID: 14, StreamType: qlog.StreamTypeUnknown, StreamTypeBytes: 0x54},
		}
		if got := server.Events(qlog.StreamTypeSet{}); !slices.Equal(got, want) {
			t.Errorf("recorded\n%+v, want\n%+v", got, want)
		}
	})
}

func TestLogOfUnusualFrames(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		_, server := traced(w)
		w.serve(func(http.ResponseWriter, *http.Request) {})
		conn := w.rawConn()
		control, err := conn.OpenUniStream()
		if err != nil {
			t.Fatal(err)
		}
		control.Write([]byte("\x00"))                         // type of the stream
		control.Write([]byte("\x04\x05\x06\x40\x64\x0b\x01")) // SETTINGS
		control.Write([]byte("\x21\x02ab"))                   // reserved
		control.Write([]byte("\x0d\x01\x05"))                 // MAX_PUSH_ID
		control.Write([]byte("\x80\x0f\x07\x00\x04\x00u=1"))  // PRIORITY_UPDATE
		control.Write([]byte("\x40\x63\x00"))                 // unknown
		time.Sleep(time.Second)
		var got []any
		for _, e := range server.Events(qlog.FrameParsed{}) {
			got = append(got, e.(qlog.FrameParsed).Frame.Frame)
		}
		want := []any{
			qlog.SettingsFrame{MaxFieldSectionSize: 100, Datagram: -1, ExtendedConnect: -1, Other: map[uint64]uint64{11: 1}},
			qlog.ReservedFrame{Type: 0x21}, qlog.MaxPushIDFrame{},
			qlog.PriorityUpdateFrame{StreamID: 0, PriorityFieldValue: "u=1"}, qlog.UnknownFrame{Type: 0x63},
		}
		if fmt.Sprintf("%#v", got) != fmt.Sprintf("%#v", want) {
			t.Errorf("recorded\n%#v, want\n%#v", got, want)
		}
	})
}

func TestLogOfDatagrams(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		client, server := traced(w)
		w.serveTunnels()
		str, _ := w.tunnel(w.clientConn())
		if err := str.SendDatagram([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		raw := qlog.RawInfo{Length: 6, PayloadLength: 5}
		if got := client.Events(qlog.DatagramCreated{}); len(got) != 1 || got[0] != (qlog.DatagramCreated{Raw: raw}) {
			t.Errorf("the client has recorded %+v", got)
		}
		if got := server.Events(qlog.DatagramParsed{}); len(got) != 1 || got[0] != (qlog.DatagramParsed{Raw: raw}) {
			t.Errorf("the server has recorded %+v", got)
		}
	})
}

func TestLogOfTryWriteAll(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		client, _ := traced(w)
		w.serveTunnels()
		str, _ := w.tunnel(w.clientConn())
		if err := str.TryWriteAll([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		created := frames[qlog.FrameCreated](client)[0]
		if want := "qlog.DataFrame{} {Length:7 PayloadLength:5}"; len(created) != 2 || created[1] != want {
			t.Errorf("created %q, want a HEADERS frame and %s", created, want)
		}
	})
}
