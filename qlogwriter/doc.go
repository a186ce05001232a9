// Package qlogwriter defines how the other packages of this module hand events to a qlog
// trace (draft-ietf-quic-qlog-main-schema).
//
// A Trace belongs to one connection and gives each layer that logs a Recorder of its own.
// Both are called from several goroutines at once; they must not block.
package qlogwriter
