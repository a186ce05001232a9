package http3

import (
	"bufio"
	"io"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3/qlog"
	"github.com/quic-go/quic-go/quicvarint"
)

// A StreamType is the type of a unidirectional stream (RFC 9114, Section 6.2).
type StreamType uint64

const (
	streamControl      StreamType = 0x0
	streamPush         StreamType = 0x1
	streamQPACKEncoder StreamType = 0x2 // RFC 9204, Section 4.2
	streamQPACKDecoder StreamType = 0x3
)

// The critical streams of a peer.
const (
	criticalControl = iota
	criticalEncoder
	criticalDecoder
	numCriticalStreams
)

var criticalNames = [numCriticalStreams]string{"control", "QPACK encoder", "QPACK decoder"}

// acceptUniStreams handles the unidirectional streams of the peer until the connection is over.
func (c *connection) acceptUniStreams() {
	for {
		str, err := c.qc.AcceptUniStream(c.qc.Context())
		if err != nil {
			return
		}
		go c.handleUniStream(str)
	}
}

// handleUniStream reads a unidirectional stream of the peer. It returns when the stream is over,
// for a critical one at the end of the connection.
func (c *connection) handleUniStream(str *quic.ReceiveStream) {
	defer str.ReleaseStreamCredit()
	typ, err := quicvarint.Read(quicvarint.NewReader(str))
	if err != nil {
		// "A receiver MUST tolerate unidirectional streams being closed or reset prior to the
		// reception of the unidirectional stream header." (RFC 9114, Section 6.2)
		return
	}
	c.log.streamType(qlog.InitiatorRemote, str.StreamID(), StreamType(typ))
	switch StreamType(typ) {
	case streamControl:
		err = c.readCritical(str, criticalControl, c.readControlStream)
	case streamQPACKEncoder:
		err = c.readCritical(str, criticalEncoder, readEncoderStream)
	case streamQPACKDecoder:
		err = c.readCritical(str, criticalDecoder, readDecoderStream)
	case streamPush:
		err = c.checkPushStream()
	default:
		// "Recipients of unknown stream types MUST either abort reading of the stream or discard
		// incoming data without further processing. [...] The recipient MUST NOT consider unknown
		// stream types to be a connection error of any kind." (RFC 9114, Section 6.2)
		str.CancelRead(quic.StreamErrorCode(ErrCodeStreamCreationError))
		return
	}
	if e, ok := err.(*connError); ok {
		c.abort(e)
	}
}

// checkPushStream returns the error that a push stream is. We never allow pushes.
//
// "Only servers can push; if a server receives a client-initiated push stream, this MUST be treated as
// a connection error of type H3_STREAM_CREATION_ERROR." (RFC 9114, Section 6.2.2)
func (c *connection) checkPushStream() error {
	if c.role == server {
		return connErrorf(ErrCodeStreamCreationError, "push stream from a client")
	}
	return connErrorf(ErrCodeIDError, "push stream although pushes are not allowed")
}

// readCritical reads a stream that must exist once, and must not end before the connection.
//
// "receipt of a second stream claiming to be a control stream MUST be treated as a connection error of
// type H3_STREAM_CREATION_ERROR"; "If either control stream is closed at any point, this MUST be
// treated as a connection error of type H3_CLOSED_CRITICAL_STREAM." (RFC 9114, Section 6.2.1; RFC 9204,
// Section 4.2 says the same of the QPACK streams.)
func (c *connection) readCritical(str *quic.ReceiveStream, which int, read func(*bufio.Reader) error) error {
	if c.critical[which].Swap(true) {
		return connErrorf(ErrCodeStreamCreationError, "second %s stream", criticalNames[which])
	}
	if which == criticalControl {
		c.peerControl = str.StreamID()
	}
	err := read(bufio.NewReaderSize(str, 512))
	switch err.(type) {
	case *connError:
		return err
	case *quic.StreamError:
		return connErrorf(ErrCodeClosedCriticalStream, "%s stream was reset", criticalNames[which])
	}
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return connErrorf(ErrCodeClosedCriticalStream, "%s stream was closed", criticalNames[which])
	}
	return err // the connection is over
}
