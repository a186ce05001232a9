// Package quicvarint encodes and decodes the variable-length integers of QUIC (RFC 9000, Section 16).
//
// The two most significant bits of the first byte give the length of the encoding: 1, 2, 4 or 8 bytes.
// The other bits hold the number in network byte order, so the largest number is 2^62-1. Decoding
// accepts encodings that are longer than necessary; where they are forbidden the caller compares with Len.
//
// All functions are safe for concurrent use and keep no state. Append, AppendWithLen and Len panic if
// the number does not fit; whoever encodes a number of unknown origin compares it with Max first.
package quicvarint
