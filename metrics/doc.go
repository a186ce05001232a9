// Package metrics counts what QUIC connections do, for Prometheus. It is a module of its own, so that package quic needs
// no other.
//
// A Collector is registered like any other. It learns what happens from the events of qlog: its Tracer goes into a
// quic.Config, its TransportTracer into a quic.Transport. Watch counts the states of single streams from their callbacks,
// without any event.
//
// Nothing that a peer chooses becomes a label: the values of all labels are known when the package is built. Events are
// counted on the goroutine that records them, with atomic additions and a mutex for each connection.
package metrics
