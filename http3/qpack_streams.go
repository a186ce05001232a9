package http3

import (
	"bufio"
	"io"
	"math"
)

// readEncoderStream reads the instructions of the peer's QPACK encoder. We have announced a dynamic
// table without capacity, so the only one that it can send is to set the capacity to 0.
//
// "The decoder MUST treat a new dynamic table capacity value that exceeds this limit as a connection
// error of type QPACK_ENCODER_STREAM_ERROR." (RFC 9204, Section 4.3.1); "It is an error if the encoder
// attempts to add an entry that is larger than the dynamic table capacity; the decoder MUST treat
// this as a connection error of type QPACK_ENCODER_STREAM_ERROR." (RFC 9204, Section 3.2.2)
func readEncoderStream(r *bufio.Reader) error {
	for {
		c, err := r.ReadByte()
		if err != nil {
			return err
		}
		// Set Dynamic Table Capacity is 001 and an integer with a 5-bit prefix.
		if c>>5 != 0b001 {
			return connErrorf(errCodeQPACKEncoderStream, "insertion into a dynamic table without capacity")
		}
		if c&0x1f != 0 {
			return connErrorf(errCodeQPACKEncoderStream, "dynamic table capacity exceeds the limit 0")
		}
	}
}

// readDecoderStream reads the instructions of the peer's QPACK decoder. We never refer to a dynamic
// table, so there is nothing that it could acknowledge.
//
// "If an encoder receives a Section Acknowledgment instruction referring to a stream on which every
// encoded field section with a non-zero Required Insert Count has already been acknowledged, this MUST
// be treated as a connection error of type QPACK_DECODER_STREAM_ERROR." (RFC 9204, Section 4.4.1); "An
// encoder that receives an Increment field equal to zero, or one that increases the Known Received
// Count beyond what the encoder has sent, MUST treat this as a connection error of type
// QPACK_DECODER_STREAM_ERROR." (RFC 9204, Section 4.4.3)
func readDecoderStream(r *bufio.Reader) error {
	for {
		c, err := r.ReadByte()
		if err != nil {
			return err
		}
		switch {
		case c&0x80 != 0:
			return connErrorf(errCodeQPACKDecoderStream, "Section Acknowledgment although nothing is outstanding")
		case c&0x40 == 0:
			return connErrorf(errCodeQPACKDecoderStream, "invalid Insert Count Increment")
		}
		// Stream Cancellation is 01 and an integer with a 6-bit prefix.
		if _, err := readPrefixedInt(r, c&0x3f, 0x3f); err != nil {
			return err
		}
	}
}

// readPrefixedInt reads the rest of an integer (RFC 7541, Section 5.1, with the limit of RFC 9204,
// Section 4.1.1) whose prefix is there.
func readPrefixedInt(r io.ByteReader, prefix, mask byte) (uint64, error) {
	v := uint64(prefix)
	if prefix < mask {
		return v, nil
	}
	for shift := 0; shift < 63; shift += 7 {
		c, err := r.ReadByte()
		if err != nil {
			return 0, err
		}
		part := uint64(c & 0x7f)
		if part > math.MaxInt64>>shift || v > math.MaxInt64-part<<shift {
			break
		}
		v += part << shift
		if c&0x80 == 0 {
			if v >= 1<<62 {
				break
			}
			return v, nil
		}
	}
	return 0, connErrorf(errCodeQPACKDecoderStream, "integer is too large")
}
