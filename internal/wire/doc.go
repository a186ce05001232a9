// Package wire turns the bytes of QUIC packets into values and back: packet headers, frames and
// transport parameters (RFC 9000, Sections 17 to 19).
//
// Received frames are decoded by a Parser, one per connection, into a Decoded that is used again for the
// next frame; STREAM, CRYPTO, DATAGRAM and ACK frames are written by Append functions that take plain
// values. Neither allocates. The frame structs, one per file, serve frames that are rare, logging and
// tests. What a frame type is called, where it may appear and whether it asks for an acknowledgement
// stands in one place, frame_table.go.
//
// The package checks what can be checked without the state of a connection, and nothing else: whether a
// stream exists or a limit is kept is for its callers. All input is hostile. Memory is bounded by the size
// of the packet, and every fault is reported as an error, never as a panic. Functions have no state; a
// Parser belongs to the goroutine of its connection.
package wire
