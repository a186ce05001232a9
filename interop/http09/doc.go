// Package http09 is HTTP/0.9 over QUIC, the protocol "hq-interop" of the interoperability tests: a request is
// "GET path" on a stream of its own, the response is everything up to the end of that stream.
//
// RoundTripper is the client, an http.RoundTripper that keeps one connection for each authority. Server answers the
// requests of a listener with an http.ServeMux; each request runs on a goroutine of its own. Neither is meant
// for anything but tests: there are no headers, no status codes and no methods.
package http09

// NextProto is the ALPN protocol ID.
const NextProto = "hq-interop"
