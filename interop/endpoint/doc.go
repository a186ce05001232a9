// Package endpoint plays the client and the server of the QUIC interop runner (github.com/quic-interop): a test case names
// what to do, the client fetches files, the server has them. The commands interop/client and interop/server
// wrap it.
//
// The runner looks at captured packets to see whether a case was played as it should be. What a client can see for itself
// it checks itself: resumption, the cipher suite and the version. Servers cannot announce a preferred address, so
// they refuse the case "connectionmigration"; clients play it.
//
// A Client runs on the goroutine that calls Run and one for each file, a Server on those of its listener. Case
// "chacha20" changes crypto/tls for the whole process.
package endpoint
