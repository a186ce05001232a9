package http3

import (
	"bufio"
	"io"

	"github.com/quic-go/quic-go/quicvarint"
)

// readControlStream handles the frames on the peer's control stream.
func (c *connection) readControlStream(r *bufio.Reader) error {
	var header [maxFrameHeader]byte
	// "If the first frame of the control stream is any other frame type, this MUST be treated as a
	// connection error of type H3_MISSING_SETTINGS." (RFC 9114, Section 6.2.1)
	t, length, err := readFrameHeader(r, &header)
	if err != nil {
		return err
	}
	if t != frameSettings {
		return connErrorf(ErrCodeMissingSettings, "first frame on the control stream has type %#x", uint64(t))
	}
	if err := c.readSettings(r, length); err != nil {
		return err
	}
	for {
		t, length, err := readFrameHeader(r, &header)
		if err != nil {
			return err
		}
		if err := c.handleControlFrame(r, t, length); err != nil {
			return err
		}
	}
}

func (c *connection) readSettings(r io.Reader, length uint64) error {
	if length > maxSettingsBytes {
		return connErrorf(ErrCodeExcessiveLoad, "SETTINGS frame of %d bytes", length)
	}
	b, err := readPayload(r, nil, int(length))
	if err != nil {
		return err
	}
	c.log.parsed(c.peerControl, frameSettings, length, b)
	s, err := parseSettings(b)
	if err != nil {
		return err
	}
	return c.setSettings(s)
}

// handleControlFrame handles a frame other than the first.
func (c *connection) handleControlFrame(r io.Reader, t FrameType, length uint64) error {
	switch t {
	case frameData, frameHeaders, framePushPromise, frameSettings:
		// RFC 9114, Sections 7.2.1, 7.2.2, 7.2.5 and, for a second SETTINGS frame, 7.2.4.
		return connErrorf(ErrCodeFrameUnexpected, "frame of type %#x on the control stream", uint64(t))
	case frameGoAway, frameCancelPush, frameMaxPushID:
		return c.handleIDFrame(r, t, length)
	case framePriorityUpdateRequest, framePriorityUpdatePush:
		return c.readPriorityUpdate(r, t, length)
	}
	if t.isReserved() {
		return connErrorf(ErrCodeFrameUnexpected, "frame of type %#x", uint64(t))
	}
	c.log.parsed(c.peerControl, t, length, nil)
	return skipPayload(r, length)
}

// handleIDFrame handles the frames that consist of one ID.
func (c *connection) handleIDFrame(r io.Reader, t FrameType, length uint64) error {
	if length > 8 {
		return connErrorf(ErrCodeFrameError, "frame of type %#x with %d bytes", uint64(t), length)
	}
	b, err := readPayload(r, nil, int(length))
	if err != nil {
		return err
	}
	c.log.parsed(c.peerControl, t, length, b)
	id, n, err := quicvarint.Parse(b)
	if err != nil || n != len(b) {
		return connErrorf(ErrCodeFrameError, "frame of type %#x with %d bytes", uint64(t), length)
	}
	switch t {
	case frameGoAway:
		return c.endpoint.handleGoAway(id)
	case frameMaxPushID:
		return c.endpoint.handleMaxPushID(id)
	default:
		// "If a CANCEL_PUSH frame is received that references a push ID greater than currently
		// allowed on the connection, this MUST be treated as a connection error of type
		// H3_ID_ERROR." "If a server receives a CANCEL_PUSH frame for a push ID that has not yet
		// been mentioned by a PUSH_PROMISE frame, this MUST be treated as a connection error of
		// type H3_ID_ERROR." (RFC 9114, Section 7.2.3)
		return connErrorf(ErrCodeIDError, "CANCEL_PUSH frame for push %d, which does not exist", id)
	}
}

func (c *connection) readPriorityUpdate(r io.Reader, t FrameType, length uint64) error {
	if length > maxControlFrameBytes {
		return connErrorf(ErrCodeExcessiveLoad, "PRIORITY_UPDATE frame of %d bytes", length)
	}
	b, err := readPayload(r, nil, int(length))
	if err != nil {
		return err
	}
	c.log.parsed(c.peerControl, t, length, b)
	return c.endpoint.handlePriorityUpdate(t, b)
}
