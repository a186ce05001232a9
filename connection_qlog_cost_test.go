package quic

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/recovery"
	"github.com/quic-go/quic-go/qlog"
	"github.com/quic-go/quic-go/qlogwriter"
	"github.com/quic-go/quic-go/testutils/events"
)

// callHooks calls the hooks of a packet that is sent, one that is received, and a turn.
func callHooks(l *connLog, datagram []byte, res *recovery.Result) {
	l.sealing(datagram)
	l.packetsSent(datagram)
	l.datagram(datagram)
	l.shortReceived(datagram, nil, protocol.ECT0)
	l.lost(res)
	l.spurious(protocol.Encryption1RTT, res)
	l.turnDone(0)
}

// A connection without a trace has a log that is nil.
func TestHooksWithoutTraceDoNotAllocate(t *testing.T) {
	d := newDriven(t, nil, 1)
	if d.client.log != nil {
		t.Fatal("a connection without a trace has a log")
	}
	datagram, res := make([]byte, 1200), &recovery.Result{}
	expectNoAllocs(t, "hooks", func() { callHooks(d.client.log, datagram, res) })
}

// BenchmarkHooksWithoutTrace is what a packet in each direction pays for the log that it does not have.
func BenchmarkHooksWithoutTrace(b *testing.B) {
	var l *connLog
	datagram, res := make([]byte, 1200), &recovery.Result{}
	b.ReportAllocs()
	for b.Loop() {
		callHooks(l, datagram, res)
	}
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// discardTracer writes traces nowhere.
func discardTracer(_ context.Context, isClient bool, id ConnectionID) qlogwriter.Trace {
	f := qlogwriter.NewConnectionFileSeq(nopCloser{io.Discard}, isClient, id)
	go f.Run()
	return f
}

// newLogged is newDriven with logs from the end of the handshake on.
func newLogged(t *testing.T, tracer func(context.Context, bool, ConnectionID) qlogwriter.Trace) *driven {
	t.Helper()
	d := newDriven(t, &Config{Tracer: tracer}, 1)
	for _, c := range []*drivenConn{d.client, d.server} {
		c.openLog()
		t.Cleanup(func() { c.log.closed() })
	}
	return d
}

// Packets are logged without allocations, except for rare frames: MAX_DATA and MAX_STREAM_DATA now and then.
func TestLoggedPacketsAllocateLittle(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes sync.Pool drop memory at random")
	}
	d := newLogged(t, discardTracer)
	if !d.client.log.encodes {
		t.Fatal("a log that keeps events")
	}
	a, b := d.stream()
	data, into := make([]byte, 1000), make([]byte, 10_000)
	send := func() {
		for range 5 {
			a.Write(data)
			d.turn(d.client)
			d.move(d.client, d.server)
			d.turn(d.server)
			b.Read(into)
		}
		d.pass(30 * time.Millisecond)
		d.turn(d.server)
		d.move(d.server, d.client)
		d.turn(d.client)
	}
	for range allocWarmUp {
		send()
	}
	if n := testing.AllocsPerRun(allocRuns, send); n > 1 {
		t.Errorf("%v allocations for 5 packets and 3 ACKs, want 1 at most", n)
	}
}

// What a recorder keeps does not change any more.
func TestKeptEventsStay(t *testing.T) {
	var rec events.Recorder
	tracer := func(context.Context, bool, ConnectionID) qlogwriter.Trace { return &events.Trace{Recorder: &rec} }
	d := newLogged(t, tracer)
	a, _ := d.stream()
	rec.Clear()
	for range 10 {
		a.Write(make([]byte, 100))
		d.round()
		d.pass(30 * time.Millisecond)
	}
	sent, received := make(map[int64]int), make(map[int64]int)
	count := func(m map[int64]int, frames []qlog.Frame) {
		for _, f := range frames {
			if f, ok := f.Frame.(*qlog.StreamFrame); ok {
				m[f.Offset]++
			}
		}
	}
	for _, e := range rec.Events() {
		switch e := e.(type) {
		case qlog.PacketSent:
			count(sent, e.Frames)
		case qlog.PacketReceived:
			count(received, e.Frames)
		}
	}
	if len(sent) != 10 || len(received) != 10 {
		t.Errorf("offsets %v sent, %v received, want 10 different ones", sent, received)
	}
}
