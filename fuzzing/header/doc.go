// Package header fuzzes the parsers of packet headers, which see every datagram before anything about it
// is authenticated.
//
// Whatever the bytes are, the parsers must end, must stay within them, must agree with each other, and
// must read what they would have written.
package header
