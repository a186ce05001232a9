package quicvarint

import (
	"encoding/binary"
	"fmt"
	"io"
)

// The range of numbers that can be encoded.
const (
	Min = 0
	Max = 1<<62 - 1
)

// The largest numbers that fit 1, 2 and 4 bytes.
const (
	max1 = 1<<6 - 1
	max2 = 1<<14 - 1
	max4 = 1<<30 - 1
)

// Len returns the length of the shortest encoding of v in bytes. It panics if v is larger than Max.
func Len(v uint64) int {
	switch {
	case v <= max1:
		return 1
	case v <= max2:
		return 2
	case v <= max4:
		return 4
	case v <= Max:
		return 8
	}
	panic(tooLarge(v))
}

// Append appends the shortest encoding of v to b. It panics if v is larger than Max.
func Append(b []byte, v uint64) []byte {
	switch {
	case v <= max1:
		return append(b, byte(v))
	case v <= max2:
		return append(b, byte(v>>8)|0x40, byte(v))
	case v <= max4:
		return binary.BigEndian.AppendUint32(b, uint32(v)|0x8000_0000)
	case v <= Max:
		return binary.BigEndian.AppendUint64(b, v|0xc000_0000_0000_0000)
	}
	panic(tooLarge(v))
}

// AppendWithLen appends the encoding of v in exactly length bytes to b. It panics if length is not 1, 2,
// 4 or 8, or if v does not fit.
func AppendWithLen(b []byte, v uint64, length int) []byte {
	if length != 1 && length != 2 && length != 4 && length != 8 {
		panic("invalid varint length")
	}
	if Len(v) > length {
		panic(fmt.Sprintf("cannot encode %d in %d bytes", v, length))
	}
	switch length {
	case 1:
		return append(b, byte(v))
	case 2:
		return append(b, byte(v>>8)|0x40, byte(v))
	case 4:
		return binary.BigEndian.AppendUint32(b, uint32(v)|0x8000_0000)
	}
	return binary.BigEndian.AppendUint64(b, v|0xc000_0000_0000_0000)
}

// Parse decodes the number at the start of b and returns it with the length of its encoding. The error is
// io.EOF if b is empty and io.ErrUnexpectedEOF if b ends inside the number.
func Parse(b []byte) (uint64, int, error) {
	if len(b) == 0 {
		return 0, 0, io.EOF
	}
	n := lenFromFirstByte(b[0])
	if len(b) < n {
		return 0, 0, io.ErrUnexpectedEOF
	}
	return decode(b, n), n, nil
}

func lenFromFirstByte(b byte) int { return 1 << (b >> 6) }

// decode decodes the first n bytes of b.
func decode(b []byte, n int) uint64 {
	switch n {
	case 1:
		return uint64(b[0] & max1)
	case 2:
		return uint64(binary.BigEndian.Uint16(b) & max2)
	case 4:
		return uint64(binary.BigEndian.Uint32(b) & max4)
	}
	return binary.BigEndian.Uint64(b) & Max
}

func tooLarge(v uint64) error { return fmt.Errorf("value doesn't fit into 62 bits: %d", v) }
