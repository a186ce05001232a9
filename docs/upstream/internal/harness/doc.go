// Package harness is what the programs of this module share: certificates, connections and HTTP/3 over loopback,
// and the exit status.
//
// A program that shows its failure exits with status 1 and one line that says what is wrong. Status 0 means that
// the behaviour is right, status 2 that the program could not tell. The package uses the public API of quic-go
// v0.65.0 only.
package harness
