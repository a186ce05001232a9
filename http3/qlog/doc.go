// Package qlog defines the events of HTTP/3 and how they are written as JSON
// (draft-ietf-quic-qlog-h3-events).
//
// Package http3 records them into the trace of the connection, see quic.Conn.QlogTrace. Header fields are
// part of them; RedactHeaders keeps secrets out of the file.
//
// Events are plain values. The package keeps nothing that it is given, and is called from any goroutine.
package qlog
