package wire

import (
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
	"github.com/quic-go/quic-go/quicvarint"
)

// A Parser decodes the frames of received packets. There is one per connection; it belongs to the
// connection's goroutine. The zero value is ready, with an ack_delay_exponent of 0.
type Parser struct {
	AckDelayExponent uint8 // the peer's, for ACK frames in 1-RTT packets
	Datagrams        bool  // we advertised max_datagram_frame_size
	ResetStreamAt    bool  // we advertised reset_stream_at
	AckFrequency     bool  // we advertised min_ack_delay

	ackRanges []AckRange
}

// Next decodes the first frame of b, which is the rest of the payload of a packet of level lvl, into d. It
// returns the number of bytes that the frame takes; a run of PADDING counts as one frame. The error is
// always a *qerr.TransportError, and the content of d is undefined then. Whether the payload has a frame
// at all, and what needs the state of the connection, is for the caller to check.
func (p *Parser) Next(b []byte, lvl protocol.EncryptionLevel, d *Decoded) (n int, err error) {
	t, n, err := p.frameType(b, lvl)
	if err != nil {
		return 0, err
	}
	r := frameReader{b: b[n:]}
	*d = Decoded{Type: t}
	err = p.parseBody(&r, lvl, d)
	if r.truncated {
		return 0, qerr.FrameError(qerr.FrameEncodingError, uint64(t), "truncated "+t.String()+" frame")
	}
	if err != nil {
		return 0, err
	}
	return len(b) - len(r.b), nil
}

// frameType parses the type of the frame at the start of b and checks that the frame may be there.
func (p *Parser) frameType(b []byte, lvl protocol.EncryptionLevel) (t FrameType, n int, err error) {
	v, n, err := quicvarint.Parse(b)
	if err != nil {
		return 0, 0, qerr.FrameError(qerr.FrameEncodingError, 0, "truncated frame type")
	}
	t = FrameType(v)
	// RFC 9000, Section 12.4: "a frame type MUST use the shortest possible encoding. [...] An endpoint MAY treat
	// the receipt of a frame type that uses a longer encoding than necessary as a connection error of type
	// PROTOCOL_VIOLATION."
	if n != quicvarint.Len(v) {
		return 0, 0, qerr.FrameError(qerr.ProtocolViolation, v, "frame type is not encoded minimally")
	}
	levels := t.row().levels
	// RFC 9000, Section 12.4: "An endpoint MUST treat the receipt of a frame of unknown type as a connection
	// error of type FRAME_ENCODING_ERROR."
	if levels == 0 || !p.negotiated(t) {
		return 0, 0, qerr.FrameError(qerr.FrameEncodingError, v, "unknown frame type")
	}
	// RFC 9000, Section 12.4: "An endpoint MUST treat receipt of a frame in a packet type that is not permitted
	// as a connection error of type PROTOCOL_VIOLATION."
	if !levels.contains(lvl) {
		return 0, 0, qerr.FrameError(qerr.ProtocolViolation, v, t.String()+" frame in "+lvl.String()+" packet")
	}
	// RFC 9221, Section 3: "An endpoint that receives a DATAGRAM frame when it has not indicated support via the
	// transport parameter MUST terminate the connection with an error of type PROTOCOL_VIOLATION."
	if t&^1 == FrameTypeDatagram && !p.Datagrams {
		return 0, 0, qerr.FrameError(qerr.ProtocolViolation, v, "DATAGRAM frame without max_datagram_frame_size")
	}
	return t, n, nil
}

// negotiated reports whether the frame type is known to who has not negotiated the extensions that we have not.
func (p *Parser) negotiated(t FrameType) bool {
	switch t {
	case FrameTypeResetStreamAt:
		return p.ResetStreamAt
	case FrameTypeAckFrequency, FrameTypeImmediateAck:
		return p.AckFrequency
	}
	return true
}

// parseBody parses what follows the type of the frame, which d.Type gives.
func (p *Parser) parseBody(r *frameReader, lvl protocol.EncryptionLevel, d *Decoded) (err error) {
	switch t := d.Type; t {
	case FrameTypePadding:
		r.skipPadding()
	case FrameTypePing, FrameTypeHandshakeDone, FrameTypeImmediateAck:
	case FrameTypeAck, FrameTypeAckECN:
		exponent := uint8(protocol.DefaultAckDelayExponent)
		if lvl == protocol.Encryption1RTT {
			exponent = p.AckDelayExponent
		}
		p.ackRanges, err = d.parseAck(r, exponent, p.ackRanges)
	case FrameTypeAckFrequency:
		err = d.parseAckFrequency(r)
	case FrameTypeCrypto:
		err = d.parseCrypto(r)
	case FrameTypeNewToken:
		err = d.parseNewToken(r)
	case FrameTypeNewConnectionID:
		err = d.parseNewConnectionID(r)
	case FrameTypeRetireConnectionID:
		d.parseRetireConnectionID(r)
	case FrameTypePathChallenge, FrameTypePathResponse:
		d.parsePathData(r)
	case FrameTypeConnectionClose, FrameTypeApplicationClose:
		d.parseConnectionClose(r)
	case FrameTypeDatagram, FrameTypeDatagramLen:
		err = d.parseDatagram(r)
	default:
		err = d.parseStreamsFrame(r)
	}
	return err
}

// parseStreamsFrame is parseBody for the frames that concern streams and their limits.
func (d *Decoded) parseStreamsFrame(r *frameReader) error {
	switch d.Type {
	case FrameTypeResetStream:
		d.parseResetStream(r)
	case FrameTypeResetStreamAt:
		return d.parseResetStreamAt(r)
	case FrameTypeStopSending:
		d.parseStopSending(r)
	case FrameTypeMaxData, FrameTypeDataBlocked:
		d.parseLimit(r)
	case FrameTypeMaxStreamData, FrameTypeStreamDataBlocked:
		d.parseStreamLimit(r)
	case FrameTypeMaxStreamsBidi, FrameTypeMaxStreamsUni, FrameTypeStreamsBlockedBidi, FrameTypeStreamsBlockedUni:
		return d.parseStreamCount(r)
	default:
		return d.parseStream(r)
	}
	return nil
}

// encodingError is called before the type loses its flags.
func (d *Decoded) encodingError(reason string) error {
	return qerr.FrameError(qerr.FrameEncodingError, uint64(d.Type), d.Type.String()+": "+reason)
}
