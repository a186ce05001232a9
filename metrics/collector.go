package metrics

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// Options are the choices of New. The zero value is fine.
type Options struct {
	// ConstLabels are added to all metrics, to tell several Collectors apart.
	ConstLabels prometheus.Labels
	// HandshakeBuckets are those of quic_handshake_duration_seconds.
	HandshakeBuckets []float64
	// RTTBuckets are those of quic_rtt_seconds.
	RTTBuckets []float64
}

// Default buckets in seconds: loopback to satellite.
var (
	defaultHandshakeBuckets = []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}
	defaultRTTBuckets       = []float64{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5}
)

// A Collector is a prometheus.Collector of QUIC and HTTP/3. All methods may be called concurrently.
type Collector struct {
	all []prometheus.Collector

	connectionsStarted *prometheus.CounterVec
	connectionsActive  *prometheus.GaugeVec
	connectionsClosed  *prometheus.CounterVec
	handshakeDuration  *prometheus.HistogramVec
	packetsSent        *prometheus.CounterVec
	packetsReceived    *prometheus.CounterVec
	packetsDropped     *prometheus.CounterVec
	packetsLost        *prometheus.CounterVec
	spuriousLosses     *prometheus.CounterVec
	bytesSent          *prometheus.CounterVec
	bytesReceived      *prometheus.CounterVec
	rtt                *prometheus.HistogramVec
	probeTimeouts      *prometheus.CounterVec
	keyUpdates         *prometheus.CounterVec
	datagrams          *prometheus.CounterVec
	datagramsDropped   *prometheus.CounterVec
	httpFrames         *prometheus.CounterVec
	httpDatagrams      *prometheus.CounterVec
	streams            *prometheus.GaugeVec
	transitions        *prometheus.CounterVec

	states stateCounters
	sides  map[string]*lazySide
}

// A lazySide makes the series of a role when it is seen for the first time: a program that is only a client has none of
// a server.
type lazySide struct {
	once sync.Once
	side *side
}

// Values of the label role. A Transport records what belongs to no connection.
const (
	roleClient    = "client"
	roleServer    = "server"
	roleTransport = "transport"
)

// New returns a Collector that still has to be registered.
func New(o Options) *Collector {
	if o.HandshakeBuckets == nil {
		o.HandshakeBuckets = defaultHandshakeBuckets
	}
	if o.RTTBuckets == nil {
		o.RTTBuckets = defaultRTTBuckets
	}
	c := &Collector{sides: map[string]*lazySide{roleClient: {}, roleServer: {}, roleTransport: {}}}
	c.connectionsStarted = c.counter(o, "quic_connections_started_total", "Connections that were begun: dialed, or accepted by a listener.", "role")
	c.connectionsActive = c.gauge(o, "quic_connections_active", "Connections that have begun and not ended.", "role")
	c.connectionsClosed = c.counter(o, "quic_connection_closed_total", "Connections that have ended, by the side that ended them and why.", "role", "initiator", "reason")
	c.handshakeDuration = c.histogram(o, "quic_handshake_duration_seconds", "Time from the beginning of a connection until its handshake is complete.", o.HandshakeBuckets)
	c.packetsSent = c.counter(o, "quic_packets_sent_total", "Packets sent, by type. Those of a transport are answers to no connection, such as Retry packets and stateless resets.", "role", "type")
	c.packetsReceived = c.counter(o, "quic_packets_received_total", "Packets received that were authentic, by type.", "role", "type")
	c.packetsDropped = c.counter(o, "quic_packets_dropped_total", "Packets received and dropped, by reason.", "role", "reason")
	c.packetsLost = c.counter(o, "quic_packets_lost_total", "Packets that were declared lost, by the rule that did it.", "role", "reason")
	c.spuriousLosses = c.counter(o, "quic_packets_spuriously_lost_total", "Packets that were acknowledged after they had been declared lost.", "role")
	c.bytesSent = c.counter(o, "quic_sent_bytes_total", "Bytes of the packets sent.", "role")
	c.bytesReceived = c.counter(o, "quic_received_bytes_total", "Bytes of the packets received that were authentic.", "role")
	c.rtt = c.histogram(o, "quic_rtt_seconds", "Samples of the round-trip time.", o.RTTBuckets)
	c.probeTimeouts = c.counter(o, "quic_probe_timeouts_total", "Probe timeouts that have expired.", "role")
	c.keyUpdates = c.counter(o, "quic_key_updates_total", "Updates of the 1-RTT keys, by the side that began them.", "role", "initiator")
	c.datagrams = c.counter(o, "quic_datagram_frames_total", "DATAGRAM frames, by direction.", "role", "direction")
	c.datagramsDropped = c.counter(o, "quic_datagrams_dropped_total", "Payloads of DATAGRAM frames that were dropped on this side, by direction.", "role", "direction")
	c.httpFrames = c.counter(o, "http3_frames_total", "Frames of HTTP/3, by direction and type.", "role", "direction", "type")
	c.httpDatagrams = c.counter(o, "http3_datagrams_total", "HTTP datagrams, by direction.", "role", "direction")
	c.streams = c.gauge(o, "quic_streams", "Halves of streams that are in a state. Forgotten streams are in none.", "half", "state")
	c.transitions = c.counter(o, "quic_stream_transitions_total", "States that halves of streams have entered.", "half", "state")
	c.states = newStateCounters(c)
	return c
}

func register[T prometheus.Collector](c *Collector, metric T) T {
	c.all = append(c.all, metric)
	return metric
}

func (c *Collector) counter(o Options, name, help string, labels ...string) *prometheus.CounterVec {
	return register(c, prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help, ConstLabels: o.ConstLabels}, labels))
}

func (c *Collector) gauge(o Options, name, help string, labels ...string) *prometheus.GaugeVec {
	return register(c, prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: o.ConstLabels}, labels))
}

func (c *Collector) histogram(o Options, name, help string, buckets []float64) *prometheus.HistogramVec {
	return register(c, prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, ConstLabels: o.ConstLabels, Buckets: buckets}, []string{"role"}))
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, m := range c.all {
		m.Describe(ch)
	}
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	for _, m := range c.all {
		m.Collect(ch)
	}
}

// side returns the series of a role.
func (c *Collector) side(role string) *side {
	l := c.sides[role]
	l.once.Do(func() { l.side = newSide(c, role) })
	return l.side
}
