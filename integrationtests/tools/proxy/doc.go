// Package quicproxy is a UDP proxy between QUIC clients and a server, for tests: it drops and delays datagrams as it
// is told, and can move a client to another source address as a NAT would.
//
// A Proxy runs one goroutine for the datagrams of the clients and, for each client, one for the answers and two
// for delayed datagrams; Close ends them all and waits for them. The callbacks run on these goroutines, several
// at a time, and must not keep the datagram that they are given.
package quicproxy
