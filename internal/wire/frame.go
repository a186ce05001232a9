package wire

import (
	"fmt"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/quicvarint"
)

// A Frame is a frame that can be written. The encoding is the same in all versions.
type Frame interface {
	// Append appends the encoded frame to b. The error says that a field has a value that cannot be encoded.
	Append(b []byte, v protocol.Version) ([]byte, error)
	// Length returns the number of bytes that Append appends.
	Length(v protocol.Version) protocol.ByteCount
}

// appendVarints appends a frame type and the integers that follow it. It fails if one of them, perhaps
// a negative number before its conversion, is too large.
func appendVarints(b []byte, t FrameType, values ...uint64) ([]byte, error) {
	out, err := appendValues(quicvarint.Append(b, uint64(t)), t, values...)
	if err != nil {
		return b, err
	}
	return out, nil
}

// appendValues is appendVarints without the type, which it names in the error.
func appendValues(b []byte, t FrameType, values ...uint64) ([]byte, error) {
	for _, v := range values {
		if v > quicvarint.Max {
			return b, fmt.Errorf("%s: value %d exceeds 2^62-1", t, v)
		}
		b = quicvarint.Append(b, v)
	}
	return b, nil
}

// varintsLen returns the number of bytes that appendVarints appends.
func varintsLen(t FrameType, values ...uint64) protocol.ByteCount {
	return protocol.ByteCount(quicvarint.Len(uint64(t))) + valuesLen(values...)
}

// valuesLen returns the number of bytes that appendValues appends.
func valuesLen(values ...uint64) protocol.ByteCount {
	n := 0
	for _, v := range values {
		n += quicvarint.Len(min(v, quicvarint.Max))
	}
	return protocol.ByteCount(n)
}

// maxPrefixed returns the largest n so that n bytes and their length, an integer, fit into room bytes.
func maxPrefixed(room protocol.ByteCount) protocol.ByteCount {
	total := func(n protocol.ByteCount) protocol.ByteCount {
		return n + protocol.ByteCount(quicvarint.Len(uint64(n)))
	}
	if room < 1 {
		return 0
	}
	n := max(0, room-protocol.ByteCount(quicvarint.Len(uint64(room))))
	for total(n+1) <= room {
		n++
	}
	return n
}
