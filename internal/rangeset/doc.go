// Package rangeset holds sets of integers as sorted lists of ranges: received packet numbers, the bytes of
// a stream that were acknowledged, lost or received.
//
// A Set belongs to one goroutine or is guarded by its owner's mutex. It does not bound its own size: who
// adds what a peer sent counts the ranges with Len and forgets the lowest with DropFirst, or refuses.
package rangeset
