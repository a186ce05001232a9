// Package handshake drives the TLS handshake of a connection and makes address validation tokens.
//
// A Driver wraps a crypto/tls QUICConn (RFC 9001, Section 4). It is given CRYPTO data and reports what
// became of it as events: keys, the peer's transport parameters, completion. It orders CRYPTO data of each
// level, bounds what it stores of it, passes it to TLS message by message, and keeps what we have to send.
// A Driver belongs to the goroutine of its connection. crypto/tls runs a goroutine of its own until the
// handshake is complete; Close ends it and must be called on every path.
//
// The callbacks in Params, and those of the application in the tls.Config, are called from within Start,
// HandleCrypto, SetTransportParameters and SendSessionTicket.
//
// A TokenGenerator and a ReplayFilter belong to a server and may be used from any goroutine.
//
// Faults of the peer are *qerr.TransportError; TLS alerts are CRYPTO_ERROR and wrap the error of
// crypto/tls. Nothing that a peer sends makes this package panic.
package handshake
