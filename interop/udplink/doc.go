// Command udplink forwards UDP datagrams between clients and a server, with the faults of the network simulator of the QUIC
// interop runner, until it is interrupted. It prints the address that it listens on.
//
//	udplink -server HOST:PORT [-loss 0.3] [-delay 15ms] [-rate 10000000] [...]
//
// Package interop/link says what the flags mean.
package main
