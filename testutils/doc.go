// Package testutils composes QUIC packets for tests of programs that use package quic, for example packets
// that an attacker injects into a handshake.
//
// Initial packets are protected with keys that everybody on the path can compute (RFC 9001, Section 5.2),
// so that they can be made without the secrets of a connection. The frames are those that package qlog
// logs, with CRYPTO and STREAM frames that carry data.
//
// All functions may be called from any goroutine. They panic if a frame cannot be encoded.
package testutils
