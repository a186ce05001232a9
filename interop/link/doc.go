// Package link is a link between a client and a server on one machine, with the faults of the network simulator of the QUIC
// interop runner: delay, a bottleneck with a short queue, bursts of loss and corruption, blackouts, and a NAT that
// forgets. It is built on the UDP proxy of integrationtests/tools/proxy; command interop/udplink wraps it.
//
// A Link decides about each datagram on the goroutines of its proxy. Random numbers come from a seed, but since datagrams
// come in real time, the same seed does not lose the same packets.
package link
