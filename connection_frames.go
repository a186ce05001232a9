package quic

import (
	"crypto/sha256"
	"slices"

	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
	"github.com/quic-go/quic-go/internal/wire"
	"github.com/quic-go/quic-go/qlog"
)

// handleFrame handles one frame of a packet of the given level. That the frame may be in such a packet was
// checked by the parser. dst is the Destination Connection ID of the packet.
func (c *Conn) handleFrame(now monotime.Time, level protocol.EncryptionLevel, f *wire.Decoded, dst protocol.ConnectionID) error {
	switch f.Type {
	case wire.FrameTypeStream:
		return c.streams.handleStreamFrame(now, f)
	case wire.FrameTypeAck:
		return c.handleAck(now, level, &f.Ack)
	case wire.FrameTypeDatagram:
		if !c.datagrams.handle(f.Data) {
			c.log.datagramDropped(qlog.DirectionReceiving, len(f.Data), "queue is full")
		}
		return nil
	case wire.FrameTypePadding, wire.FrameTypePing:
		return nil
	case wire.FrameTypeAckFrequency:
		return c.recovery.OnAckFrequency(f)
	case wire.FrameTypeImmediateAck:
		c.recovery.OnImmediateAck()
		return nil
	case wire.FrameTypeCrypto:
		c.life.versionSettled = true
		return c.tls.HandleCrypto(level, f.Offset, f.Data)
	case wire.FrameTypeConnectionClose, wire.FrameTypeApplicationClose:
		c.handleConnectionClose(f)
		return nil
	case wire.FrameTypeHandshakeDone:
		return c.handleHandshakeDone(now)
	case wire.FrameTypeNewToken:
		return c.handleNewToken(f)
	case wire.FrameTypeNewConnectionID:
		change, err := c.received.HandleNew(f)
		c.applyTokenChange(change)
		return err
	case wire.FrameTypeRetireConnectionID:
		return c.handleRetireConnectionID(now, f, dst)
	case wire.FrameTypePathChallenge:
		c.handlePathChallenge(now, f)
		return nil
	case wire.FrameTypePathResponse:
		c.handlePathResponse(now, f)
		return nil
	default:
		return c.handleStreamControl(now, f)
	}
}

// handleStreamControl handles the frames about streams and flow control.
func (c *Conn) handleStreamControl(now monotime.Time, f *wire.Decoded) error {
	switch f.Type {
	case wire.FrameTypeResetStream, wire.FrameTypeResetStreamAt:
		return c.streams.handleResetStream(f)
	case wire.FrameTypeStopSending:
		return c.streams.handleStopSending(f)
	case wire.FrameTypeMaxData:
		return c.streams.handleMaxData(f)
	case wire.FrameTypeMaxStreamData:
		return c.streams.handleMaxStreamData(f)
	case wire.FrameTypeMaxStreamsBidi, wire.FrameTypeMaxStreamsUni:
		return c.streams.handleMaxStreams(f)
	case wire.FrameTypeStreamDataBlocked:
		return c.streams.handleStreamDataBlocked(f)
	case wire.FrameTypeStreamsBlockedBidi, wire.FrameTypeStreamsBlockedUni:
		return c.streams.handleStreamsBlocked(f)
	default:
		return nil // DATA_BLOCKED: our window is tuned by what is read
	}
}

func (c *Conn) handleAck(now monotime.Time, level protocol.EncryptionLevel, ack *wire.Ack) error {
	if err := c.recovery.OnAck(now, level, ack, &c.result); err != nil {
		return err
	}
	c.log.spurious(level, &c.result)
	if level == protocol.Encryption1RTT {
		c.keys.oneRTT.OnAcked(ack.Ranges[0].Largest)
	}
	c.onRecoveryResult()
	c.onMTUResult(now)
	return nil
}

func (c *Conn) handleHandshakeDone(now monotime.Time) error {
	if c.perspective == protocol.PerspectiveServer {
		// RFC 9000, Section 19.20: "A server MUST treat receipt of a HANDSHAKE_DONE frame as a connection error of type
		// PROTOCOL_VIOLATION."
		return qerr.FrameError(qerr.ProtocolViolation, uint64(wire.FrameTypeHandshakeDone), "HANDSHAKE_DONE from a client")
	}
	if !c.life.complete {
		return qerr.FrameError(qerr.ProtocolViolation, uint64(wire.FrameTypeHandshakeDone), "HANDSHAKE_DONE during the handshake")
	}
	if c.tls.Crypto(protocol.EncryptionHandshake).Unsent() > 0 {
		return nil // it overtook the server's Finished and cannot be about ours
	}
	c.confirm(now)
	return nil
}

func (c *Conn) handleNewToken(f *wire.Decoded) error {
	if c.perspective == protocol.PerspectiveServer {
		// RFC 9000, Section 19.7: "A server MUST treat receipt of a NEW_TOKEN frame as a connection error of type
		// PROTOCOL_VIOLATION."
		return qerr.FrameError(qerr.ProtocolViolation, uint64(wire.FrameTypeNewToken), "NEW_TOKEN from a client")
	}
	if c.params.storeToken != nil && c.isNewToken(f.Data) {
		c.params.storeToken(f.Data, c.version, c.recovery.RTT().Smoothed())
	}
	return nil
}

// maxStoredTokens bounds the tokens of a connection that are recognized when they come again.
const maxStoredTokens = 8

// isNewToken reports whether the token was not among the last ones. RFC 9000, Section 19.7: "A client might receive
// multiple NEW_TOKEN frames that contain the same token value [...]. Clients are responsible for discarding duplicate values".
func (c *Conn) isNewToken(token []byte) bool {
	sum := sha256.Sum256(token)
	if slices.Contains(c.life.storedTokens, sum) {
		return false
	}
	if len(c.life.storedTokens) == maxStoredTokens {
		c.life.storedTokens = slices.Delete(c.life.storedTokens, 0, 1)
	}
	c.life.storedTokens = append(c.life.storedTokens, sum)
	return true
}

func (c *Conn) handleRetireConnectionID(now monotime.Time, f *wire.Decoded, dst protocol.ConnectionID) error {
	added, err := c.issued.HandleRetire(now, f.Sequence, dst, 3*c.recovery.RTT().PTO(true))
	if err != nil {
		return err
	}
	c.routeConnectionIDs(added)
	return nil
}
