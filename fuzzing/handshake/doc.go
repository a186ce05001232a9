// Package handshake fuzzes the TLS handshake of internal/handshake. A client and a server exchange CRYPTO data
// that a script cuts, drops, repeats, reorders, changes and sends at other levels. Each side ends connected
// or with a *qerr.TransportError, and never panics; if nothing was changed, both are connected with the same
// keys. Keys never come for a lower level than before, and completion is reported at most once.
package handshake
