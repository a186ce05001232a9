// Package qlog defines the events of a QUIC connection and how they are written as JSON
// (draft-ietf-quic-qlog-quic-events).
//
// Events are plain values. Package quic records them through a qlogwriter.Recorder, programs may record
// their own and may look at recorded ones with a type switch. Frames that carry data are logged by
// their lengths; all others are the frames of the wire. Where the draft has changed names over time,
// those of quic-go v0.65.0 are kept, because tools know them.
//
// DefaultConnectionTracer is a quic.Config.Tracer that writes a file for each connection into the
// directory named by the environment variable QLOGDIR. RedactIPs and WithStreamStates make another tracer of
// one. docs/qlog.md says what is recorded when.
//
// The package decides about no connection and keeps nothing that it is given; encoding runs on the
// goroutine that records.
package qlog
