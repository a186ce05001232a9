// Package events records qlog events in memory, for tests.
//
// A test gives a Trace to quic.Config.Tracer and looks at the events of its Recorder afterwards, or while
// the connection goes on: all methods may be called from any goroutine. A Recorder keeps everything until
// Clear; it is not meant for programs that run for long.
package events
