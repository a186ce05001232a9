// Package congestion decides how much may be in flight and how fast it leaves: the
// Controller interface, NewReno (RFC 9002, Section 7), CUBIC (RFC 9438), both with HyStart++ (RFC 9406), BBRv3
// (draft-ietf-ccwg-bbr-06), and a Pacer.
//
// One Controller and one Pacer belong to a path. internal/recovery calls them on the loop
// goroutine of the connection and passes times, sizes and RTTs as arguments; nothing here
// knows a packet number. Values are not safe for concurrent use.
//
// A controller never reads a clock, never calls back, never lets its window fall below two
// packets or rise above maxWindow, and allocates nothing after its construction.
package congestion
