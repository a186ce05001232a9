// Package protocol holds the plain value types and numbers of QUIC that every other
// package shares: stream IDs, connection IDs, packet numbers, byte counts, versions,
// encryption levels and the limits that bound what a peer can make us store.
//
// It has no behaviour beyond arithmetic on these values, owns no state and may be used
// from any goroutine. It imports nothing of this module but quicvarint.
package protocol
