package http3

import (
	"io"

	"github.com/quic-go/quic-go/quicvarint"
)

// nextFrame returns the type and the length of the next DATA or HEADERS frame. Frames of unknown types
// are skipped. It returns io.EOF at the end of the stream.
func (s *Stream) nextFrame() (FrameType, uint64, error) {
	for {
		t, length, err := readFrameHeader(s.str, &s.frameHeader)
		if err == io.ErrUnexpectedEOF {
			return 0, 0, truncated("frame header")
		}
		if err != nil {
			return 0, 0, err
		}
		if t != frameHeaders {
			s.log.parsed(s.StreamID(), t, length, nil)
		}
		switch {
		case t == frameData || t == frameHeaders:
			return t, length, nil
		case t == framePushPromise:
			return 0, 0, s.checkPushPromise(length)
		case t.isControl() || t.isReserved():
			return 0, 0, connErrorf(ErrCodeFrameUnexpected, "frame of type %#x on a request stream", uint64(t))
		}
		// "Implementations MUST ignore unknown or unsupported values in all extensible protocol
		// elements." (RFC 9114, Section 9)
		if err := skipPayload(s.str, length); err != nil {
			if err == io.ErrUnexpectedEOF {
				err = truncated("frame of unknown type")
			}
			return 0, 0, err
		}
	}
}

// checkPushPromise returns the error that a PUSH_PROMISE frame is. We never allow pushes.
//
// "A server MUST NOT use a push ID that is larger than the client has provided in a MAX_PUSH_ID frame
// (Section 7.2.7). A client MUST treat receipt of a PUSH_PROMISE frame that contains a larger push ID
// than the client has advertised as a connection error of H3_ID_ERROR." "A client MUST NOT send a
// PUSH_PROMISE frame. A server MUST treat the receipt of a PUSH_PROMISE frame as a connection error of
// type H3_FRAME_UNEXPECTED." (RFC 9114, Section 7.2.5)
func (s *Stream) checkPushPromise(length uint64) error {
	if s.conn.role == server {
		return connErrorf(ErrCodeFrameUnexpected, "PUSH_PROMISE frame from a client")
	}
	b, err := readPayload(s.str, nil, int(min(length, 8)))
	if err == io.ErrUnexpectedEOF {
		return truncated("PUSH_PROMISE frame")
	}
	if err != nil {
		return err
	}
	if _, _, err := quicvarint.Parse(b); err != nil {
		return connErrorf(ErrCodeFrameError, "PUSH_PROMISE frame without push ID")
	}
	return connErrorf(ErrCodeIDError, "PUSH_PROMISE frame although pushes are not allowed")
}
