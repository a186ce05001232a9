// Package monotime is an 8-byte monotonic time. Now is called by the connection loop, by
// internal/udp and by the deadline waits of Read and Write; all other code receives a Time.
//
// The zero Time means "not set". Inside a testing/synctest bubble the clock starts in the
// year 2000, so times may be negative: compare times with each other, never with a sign.
package monotime
