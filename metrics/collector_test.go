package metrics

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/quic-go/quic-go"
	http3qlog "github.com/quic-go/quic-go/http3/qlog"
	"github.com/quic-go/quic-go/qlog"
	"github.com/quic-go/quic-go/qlogwriter"
	"github.com/quic-go/quic-go/testutils/events"
)

// record gives events to a new connection of c.
func record(c *Collector, isClient bool, list ...qlogwriter.Event) {
	r := c.Tracer(nil)(context.Background(), isClient, quic.ConnectionID{}).AddProducer()
	for _, e := range list {
		r.RecordEvent(e)
	}
	r.Close()
}

// values returns the series of c that are not zero, as name{label values}.
func values(t *testing.T, c prometheus.Collector) map[string]float64 {
	t.Helper()
	m := make(map[string]float64)
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(c); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, s := range f.Metric {
			var labels []string
			for _, l := range s.Label {
				labels = append(labels, l.GetValue())
			}
			v := s.GetCounter().GetValue() + s.GetGauge().GetValue() + float64(s.GetHistogram().GetSampleCount())
			if v != 0 {
				m[fmt.Sprintf("%s{%s}", f.GetName(), strings.Join(labels, ","))] = v
			}
		}
	}
	return m
}

func check(t *testing.T, c prometheus.Collector, want map[string]float64) {
	t.Helper()
	got := values(t, c)
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got[name] != want[name] {
			t.Errorf("%s = %v, want %v", name, got[name], want[name])
		}
		delete(got, name)
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		t.Errorf("%s = %v is not wanted", name, got[name])
	}
}

func packet(typ qlog.PacketType, size int, frames ...qlog.Frame) qlog.PacketSent {
	return qlog.PacketSent{Header: qlog.PacketHeader{PacketType: typ}, Raw: qlog.RawInfo{Length: size}, Frames: frames}
}

func TestEventsOfAConnection(t *testing.T) {
	c := New(Options{})
	record(c, false,
		qlog.StartedConnection{},
		packet(qlog.PacketTypeInitial, 1200), packet(qlog.PacketType1RTT, 100, qlog.Frame{Frame: &qlog.DatagramFrame{}}, qlog.Frame{Frame: &qlog.PingFrame{}}),
		qlog.PacketReceived{Header: qlog.PacketHeader{PacketType: qlog.PacketType0RTT}, Raw: qlog.RawInfo{Length: qlog.OmitLength}, Frames: []qlog.Frame{{Frame: &qlog.DatagramFrame{}}}},
		qlog.PacketReceived{Header: qlog.PacketHeader{PacketType: qlog.PacketTypeRetry}, Raw: qlog.RawInfo{Length: 50}},
		qlog.VersionNegotiationReceived{},
		qlog.PacketDropped{Trigger: qlog.PacketDropDuplicate},
		qlog.PacketLost{Trigger: qlog.PacketLossTimeThreshold},
		qlog.SpuriousLoss{},
		qlog.MetricsUpdated{CongestionWindow: 1}, qlog.MetricsUpdated{LatestRTT: 20 * time.Millisecond}, qlog.MetricsUpdated{LatestRTT: 20 * time.Millisecond, BytesInFlight: 5},
		qlog.MetricsUpdated{LatestRTT: 20 * time.Millisecond, RTTVariance: 1},
		qlog.PTOCountUpdated{PTOCount: 1}, qlog.PTOCountUpdated{PTOCount: 3}, qlog.PTOCountUpdated{}, qlog.PTOCountUpdated{PTOCount: 1},
		qlog.KeyUpdated{Trigger: qlog.KeyUpdateTLS, KeyType: qlog.KeyTypeClient1RTT},
		qlog.KeyUpdated{Trigger: qlog.KeyUpdateLocal, KeyType: qlog.KeyTypeClient1RTT}, qlog.KeyUpdated{Trigger: qlog.KeyUpdateLocal, KeyType: qlog.KeyTypeServer1RTT},
		qlog.KeyUpdated{Trigger: qlog.KeyUpdateRemote, KeyType: qlog.KeyTypeClient1RTT},
		qlog.ConnectionStateUpdated{State: qlog.ConnectionStateHandshakeComplete}, qlog.ConnectionStateUpdated{State: qlog.ConnectionStateHandshakeComplete},
		qlog.DatagramDropped{Direction: qlog.DirectionSending}, qlog.DatagramDropped{Direction: qlog.DirectionReceiving},
		http3qlog.FrameCreated{Frame: http3qlog.Frame{Frame: http3qlog.HeadersFrame{}}}, http3qlog.FrameParsed{Frame: http3qlog.Frame{Frame: http3qlog.UnknownFrame{}}},
		http3qlog.DatagramCreated{}, http3qlog.DatagramParsed{}, http3qlog.DatagramParsed{},
	)
	check(t, c, map[string]float64{
		"quic_connections_started_total{server}": 1, "quic_connections_active{server}": 1, "quic_handshake_duration_seconds{server}": 1,
		"quic_packets_sent_total{server,initial}": 1, "quic_packets_sent_total{server,1RTT}": 1, "quic_sent_bytes_total{server}": 1300,
		"quic_packets_received_total{server,0RTT}": 1, "quic_packets_received_total{server,retry}": 1, "quic_packets_received_total{server,version_negotiation}": 1,
		"quic_received_bytes_total{server}": 50, "quic_packets_dropped_total{duplicate,server}": 1, "quic_packets_lost_total{time_threshold,server}": 1,
		"quic_packets_spuriously_lost_total{server}": 1, "quic_rtt_seconds{server}": 2, "quic_probe_timeouts_total{server}": 4,
		"quic_key_updates_total{local,server}": 1, "quic_key_updates_total{remote,server}": 1,
		"quic_datagram_frames_total{sent,server}": 1, "quic_datagram_frames_total{received,server}": 1,
		"quic_datagrams_dropped_total{sent,server}": 1, "quic_datagrams_dropped_total{received,server}": 1,
		"http3_frames_total{sent,server,headers}": 1, "http3_frames_total{received,server,other}": 1,
		"http3_datagrams_total{sent,server}": 1, "http3_datagrams_total{received,server}": 2,
	})
}

func TestReasonsOfTheEnd(t *testing.T) {
	transport := func(code quic.TransportErrorCode) *qlog.TransportErrorCode { return &code }
	app := qlog.ApplicationErrorCode(7)
	tests := []struct {
		name string
		end  qlog.ConnectionClosed
		want string
	}{
		{"by the application", qlog.ConnectionClosed{ApplicationError: &app}, "application"},
		{"without an error", qlog.ConnectionClosed{ConnectionError: transport(quic.NoError)}, "no_error"},
		{"by an error of the protocol", qlog.ConnectionClosed{ConnectionError: transport(quic.ProtocolViolation)}, "protocol_violation"},
		{"by the last code", qlog.ConnectionClosed{ConnectionError: transport(quic.NoViablePathError)}, "no_viable_path"},
		{"by an alert", qlog.ConnectionClosed{ConnectionError: transport(0x12a)}, "crypto_error"},
		{"by an alert that does not exist", qlog.ConnectionClosed{ConnectionError: transport(0x1ff)}, "crypto_error"},
		{"by versions", qlog.ConnectionClosed{ConnectionError: transport(0x11)}, "version_negotiation_error"},
		{"by an unknown code", qlog.ConnectionClosed{ConnectionError: transport(0x12)}, "other"},
		{"by a large code", qlog.ConnectionClosed{ConnectionError: transport(1<<62 - 1)}, "other"},
		{"by silence", qlog.ConnectionClosed{Trigger: qlog.ConnectionCloseTriggerIdleTimeout}, "handshake_timeout"},
		{"by a stateless reset", qlog.ConnectionClosed{Trigger: qlog.ConnectionCloseTriggerStatelessReset}, "stateless_reset"},
		{"by a version", qlog.ConnectionClosed{Trigger: qlog.ConnectionCloseTriggerVersionMismatch}, "version_mismatch"},
		{"by its transport", qlog.ConnectionClosed{Trigger: qlog.ConnectionCloseTriggerApplication}, "transport_closed"},
		{"by what is unknown", qlog.ConnectionClosed{Trigger: "bad luck"}, "other"},
	}
	for _, test := range tests {
		c := New(Options{})
		test.end.Initiator = qlog.InitiatorRemote
		record(c, true, qlog.StartedConnection{}, test.end)
		want := fmt.Sprintf("# HELP quic_connection_closed_total Connections that have ended, by the side that ended them and why.\n"+
			"# TYPE quic_connection_closed_total counter\nquic_connection_closed_total{initiator=\"remote\",reason=%q,role=\"client\"} 1\n"+
			"# HELP quic_connections_active Connections that have begun and not ended.\n# TYPE quic_connections_active gauge\nquic_connections_active{role=\"client\"} 0\n", test.want)
		if err := testutil.CollectAndCompare(c, strings.NewReader(want), "quic_connection_closed_total", "quic_connections_active"); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	c := New(Options{})
	record(c, true, qlog.StartedConnection{}, qlog.ConnectionStateUpdated{State: qlog.ConnectionStateHandshakeComplete},
		qlog.ConnectionClosed{Initiator: qlog.InitiatorLocal, Trigger: qlog.ConnectionCloseTriggerIdleTimeout})
	if n := testutil.ToFloat64(c.connectionsClosed.WithLabelValues("client", "local", "idle_timeout")); n != 1 {
		t.Errorf("idle timeouts: %v, want 1", n)
	}
}

// What a peer or a program makes up changes the number of series of no metric.
func TestLabelsAreBounded(t *testing.T) {
	series := func(c *Collector) (n int) {
		metrics := make(chan prometheus.Metric)
		go func() { c.Collect(metrics); close(metrics) }()
		for range metrics {
			n++
		}
		return n
	}
	c := New(Options{})
	c.TransportTracer(nil)
	record(c, true, qlog.StartedConnection{}, qlog.ConnectionClosed{Initiator: qlog.InitiatorLocal})
	before := series(c)
	for i := range 500 {
		s := fmt.Sprint("made up ", i)
		code := quic.TransportErrorCode(1000 + i)
		transport := c.TransportTracer(nil)
		transport.RecordEvent(packet(qlog.PacketType(s), 1))
		transport.RecordEvent(qlog.PacketDropped{Trigger: qlog.PacketDropReason(s)})
		record(c, true, qlog.StartedConnection{}, packet(qlog.PacketType(s), 1), qlog.PacketReceived{Header: qlog.PacketHeader{PacketType: qlog.PacketType(s)}},
			qlog.PacketDropped{Trigger: qlog.PacketDropReason(s)}, qlog.PacketLost{Trigger: qlog.PacketLossReason(s)}, qlog.DebugEvent{EventName: s},
			qlog.KeyUpdated{KeyType: qlog.KeyTypeClient1RTT, Trigger: qlog.KeyUpdateTrigger(s)}, qlog.DatagramDropped{Direction: qlog.Direction(s)},
			qlog.StreamStateUpdated{StreamID: 4, State: s, Side: qlog.Direction(s)}, http3qlog.FrameParsed{Frame: http3qlog.Frame{Frame: s}},
			qlog.ConnectionClosed{Initiator: qlog.Initiator(s), ConnectionError: &code})
	}
	if n := series(c); n != before {
		t.Errorf("%d series, %d before", n, before)
	}
}

func TestStreamsByEvents(t *testing.T) {
	c := New(Options{})
	r := c.Tracer(nil)(context.Background(), true, quic.ConnectionID{}).AddProducer()
	enter := func(id quic.StreamID, side qlog.Direction, states ...string) {
		for _, s := range states {
			r.RecordEvent(qlog.StreamStateUpdated{StreamID: id, Side: side, State: s})
		}
	}
	r.RecordEvent(qlog.StartedConnection{})
	enter(0, qlog.DirectionSending, "ready", "send", "fin_queued", "data_sent")
	enter(0, qlog.DirectionReceiving, "receive")
	enter(4, qlog.DirectionSending, "ready", "reset_queued", "reset_sent", "reset_received", "destroyed")
	enter(4, qlog.DirectionReceiving, "receive", "size_known", "data_received", "data_read", "destroyed")
	const streams = "# HELP quic_streams Halves of streams that are in a state. Forgotten streams are in none.\n# TYPE quic_streams gauge\n"
	var want []string
	for _, s := range []string{"abandoned", "data_received", "data_sent", "fin_queued", "ready", "reset_queued", "reset_received", "reset_sent", "send"} {
		want = append(want, fmt.Sprintf("quic_streams{half=\"send\",state=%q} %d", s, map[bool]int{true: 1}[s == "data_sent"]))
	}
	for _, s := range []string{"abandoned", "data_read", "data_received", "discarded", "receive", "reset_read", "reset_received", "size_known", "stopped"} {
		want = append(want, fmt.Sprintf("quic_streams{half=\"receive\",state=%q} %d", s, map[bool]int{true: 1}[s == "receive"]))
	}
	if err := testutil.CollectAndCompare(c, strings.NewReader(streams+strings.Join(want, "\n")+"\n"), "quic_streams"); err != nil {
		t.Error(err)
	}
	r.RecordEvent(qlog.ConnectionClosed{Initiator: qlog.InitiatorLocal})
	enter(0, qlog.DirectionSending, "abandoned", "destroyed") // late
	check(t, c, map[string]float64{
		"quic_connections_started_total{client}": 1, "quic_connection_closed_total{local,other,client}": 1,
		"quic_stream_transitions_total{send,ready}": 2, "quic_stream_transitions_total{send,send}": 1, "quic_stream_transitions_total{send,fin_queued}": 1,
		"quic_stream_transitions_total{send,data_sent}": 1, "quic_stream_transitions_total{send,reset_queued}": 1, "quic_stream_transitions_total{send,reset_sent}": 1,
		"quic_stream_transitions_total{send,reset_received}": 1, "quic_stream_transitions_total{receive,receive}": 2, "quic_stream_transitions_total{receive,size_known}": 1,
		"quic_stream_transitions_total{receive,data_received}": 1, "quic_stream_transitions_total{receive,data_read}": 1,
	})
}

func TestEventsGoOn(t *testing.T) {
	var rec events.Recorder
	inner := func(context.Context, bool, quic.ConnectionID) qlogwriter.Trace { return &events.Trace{Recorder: &rec} }
	state := qlog.StreamStateUpdated{StreamID: 4, State: "ready", Side: qlog.DirectionSending}
	play := func(tracer func(context.Context, bool, quic.ConnectionID) qlogwriter.Trace) (states bool, got []qlogwriter.Event) {
		rec.Clear()
		trace := tracer(context.Background(), true, quic.ConnectionID{})
		r := trace.AddProducer()
		r.RecordEvent(qlog.StartedConnection{})
		r.RecordEvent(state)
		r.Close()
		return qlog.HasStreamStates(trace), rec.Events()
	}
	for _, test := range []struct {
		name   string
		tracer func(context.Context, bool, quic.ConnectionID) qlogwriter.Trace
		states bool
		events int
	}{
		{"nobody wants states", New(Options{}).Tracer(inner), false, 1},
		{"only the Collector wants states", qlog.WithStreamStates(New(Options{}).Tracer(inner)), true, 1},
		{"only the trace behind wants states", New(Options{}).Tracer(qlog.WithStreamStates(inner)), true, 2},
		{"nothing is behind", New(Options{}).Tracer(func(context.Context, bool, quic.ConnectionID) qlogwriter.Trace { return nil }), false, 0},
	} {
		states, got := play(test.tracer)
		if states != test.states || len(got) != test.events {
			t.Errorf("%s: states are recorded: %v, want %v; %d events behind, want %d", test.name, states, test.states, len(got), test.events)
		}
	}
	if !rec.Closed() {
		t.Error("Close does not reach the recorder behind")
	}
}

func TestEventsOfATransport(t *testing.T) {
	var transport events.Recorder
	c := New(Options{})
	r := c.TransportTracer(&transport)
	r.RecordEvent(qlog.VersionNegotiationSent{})
	r.RecordEvent(packet(qlog.PacketTypeRetry, 60))
	r.RecordEvent(qlog.PacketDropped{Trigger: qlog.PacketDropUnknownConnectionID})
	check(t, c, map[string]float64{
		"quic_packets_sent_total{transport,version_negotiation}": 1, "quic_packets_sent_total{transport,retry}": 1, "quic_sent_bytes_total{transport}": 60,
		"quic_packets_dropped_total{unknown_connection_id,transport}": 1,
	})
	if r.Close(); len(transport.Events()) != 3 || !transport.Closed() {
		t.Error("the events of a Transport do not go on")
	}
}

func TestNamesFollowTheConventions(t *testing.T) {
	c := New(Options{ConstLabels: prometheus.Labels{"service": "test"}})
	c.TransportTracer(nil)
	record(c, true, qlog.StartedConnection{}, qlog.ConnectionClosed{Initiator: qlog.InitiatorLocal})
	problems, err := testutil.CollectAndLint(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	two := prometheus.NewPedanticRegistry()
	two.MustRegister(c, New(Options{ConstLabels: prometheus.Labels{"service": "another"}}))
}

func TestBuckets(t *testing.T) {
	c := New(Options{RTTBuckets: []float64{1}, HandshakeBuckets: []float64{2}})
	record(c, true, qlog.StartedConnection{}, qlog.MetricsUpdated{LatestRTT: 500 * time.Millisecond})
	want := "# HELP quic_rtt_seconds Samples of the round-trip time.\n# TYPE quic_rtt_seconds histogram\n" +
		"quic_rtt_seconds_bucket{role=\"client\",le=\"1\"} 1\nquic_rtt_seconds_bucket{role=\"client\",le=\"+Inf\"} 1\nquic_rtt_seconds_sum{role=\"client\"} 0.5\nquic_rtt_seconds_count{role=\"client\"} 1\n"
	if err := testutil.CollectAndCompare(c, strings.NewReader(want), "quic_rtt_seconds"); err != nil {
		t.Error(err)
	}
}

// The page lists every metric.
func TestDocumentation(t *testing.T) {
	b, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	for name := range describe(New(Options{})) {
		if !strings.Contains(string(b), "| "+name+" |") {
			t.Errorf("docs/metrics.md has no row for %s", name)
		}
	}
}

// BenchmarkPacket is what a packet costs.
func BenchmarkPacket(b *testing.B) {
	r := New(Options{}).Tracer(nil)(context.Background(), true, quic.ConnectionID{}).AddProducer()
	var e qlogwriter.Event = packet(qlog.PacketType1RTT, 1200, qlog.Frame{Frame: &qlog.StreamFrame{}})
	b.ReportAllocs()
	for b.Loop() {
		r.RecordEvent(e)
	}
}
