package quic

import (
	"bytes"
	"errors"
	"sync"
	"time"

	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
	"github.com/quic-go/quic-go/internal/wire"
)

// An endKind says what the peer is told about the end of a connection.
type endKind uint8

const (
	endLocal  endKind = iota // CONNECTION_CLOSE is sent, and again for what comes later: closing
	endRemote                // the peer has closed: draining
	endSilent                // nothing is sent
)

// An endRequest is the wish of another goroutine to end the connection. The first one counts.
type endRequest struct {
	mu   sync.Mutex // rank 4
	err  error
	kind endKind
}

func (r *endRequest) set(err error, kind endKind) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err, r.kind = err, kind
	}
}

func (r *endRequest) get() (error, endKind) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err, r.kind
}

// CloseWithError closes the connection: the peer sees an *ApplicationError with this code and reason. It returns nil
// when the connection is over. All streams are abandoned, and their callbacks have been called by then; so it must not be
// called in one of them.
func (c *Conn) CloseWithError(code ApplicationErrorCode, reason string) error {
	code = min(code, ApplicationErrorCode(protocol.MaxByteCount)) // what a variable-length integer can say
	c.ending.set(&ApplicationError{ErrorCode: code, ErrorMessage: reason}, endLocal)
	c.wake()
	<-c.done
	return nil
}

// destroy ends the connection without telling the peer. It returns at once.
func (c *Conn) destroy(err error) {
	c.ending.set(err, endSilent)
	c.wake()
}

// takeEndRequest ends the connection if another goroutine wants that.
func (c *Conn) takeEndRequest(now monotime.Time) {
	err, kind := c.ending.get()
	if err == nil || c.end != nil {
		return
	}
	if kind == endLocal && c.life.complete && c.tls.Crypto(protocol.EncryptionHandshake).Unsent() > 0 {
		c.send(now) // the peer can read the CONNECTION_CLOSE of the application only behind the end of the handshake
	}
	c.endWith(err, kind)
}

// fail ends the connection because of a fault of the peer or of our own.
func (c *Conn) fail(err error) { c.endWith(qerr.CauseOf(err), endLocal) }

// endWith notes why the connection is over. The loop does the rest. The first reason counts.
func (c *Conn) endWith(err error, kind endKind) {
	if c.end == nil {
		c.end, c.endKind = err, kind
	}
}

// handleConnectionClose handles CONNECTION_CLOSE of both types (RFC 9000, Section 19.19).
func (c *Conn) handleConnectionClose(f *wire.Decoded) {
	if f.Type == wire.FrameTypeApplicationClose {
		c.endWith(&ApplicationError{
			Remote:       true,
			ErrorCode:    ApplicationErrorCode(f.ErrorCode),
			ErrorMessage: string(f.Data),
		}, endRemote)
		return
	}
	c.endWith(&TransportError{
		Remote:       true,
		ErrorCode:    TransportErrorCode(f.ErrorCode),
		FrameType:    f.TriggerFrame,
		ErrorMessage: string(f.Data),
	}, endRemote)
}

// finish ends everything. It is the last thing that the loop does.
func (c *Conn) finish(now monotime.Time) {
	c.life.finishedAt = now
	var packet []byte
	if c.endKind == endLocal {
		packet = c.closePackets()
		if len(packet) > 0 {
			// The peer learns of the end by this or by its next packet, see Transport.connClosed.
			p := c.activePath()
			_ = p.transport.conn.WriteBatch(packet, len(packet), protocol.ECNNon, &p.dst)
		}
	}
	c.streams.close(c.end)
	c.datagrams.close(c.end)
	c.streams.deliver()
	c.cancel(c.end) // at once: calls that were just woken look at the context
	c.log.closed()
	c.timer.Stop()
	c.dropUndecryptable()
	linger := 3 * c.recovery.RTT().PTO(true)
	if c.endKind == endSilent {
		linger = 0
	}
	c.leaveTransports(packet, linger)
	c.packets.close()
	_ = c.tls.Close()
	close(c.done)
	c.closeRequests()
}

// leaveTransports ends the use of all Transports. That of the active path stands in for the connection for the time of linger.
func (c *Conn) leaveTransports(packet []byte, linger time.Duration) {
	active := c.activePath().transport
	cids, tokens := c.issued.All(), c.received.Tokens()
	for _, t := range c.transports() {
		t.removeResetTokens(c, tokens)
		if t == active {
			t.connClosed(c, cids, packet, linger)
		} else {
			t.connClosed(c, cids, nil, 0)
		}
	}
}

// closePackets returns a datagram with CONNECTION_CLOSE at each level whose packets the peer may be able to read
// (RFC 9000, Section 10.2.3).
func (c *Conn) closePackets() []byte {
	size := min(c.maxPacketSize, c.recovery.AmplificationBudget())
	if size < minClosePacketSize {
		return nil
	}
	memory := batchPool.Get().(*[]byte)
	defer batchPool.Put(memory)
	b := (*memory)[:0]
	c.out.begin(c.activeDst())
	for _, level := range [...]protocol.EncryptionLevel{protocol.EncryptionInitial, protocol.EncryptionHandshake, protocol.Encryption1RTT} {
		if c.canSeal(level) {
			b = c.appendClosePacket(b, int(size), level)
		}
	}
	padTo := 0
	if c.out.n > 0 && c.out.packets[0].level == protocol.EncryptionInitial && c.perspective == protocol.PerspectiveClient {
		padTo = int(size)
	}
	b = c.sealPackets(b, padTo)
	c.log.pathPacketSent(b, c.paths.manager.Active())
	return bytes.Clone(b)
}

// minClosePacketSize is the room that a CONNECTION_CLOSE without a reason needs in any case.
const minClosePacketSize = 100

func (c *Conn) appendClosePacket(b []byte, limit int, level protocol.EncryptionLevel) []byte {
	b, d, ok := c.openPacket(b, limit, level)
	if !ok {
		return b
	}
	f := closeFrame(c.end, level)
	room := limit - sealOverhead - len(b)
	if excess := int(f.Length(c.version)) - room; excess > 0 {
		// RFC 9000, Section 19.19: the reason "can be zero length if the sender chooses not to give details".
		f.ReasonPhrase = f.ReasonPhrase[:max(0, len(f.ReasonPhrase)-excess)]
	}
	b, err := f.Append(b, c.version)
	if err != nil || len(b) > limit-sealOverhead {
		return b[:d.start]
	}
	return c.closePacket(b, d)
}

// closeFrame returns the frame that tells the peer about err. RFC 9000, Section 10.2.3: "Sending a CONNECTION_CLOSE of type
// 0x1d in an Initial or Handshake packet could expose application state [...]. A CONNECTION_CLOSE of type 0x1d MUST be
// replaced by a CONNECTION_CLOSE of type 0x1c when sending the frame in Initial or Handshake packets."
func closeFrame(err error, level protocol.EncryptionLevel) *wire.ConnectionCloseFrame {
	if app, ok := errors.AsType[*ApplicationError](err); ok {
		if level != protocol.Encryption1RTT {
			return &wire.ConnectionCloseFrame{ErrorCode: uint64(qerr.ApplicationErrorErrorCode)}
		}
		return &wire.ConnectionCloseFrame{
			IsApplicationError: true,
			ErrorCode:          uint64(app.ErrorCode),
			ReasonPhrase:       app.ErrorMessage,
		}
	}
	t := qerr.CauseOf(err)
	return &wire.ConnectionCloseFrame{
		ErrorCode:    uint64(t.ErrorCode),
		FrameType:    t.FrameType,
		ReasonPhrase: t.ErrorMessage,
	}
}
