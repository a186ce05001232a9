// Package netsim is a bad network between two in-memory endpoints, for tests: it delays, loses, reorders,
// duplicates, corrupts and limits datagrams, and rebinds the client's address. What happens to the n-th
// datagram of a direction follows from a seed alone, not from the other options. The package also
// wraps packet connections so that their reads and writes fail with chosen errnos.
//
// A Net is a simnet.Router and works inside testing/synctest bubbles. Delivery runs on goroutines that
// exist only while something is due. Hooks are called without locks, from the goroutines that send and
// deliver, so both directions may call at the same time.
//
// The package knows nothing of QUIC and is imported by tests only.
package netsim
