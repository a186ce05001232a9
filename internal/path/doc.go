// Package path decides about the paths of a connection: which one is in use, which are proved to lead to the peer, and
// when that is to be tried (RFC 9000, Sections 8.2 and 9).
//
// A Manager belongs to one connection and is used by its loop only. It knows paths by small numbers; what a path is
// - a socket, an address, a connection ID - is the business of the caller, who keeps a table by the same numbers. It is told
// what was received on which path and answers what to send there: challenges, their repetition, responses, all within the
// anti-amplification limit. The caller asks it after each Follow, response and timeout whether the active path has changed.
//
// A client chooses its path (Choose). A server follows the client to an address that it has not proved yet (Follow) and
// keeps the last proved one to fall back on, so that neither a NAT that gives a client another port nor an attacker who
// copies packets ends a connection.
//
// There are at most protocol.MaxPaths paths at any time, whatever the peer sends. The package never reads a clock and
// sends nothing itself.
package path
