// Package xnet tests this QUIC stack against golang.org/x/net/quic over loopback, in both roles.
//
// It has tests only. Each test runs once with our client and their server and once the other way round:
// handshake, transfers in both directions, RESET_STREAM and STOP_SENDING by either side, and the end of the
// connection by either side. Real sockets and real time: nothing here may depend on how fast the machine is.
package xnet
