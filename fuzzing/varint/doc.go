// Package varint fuzzes the variable-length integers.
//
// Whatever the bytes are, Parse, Read and Peek must agree on the number and its length. A number that was
// decoded is encoded again, which is never longer, and decodes to the same.
package varint
