// Package sendbuf fuzzes the buffer of written bytes.
//
// The bytes are a program of writes, transmissions, acknowledgements and losses that runs on a
// Buffer and on a plain array with one state per byte. Whatever the peer acknowledges in whatever
// order, both must agree on what is unsent, lost and acknowledged, and no byte that is still needed
// may be forgotten or changed.
package sendbuf
