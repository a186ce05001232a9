// Package http3 implements HTTP/3 (RFC 9114) on top of package quic: a server for http.Handlers,
// an http.RoundTripper, and access to single streams for protocols that extend HTTP/3.
//
// It owns what happens inside the streams and DATAGRAM frames of a connection: frames, field
// sections (QPACK with the static table only, RFC 9204), the control stream, HTTP Datagrams and
// capsules (RFC 9297), extended CONNECT (RFC 9220) and priorities (RFC 9218). It never looks at
// packets and uses the public API of package quic only.
//
// Goroutines: a connection has one that accepts unidirectional streams, one for each critical
// stream that the peer has opened, one for datagrams if they are on, and, unless the connection is
// a raw one, one that accepts bidirectional streams. On a server each request has a goroutine while its
// handler runs; those of a listener are used again, one request after the other. On a client a request
// runs in the goroutine that makes it; uploading a request body takes one more.
//
// How a stream stands is never guessed from the results of Read and Write: what depends on it
// (datagrams, maps of streams, the idle timeout, Shutdown) follows the state callbacks of package
// quic. Those run on the loop goroutine of the connection, so they only take short locks here and
// never block.
//
// Everything a peer sends is hostile: each buffer, queue and map that it can fill has a named limit
// in limits.go.
package http3
