package metrics

import (
	"context"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
	http3qlog "github.com/quic-go/quic-go/http3/qlog"
	"github.com/quic-go/quic-go/qlog"
	"github.com/quic-go/quic-go/qlogwriter"
)

// Tracer returns a quic.Config.Tracer that counts the events of each connection. They go on to the trace of next, which
// may be nil, as may be the traces that it returns.
//
// The states of streams are counted with qlog.WithStreamStates(c.Tracer(next)).
func (c *Collector) Tracer(
	next func(ctx context.Context, isClient bool, connID quic.ConnectionID) qlogwriter.Trace,
) func(ctx context.Context, isClient bool, connID quic.ConnectionID) qlogwriter.Trace {
	return func(ctx context.Context, isClient bool, connID quic.ConnectionID) qlogwriter.Trace {
		role := roleServer
		if isClient {
			role = roleClient
		}
		t := &trace{conn: &connection{side: c.side(role), states: &c.states, streams: map[halfID]state{}}}
		if next != nil {
			t.next = next(ctx, isClient, connID)
		}
		t.nextStates = qlog.HasStreamStates(t.next)
		return t
	}
}

// A trace is that of one connection.
type trace struct {
	conn       *connection
	next       qlogwriter.Trace // may be nil
	nextStates bool             // next wants to know the states of streams
}

// Unwrap shows package qlog what next is: it may want the states of streams.
func (t *trace) Unwrap() qlogwriter.Trace { return t.next }

// AddProducer implements qlogwriter.Trace.
func (t *trace) AddProducer() qlogwriter.Recorder {
	r := &recorder{conn: t.conn, nextStates: t.nextStates}
	if t.next != nil {
		r.next = t.next.AddProducer()
	}
	return r
}

// A recorder is that of one layer of a connection.
type recorder struct {
	conn       *connection
	next       qlogwriter.Recorder // may be nil
	nextStates bool
}

// RecordEvent implements qlogwriter.Recorder.
func (r *recorder) RecordEvent(event qlogwriter.Event) {
	r.conn.count(event)
	if r.next == nil {
		return
	}
	if _, ok := event.(qlog.StreamStateUpdated); ok && !r.nextStates {
		return
	}
	r.next.RecordEvent(event)
}

// Close implements qlogwriter.Recorder.
func (r *recorder) Close() error {
	if r.next != nil {
		return r.next.Close()
	}
	return nil
}

// A connection remembers what of its events is needed to count later ones.
type connection struct {
	side   *side
	states *stateCounters

	mu       sync.Mutex
	begun    time.Time // zero before the connection has begun, and after its end
	complete bool      // the handshake
	rtt      time.Duration
	rttVar   time.Duration
	ptoCount uint32
	// streams are the states of the halves that are not forgotten: at most those that the limits of streams allow.
	streams map[halfID]state
}

func (c *connection) count(event qlogwriter.Event) {
	switch e := event.(type) {
	case qlog.PacketSent:
		count(c.side.packetsSent, e.Header.PacketType)
		c.side.bytesSent.Add(size(e.Raw))
		c.countDatagrams(e.Frames, sent)
	case qlog.PacketReceived:
		count(c.side.packetsReceived, e.Header.PacketType)
		c.side.bytesReceived.Add(size(e.Raw))
		c.countDatagrams(e.Frames, received)
	case qlog.VersionNegotiationReceived:
		count(c.side.packetsReceived, qlog.PacketTypeVersionNegotiation)
	case qlog.PacketDropped:
		count(c.side.dropped, e.Trigger)
	case qlog.PacketLost:
		count(c.side.lost, e.Trigger)
	case qlog.SpuriousLoss:
		c.side.spurious.Inc()
	case qlog.KeyUpdated:
		c.keyUpdated(e)
	case qlog.DatagramDropped:
		count(c.side.datagramsDropped, directionOf(e.Direction))
	case http3qlog.FrameCreated:
		count(c.side.httpFramesSent, httpType(e.Frame.Frame))
	case http3qlog.FrameParsed:
		count(c.side.httpFramesRcv, httpType(e.Frame.Frame))
	case http3qlog.DatagramCreated:
		c.side.httpDatagrams[sent].Inc()
	case http3qlog.DatagramParsed:
		c.side.httpDatagrams[received].Inc()
	default:
		c.follow(event)
	}
}

// follow counts the events whose meaning depends on earlier ones.
func (c *connection) follow(event qlogwriter.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch e := event.(type) {
	case qlog.StartedConnection:
		c.begun = time.Now()
		c.side.started.Inc()
		c.side.active.Inc()
	case qlog.ConnectionStateUpdated:
		if e.State == qlog.ConnectionStateHandshakeComplete && !c.complete && !c.begun.IsZero() {
			c.complete = true
			c.side.handshake.Observe(time.Since(c.begun).Seconds())
		}
	case qlog.ConnectionClosed:
		c.closed(&e)
	case qlog.MetricsUpdated:
		if e.LatestRTT != c.rtt || e.RTTVariance != c.rttVar {
			c.rtt, c.rttVar = e.LatestRTT, e.RTTVariance
			c.side.rtt.Observe(e.LatestRTT.Seconds())
		}
	case qlog.PTOCountUpdated:
		if e.PTOCount > c.ptoCount {
			c.side.probeTimeouts.Add(float64(e.PTOCount - c.ptoCount))
		}
		c.ptoCount = e.PTOCount
	case qlog.StreamStateUpdated:
		c.streamState(&e)
	}
}

// closed counts the end. Streams that are left are in no state any more.
func (c *connection) closed(e *qlog.ConnectionClosed) {
	initiator := qlog.InitiatorLocal
	if e.Initiator == qlog.InitiatorRemote {
		initiator = qlog.InitiatorRemote
	}
	c.side.ended.WithLabelValues(string(initiator), closeReason(e, c.complete)).Inc()
	if !c.begun.IsZero() {
		c.begun = time.Time{}
		c.side.active.Dec()
	}
	for id := range c.streams {
		c.states.move(c.streams[id], state{})
	}
	clear(c.streams)
}

func (c *connection) countDatagrams(frames []qlog.Frame, direction string) {
	for _, f := range frames {
		if _, ok := f.Frame.(*qlog.DatagramFrame); ok {
			c.side.datagrams[direction].Inc()
		}
	}
}

// keyUpdated counts an update once: there is an event for the keys of each side.
func (c *connection) keyUpdated(e qlog.KeyUpdated) {
	switch {
	case e.KeyType != qlog.KeyTypeClient1RTT:
	case e.Trigger == qlog.KeyUpdateLocal:
		c.side.keyUpdates[qlog.InitiatorLocal].Inc()
	case e.Trigger == qlog.KeyUpdateRemote:
		c.side.keyUpdates[qlog.InitiatorRemote].Inc()
	}
}

func directionOf(d qlog.Direction) string {
	if d == qlog.DirectionSending {
		return sent
	}
	return received
}
