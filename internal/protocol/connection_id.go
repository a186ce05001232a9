package protocol

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
)

// MaxConnectionIDLen is the length of the longest connection ID of QUIC versions 1 and 2
// (RFC 9000, Section 17.2).
const MaxConnectionIDLen = 20

// MinInitialDestinationConnectionIDLen is the length of the shortest Destination
// Connection ID of a client's first Initial (RFC 9000, Section 7.2).
const MinInitialDestinationConnectionIDLen = 8

// ErrInvalidConnectionIDLen reports a connection ID that is longer than its QUIC version allows.
var ErrInvalidConnectionIDLen = errors.New("invalid Connection ID length")

// A ConnectionID is a connection ID of at most 20 bytes. It is comparable, so it can be the
// key of a map. The zero value is no connection ID at all; it differs from the empty one.
type ConnectionID struct {
	b    [MaxConnectionIDLen]byte
	len1 uint8 // length + 1; 0 marks the zero value
}

// ParseConnectionID copies b into a ConnectionID. It panics if b is longer than 20 bytes;
// whoever reads b from the network checks its length first.
func ParseConnectionID(b []byte) ConnectionID {
	if len(b) > MaxConnectionIDLen {
		panic("invalid conn id length")
	}
	c := ConnectionID{len1: uint8(len(b)) + 1}
	copy(c.b[:], b)
	return c
}

// RandomConnectionID returns an unpredictable connection ID of n bytes, 0 <= n <= 20.
func RandomConnectionID(n int) (ConnectionID, error) {
	if n < 0 || n > MaxConnectionIDLen {
		return ConnectionID{}, fmt.Errorf("connection ID length %d is not in 0..%d", n, MaxConnectionIDLen)
	}
	c := ConnectionID{len1: uint8(n) + 1}
	rand.Read(c.b[:n]) // never fails
	return c, nil
}

// Valid reports whether c is a connection ID, possibly an empty one, and not the zero value.
func (c ConnectionID) Valid() bool { return c.len1 != 0 }

// Len returns the length in bytes. It is 0 for the zero value.
func (c ConnectionID) Len() int {
	if c.len1 == 0 {
		return 0
	}
	return int(c.len1) - 1
}

// Bytes returns a copy of the connection ID's bytes.
func (c ConnectionID) Bytes() []byte { return c.b[:c.Len():c.Len()] }

// Append appends the connection ID's bytes to b, without allocating if b has room.
func (c *ConnectionID) Append(b []byte) []byte { return append(b, c.b[:c.Len()]...) }

// String returns the bytes in hexadecimal, "(empty)" or, for the zero value, "(invalid)".
func (c ConnectionID) String() string {
	switch {
	case !c.Valid():
		return "(invalid)"
	case c.Len() == 0:
		return "(empty)"
	}
	return hex.EncodeToString(c.b[:c.Len()])
}

// A StatelessResetToken is the proof in a stateless reset (RFC 9000, Section 10.3).
type StatelessResetToken [16]byte
