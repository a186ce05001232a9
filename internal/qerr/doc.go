// Package qerr holds the error types that end a connection or a stream. The public package
// exports them as aliases, so their names, fields, texts and Is/Unwrap behaviour are API.
//
// A fault of the peer is always a *TransportError with the code of the RFC, the type of the
// frame that carried it and a short reason; the reason goes on the wire.
package qerr
