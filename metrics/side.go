package metrics

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/quic-go/quic-go"
	http3qlog "github.com/quic-go/quic-go/http3/qlog"
	"github.com/quic-go/quic-go/qlog"
)

// other is the value of a label for what the package does not know.
const other = "other"

// Values of labels besides those that package qlog names.
var (
	packetTypes = []qlog.PacketType{
		qlog.PacketTypeInitial, qlog.PacketTypeHandshake, qlog.PacketTypeRetry, qlog.PacketType0RTT, qlog.PacketType1RTT,
		qlog.PacketTypeVersionNegotiation, qlog.PacketTypeStatelessReset, other,
	}
	dropReasons = []qlog.PacketDropReason{
		qlog.PacketDropKeysUnavailable, qlog.PacketDropUnknownConnectionID, qlog.PacketDropHeaderParseError, qlog.PacketDropPayloadDecryptError,
		qlog.PacketDropProtocolViolation, qlog.PacketDropDOSPrevention, qlog.PacketDropUnsupportedVersion, qlog.PacketDropUnexpectedPacket,
		qlog.PacketDropUnexpectedSourceConnectionID, qlog.PacketDropUnexpectedVersion, qlog.PacketDropDuplicate, other,
	}
	lossReasons = []qlog.PacketLossReason{qlog.PacketLossReorderingThreshold, qlog.PacketLossTimeThreshold, other}
	initiators  = []qlog.Initiator{qlog.InitiatorLocal, qlog.InitiatorRemote}
	httpTypes   = []string{"data", "headers", "settings", "goaway", "push_promise", "cancel_push", "max_push_id", "priority_update", other}
	directions  = []string{sent, received}
)

// Values of the label direction.
const (
	sent     = "sent"
	received = "received"
)

// A side holds the series of a role, made in advance: events are counted without looking for labels, and series begin
// at zero, as rates need it. What is missing in a map has the value other.
type side struct {
	role  string
	ended *prometheus.CounterVec // by initiator and reason

	started, spurious, probeTimeouts prometheus.Counter
	active                           prometheus.Gauge
	handshake, rtt                   prometheus.Observer
	bytesSent, bytesReceived         prometheus.Counter

	packetsSent, packetsReceived  map[qlog.PacketType]prometheus.Counter
	dropped                       map[qlog.PacketDropReason]prometheus.Counter
	lost                          map[qlog.PacketLossReason]prometheus.Counter
	keyUpdates                    map[qlog.Initiator]prometheus.Counter
	datagrams, datagramsDropped   map[string]prometheus.Counter
	httpDatagrams                 map[string]prometheus.Counter
	httpFramesSent, httpFramesRcv map[string]prometheus.Counter
}

func newSide(c *Collector, role string) *side {
	label := prometheus.Labels{"role": role}
	packetsSent, dropped := c.packetsSent.MustCurryWith(label), c.packetsDropped.MustCurryWith(label)
	s := &side{
		role: role, bytesSent: c.bytesSent.With(label), packetsSent: counters(packetsSent, packetTypes), dropped: counters(dropped, dropReasons),
	}
	if role == roleTransport {
		return s
	}
	s.ended = c.connectionsClosed.MustCurryWith(label)
	s.started, s.active, s.handshake = c.connectionsStarted.With(label), c.connectionsActive.With(label), c.handshakeDuration.With(label)
	s.spurious, s.probeTimeouts, s.rtt = c.spuriousLosses.With(label), c.probeTimeouts.With(label), c.rtt.With(label)
	s.bytesReceived = c.bytesReceived.With(label)
	s.packetsReceived = counters(c.packetsReceived.MustCurryWith(label), packetTypes)
	s.lost = counters(c.packetsLost.MustCurryWith(label), lossReasons)
	s.keyUpdates = counters(c.keyUpdates.MustCurryWith(label), initiators)
	s.datagrams = counters(c.datagrams.MustCurryWith(label), directions)
	s.datagramsDropped = counters(c.datagramsDropped.MustCurryWith(label), directions)
	s.httpDatagrams = counters(c.httpDatagrams.MustCurryWith(label), directions)
	frames := c.httpFrames.MustCurryWith(label)
	s.httpFramesSent = counters(frames.MustCurryWith(prometheus.Labels{"direction": sent}), httpTypes)
	s.httpFramesRcv = counters(frames.MustCurryWith(prometheus.Labels{"direction": received}), httpTypes)
	return s
}

// counters returns the series of a vector with one label that is left.
func counters[K ~string](vec *prometheus.CounterVec, values []K) map[K]prometheus.Counter {
	m := make(map[K]prometheus.Counter, len(values))
	for _, v := range values {
		m[v] = vec.WithLabelValues(string(v))
	}
	return m
}

// count adds one to the series of a value.
func count[K ~string](m map[K]prometheus.Counter, value K) {
	counter, ok := m[value]
	if !ok {
		counter = m[other]
	}
	counter.Inc()
}

// closeReason is the value of the label reason for the end of a connection. complete says it of its handshake.
func closeReason(e *qlog.ConnectionClosed, complete bool) string {
	switch {
	case e.ApplicationError != nil:
		return "application"
	case e.ConnectionError != nil:
		return transportError(*e.ConnectionError)
	}
	switch e.Trigger {
	case qlog.ConnectionCloseTriggerIdleTimeout:
		if !complete {
			return "handshake_timeout"
		}
		return "idle_timeout"
	case qlog.ConnectionCloseTriggerVersionMismatch:
		return "version_mismatch"
	case qlog.ConnectionCloseTriggerStatelessReset:
		return "stateless_reset"
	case qlog.ConnectionCloseTriggerApplication:
		return "transport_closed"
	}
	return other
}

// transportError is the name of an error code of RFC 9000, Section 20.1, or of RFC 9368; all alerts of TLS are one.
func transportError(code quic.TransportErrorCode) string {
	switch {
	case code <= quic.NoViablePathError:
		return strings.ToLower(code.String())
	case code == 0x11:
		return "version_negotiation_error"
	case code >= 0x100 && code < 0x200:
		return "crypto_error"
	}
	return other
}

// httpType is the value of the label type for a frame of HTTP/3.
func httpType(f any) string {
	switch f.(type) {
	case http3qlog.DataFrame:
		return "data"
	case http3qlog.HeadersFrame:
		return "headers"
	case http3qlog.SettingsFrame:
		return "settings"
	case http3qlog.GoAwayFrame:
		return "goaway"
	case http3qlog.PushPromiseFrame:
		return "push_promise"
	case http3qlog.CancelPushFrame:
		return "cancel_push"
	case http3qlog.MaxPushIDFrame:
		return "max_push_id"
	case http3qlog.PriorityUpdateFrame:
		return "priority_update"
	}
	return other
}
