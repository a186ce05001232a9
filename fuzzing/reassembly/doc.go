// Package reassembly fuzzes the reassembly of received ranges.
//
// The bytes are a program of pushes and reads that runs on a Buffer and on a plain array of bytes.
// Whatever the order and the overlaps are, both must give the same bytes, offsets and gaps, and the
// Buffer must refuse exactly the ranges that would leave too many gaps.
package reassembly
