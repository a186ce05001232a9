package qlog

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/qlogwriter"
	"github.com/quic-go/quic-go/testutils/events"
)

func TestDefaultConnectionTracerWritesAFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	t.Setenv("QLOGDIR", dir)
	for _, side := range []string{"client", "server"} {
		trace := DefaultConnectionTracer(context.Background(), side == "client", cid)
		rec := trace.AddProducer()
		rec.RecordEvent(DebugEvent{Message: "hello"})
		rec.Close()
		name := filepath.Join(dir, "01020304_"+side+".sqlog")
		var b []byte
		for start := time.Now(); time.Since(start) < 10*time.Second; {
			if b, _ = os.ReadFile(name); strings.Contains(string(b), "hello") {
				break
			}
		}
		if !strings.Contains(string(b), `"hello"`) || !strings.Contains(string(b), `"vantage_point":{"type":"`+side+`"}`) || !strings.Contains(string(b), EventSchema) {
			t.Errorf("%s has the content %q", name, b)
		}
	}
}

func TestDefaultConnectionTracerWithoutDirectory(t *testing.T) {
	t.Setenv("QLOGDIR", "")
	if trace := DefaultConnectionTracer(context.Background(), true, cid); trace != nil {
		t.Errorf("DefaultConnectionTracer = %v, want nil", trace)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("QLOGDIR", file)
	if trace := DefaultConnectionTracer(context.Background(), true, cid); trace != nil {
		t.Errorf("DefaultConnectionTracer = %v although the directory is a file, want nil", trace)
	}
}

type call struct {
	addr  netip.AddrPort
	local bool
}

func TestRedactIPs(t *testing.T) {
	rec := &events.Recorder{}
	tracer := func(context.Context, bool, ConnectionID) qlogwriter.Trace { return &events.Trace{Recorder: rec} }
	var calls []call
	redacting := RedactIPs(tracer, func(a netip.AddrPort, local bool) (string, bool) {
		calls = append(calls, call{a, local})
		return "hidden", a.Addr().Is4()
	})
	r := redacting(context.Background(), true, cid).AddProducer()
	p := &PreferredAddress{IPv4: addr4, IPv6: addr6}
	r.RecordEvent(StartedConnection{Local: TupleEndpointInfo{IPv4: addr4}, Remote: TupleEndpointInfo{IPv6: addr6}})
	r.RecordEvent(TupleAssigned{TupleID: "1", Local: TupleEndpointInfo{IPv6: addr6}, Remote: TupleEndpointInfo{IPv4: addr4}})
	r.RecordEvent(ParametersSet{Initiator: InitiatorRemote, SentBy: protocol.PerspectiveClient, PreferredAddress: p, MaxDatagramFrameSize: -1})
	r.RecordEvent(ParametersSet{Initiator: InitiatorLocal})
	r.RecordEvent(DebugEvent{Message: "192.0.2.1"})
	want := []string{
		`transport:connection_started {"local":{"address_v4":"hidden"},"remote":{"address_v6":{"ip":"2001:db8::1","port":443}}}`,
		`transport:tuple_assigned {"tuple_id":"1","tuple_local":{"address_v6":{"ip":"2001:db8::1","port":443}},"tuple_remote":{"address_v4":"hidden"}}`,
		`transport:parameters_set {"initiator":"remote","initial_source_connection_id":"","disable_active_migration":false,"ack_delay_exponent":0,` +
			`"preferred_address":{"address_v4":"hidden","address_v6":{"ip":"2001:db8::1","port":443},"connection_id":"","stateless_reset_token":"00000000000000000000000000000000"}}`,
		`transport:parameters_set {"initiator":"local","initial_source_connection_id":"","disable_active_migration":false,"ack_delay_exponent":0,"max_datagram_frame_size":0}`,
		`transport:debug {"message":"192.0.2.1"}`,
	}
	for i, e := range rec.Events() {
		runRows(t, []row{{"event", e, want[i]}})
	}
	wantCalls := []call{{addr4, true}, {addr6, false}, {addr6, true}, {addr4, false}, {addr4, false}, {addr6, false}}
	if len(calls) != len(wantCalls) {
		t.Fatalf("redact was called with %v, want %v", calls, wantCalls)
	}
	for i := range calls {
		if calls[i] != wantCalls[i] {
			t.Errorf("redact was called with %v, want %v", calls, wantCalls)
		}
	}
	if p.RedactedIPv4 != nil {
		t.Error("the event of the caller has changed")
	}
	if r.Close(); !rec.Closed() {
		t.Error("Close does not reach the recorder")
	}
}

type overTrace struct{}

func (overTrace) AddProducer() qlogwriter.Recorder { return nil }

func TestRedactIPsOfNothing(t *testing.T) {
	redact := func(netip.AddrPort, bool) (string, bool) { return "", true }
	if RedactIPs(nil, redact) != nil {
		t.Error("RedactIPs without a tracer is not nil")
	}
	none := func(context.Context, bool, ConnectionID) qlogwriter.Trace { return nil }
	if RedactIPs(none, redact)(context.Background(), true, cid) != nil {
		t.Error("the trace is not nil although the tracer has returned nil")
	}
	over := func(context.Context, bool, ConnectionID) qlogwriter.Trace { return overTrace{} }
	if RedactIPs(over, redact)(context.Background(), true, cid).AddProducer() != nil {
		t.Error("AddProducer of a trace that is over is not nil")
	}
	if _, ok := RedactIPs(over, nil)(context.Background(), true, cid).(overTrace); !ok {
		t.Error("RedactIPs without redact does not return the tracer")
	}
}
