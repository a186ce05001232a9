package metrics

import (
	"github.com/quic-go/quic-go/qlog"
	"github.com/quic-go/quic-go/qlogwriter"
)

// TransportTracer returns a quic.Transport.Tracer that counts what concerns no connection: packets that are dropped, and
// the answers that a Transport gives by itself, such as Retry packets and stateless resets. Events go on to next, which may
// be nil.
func (c *Collector) TransportTracer(next qlogwriter.Recorder) qlogwriter.Recorder {
	return &transportRecorder{side: c.side(roleTransport), next: next}
}

type transportRecorder struct {
	side *side
	next qlogwriter.Recorder // may be nil
}

// RecordEvent implements qlogwriter.Recorder.
func (r *transportRecorder) RecordEvent(event qlogwriter.Event) {
	switch e := event.(type) {
	case qlog.PacketSent:
		count(r.side.packetsSent, e.Header.PacketType)
		r.side.bytesSent.Add(size(e.Raw))
	case qlog.VersionNegotiationSent:
		count(r.side.packetsSent, qlog.PacketTypeVersionNegotiation)
	case qlog.PacketDropped:
		count(r.side.dropped, e.Trigger)
	}
	if r.next != nil {
		r.next.RecordEvent(event)
	}
}

// Close implements qlogwriter.Recorder.
func (r *transportRecorder) Close() error {
	if r.next != nil {
		return r.next.Close()
	}
	return nil
}

// size is the size of a packet if it is known.
func size(raw qlog.RawInfo) float64 { return float64(max(raw.Length, 0)) }
