// Package goodput measures how much of a simulated link the congestion controllers use, in virtual time:
// one flow on a clean link, one with random loss, and several that share a link. Transfers go from
// a server to its clients through whole connections, so that flow control, pacing, acknowledgements and the
// marking of application-limited periods count as well as the controllers.
//
// "make goodput" prints the table. The tests assert a short version of it.
package goodput
