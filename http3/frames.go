package http3

import (
	"io"

	"github.com/quic-go/quic-go/quicvarint"
)

// A FrameType is the type of an HTTP/3 frame (RFC 9114, Section 7.2).
type FrameType uint64

const (
	frameData                  FrameType = 0x0
	frameHeaders               FrameType = 0x1
	frameCancelPush            FrameType = 0x3
	frameSettings              FrameType = 0x4
	framePushPromise           FrameType = 0x5
	frameGoAway                FrameType = 0x7
	frameMaxPushID             FrameType = 0xd
	framePriorityUpdateRequest FrameType = 0xf0700 // RFC 9218, Section 7.2
	framePriorityUpdatePush    FrameType = 0xf0701
)

// isReserved reports whether t is a frame of HTTP/2 without a counterpart in HTTP/3.
//
// "These frame types MUST NOT be sent, and their receipt MUST be treated as a connection error of
// type H3_FRAME_UNEXPECTED." (RFC 9114, Section 7.2.8)
func (t FrameType) isReserved() bool { return t == 0x2 || t == 0x6 || t == 0x8 || t == 0x9 }

// isControl reports whether t is known and allowed on control streams only.
func (t FrameType) isControl() bool {
	switch t {
	case frameCancelPush, frameSettings, frameGoAway, frameMaxPushID, framePriorityUpdateRequest, framePriorityUpdatePush:
		return true
	default:
		return false
	}
}

// maxFrameHeader is the length of the longest type and length of a frame.
const maxFrameHeader = 16

func appendFrameHeader(b []byte, t FrameType, length int) []byte {
	return quicvarint.Append(quicvarint.Append(b, uint64(t)), uint64(length))
}

// readFrameHeader reads the type and the length of the next frame and no byte beyond. It returns
// io.EOF only if there is no further frame. The header is left in scratch.
func readFrameHeader(r io.Reader, scratch *[maxFrameHeader]byte) (t FrameType, length uint64, err error) {
	// The shortest header has two bytes.
	if _, err := io.ReadFull(r, scratch[:2]); err != nil {
		return 0, 0, err
	}
	have, typeLen := 2, 1<<(scratch[0]>>6)
	if typeLen > 1 {
		if err := readMore(r, scratch[have:typeLen+1]); err != nil {
			return 0, 0, err
		}
		have = typeLen + 1
	}
	end := typeLen + 1<<(scratch[typeLen]>>6)
	if err := readMore(r, scratch[have:end]); err != nil {
		return 0, 0, err
	}
	typ, _, _ := quicvarint.Parse(scratch[:typeLen])
	length, _, _ = quicvarint.Parse(scratch[typeLen:end])
	return FrameType(typ), length, nil
}

// readMore fills b from a stream that must not end before.
func readMore(r io.Reader, b []byte) error {
	_, err := io.ReadFull(r, b)
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// firstPayloadBytes is the memory that the mere announcement of a frame costs.
const firstPayloadBytes = 4 << 10

// readPayload appends the n bytes of a frame's payload to b, which grows as they arrive.
// The caller has compared n with a limit.
func readPayload(r io.Reader, b []byte, n int) ([]byte, error) {
	for n > 0 {
		if len(b) == cap(b) {
			grow := min(n, max(firstPayloadBytes, len(b)))
			b = append(b, make([]byte, grow)...)[:len(b)]
		}
		m, err := r.Read(b[len(b):min(cap(b), len(b)+n)])
		b = b[:len(b)+m]
		n -= m
		if err != nil && n > 0 {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return b, err
		}
	}
	return b, nil
}

// skipPayload reads and forgets the n bytes of a frame's payload.
func skipPayload(r io.Reader, n uint64) error {
	// A length is below 2^62, so it is a valid int64.
	_, err := io.CopyN(io.Discard, r, int64(n))
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
