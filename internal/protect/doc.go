// Package protect protects packets: it derives keys from TLS secrets and from connection IDs
// (RFC 9001, Section 5, and RFC 9369 for version 2), seals and opens packets in place, applies
// and removes header protection, updates keys (RFC 9001, Section 6) and computes the integrity
// tag of Retry packets.
//
// A Sealer, an Opener and a OneRTT belong to one connection and one goroutine at a time; they
// hold scratch memory so that Seal and Open do not allocate. RetryTag may be called from any
// goroutine.
//
// The package never reads a clock, never logs, and nothing in a received packet makes it panic.
// What it returns about a packet is trustworthy only if the error is nil.
package protect
