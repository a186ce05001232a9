// Package quictest is a scripted QUIC endpoint for tests. A Peer does what its test tells it to, right or wrong, to
// an endpoint of package quic, which it never imports: it speaks real TLS (internal/handshake), protects packets with real keys
// (internal/protect), and writes and reads frames with internal/wire.
//
// A Peer is a client or a server on a net.PacketConn of a simulated network, in a testing/synctest bubble. Left alone
// it completes the handshake, acknowledges what it receives and answers PATH_CHALLENGE; each of that can be held
// back and done by hand. It never retransmits and has no timers. What it sends besides is up to the test: frames or raw
// bytes at any level, with any header, in any combination, protected or corrupted. What it receives is decoded and
// kept, for the Expect functions and for the report of a test that failed.
//
// The methods of a Peer belong to the goroutine of the test; they fail the test themselves. Another goroutine of
// the Peer reads datagrams and reacts to them; it ends when the test does.
//
//	p := quictest.NewClient(t, conn, serverAddr, quictest.Options{TLS: tlsConfig})
//	p.Handshake()
//	p.Send(protocol.Encryption1RTT, &wire.HandshakeDoneFrame{})
//	p.ExpectClose(qerr.ProtocolViolation)
//
// It is imported by tests only.
package quictest
