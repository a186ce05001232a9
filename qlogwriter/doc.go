// Package qlogwriter defines how the other packages of this module hand events to a qlog
// trace (draft-ietf-quic-qlog-main-schema), and writes traces to files.
//
// A Trace belongs to one connection and gives each layer that logs a Recorder of its own.
// Both are called from several goroutines at once. A FileSeq encodes an event on the goroutine that records
// it and keeps only the text, up to a limit; its own goroutine, Run, does nothing but write.
package qlogwriter
