package quic

import (
	"crypto/rand"
	"encoding/binary"
	mrand "math/rand/v2"
	"sync"

	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/recovery"
	"github.com/quic-go/quic-go/internal/udp"
)

// batchPool holds memory for batches, which connections need only while they send.
var batchPool = sync.Pool{New: func() any {
	b := make([]byte, 0, udp.MaxBatchBytes)
	return &b
}}

// sendLevels are the encryption levels in the order of packets in a datagram.
var sendLevels = [...]protocol.EncryptionLevel{
	protocol.EncryptionInitial, protocol.EncryptionHandshake, protocol.Encryption0RTT, protocol.Encryption1RTT,
}

// send sends what there is to send and what congestion control, pacing and the amplification limit allow now.
func (c *Conn) send(now monotime.Time) {
	if c.life.complete && !c.life.offered {
		if err := c.makeOffers(now); err != nil {
			c.fail(err)
			return
		}
	}
	c.timers.stop(timerPacing)
	memory := batchPool.Get().(*[]byte)
	c.out.batch = (*memory)[:0]
	c.sendPathFrames(now)
	for c.updateKeys(now) {
		mode := c.recovery.SendMode(now)
		if mode == recovery.ModeNone {
			break
		}
		if mode == recovery.ModeAny && len(c.out.batch) == 0 && c.probeMTU(now) {
			mode = recovery.ModeAck
		}
		if c.appendDatagram(now, mode) > 0 {
			if c.out.full(c.maxPacketSize, c.activePath().transport.conn.MaxSegments()) {
				c.flush(now)
			}
			continue
		}
		if len(c.out.batch) == 0 {
			break
		}
		c.flush(now) // what does not fit a datagram of the size of the others may fit a larger one
	}
	c.flush(now)
	c.timers.set(timerMTU, c.mtu.Deadline(now))
	c.out.batch = nil
	batchPool.Put(memory)
	if !c.hasFrames(protocol.Encryption1RTT) {
		c.recovery.OnStarved(now)
		return
	}
	if at := c.recovery.PacingDeadline(); !at.IsZero() {
		c.timers.set(timerPacing, at)
	}
}

// updateKeys updates the 1-RTT keys if that is due. It returns false if they are used up, which ends the connection.
func (c *Conn) updateKeys(now monotime.Time) bool {
	err := c.keys.oneRTT.MaybeUpdate(now, c.life.confirmed)
	if err != nil {
		c.fail(err)
	}
	return err == nil
}

// flush writes the batch to the socket.
func (c *Conn) flush(now monotime.Time) {
	if len(c.out.batch) == 0 {
		return
	}
	p := c.activePath()
	err := p.transport.conn.WriteBatch(c.out.batch, c.out.segment, c.out.ecn, &p.dst)
	c.paths.manager.OnSent(c.paths.manager.Active(), protocol.ByteCount(len(c.out.batch)))
	size := protocol.ByteCount(c.out.segment)
	c.out.batch, c.out.segment, c.out.datagrams = c.out.batch[:0], 0, 0
	if err != nil && udp.IsMessageTooLong(err) {
		c.mtu.OnTooLong(now, size)
		c.applyMTU()
	}
	// Another error that passes counts as the loss of the packets. One that does not is found by the reader of the
	// Transport, which then ends all of its connections.
}

// appendDatagram adds a datagram with what may be sent in the given mode to the batch. It returns its size, 0 if there
// is nothing to send.
func (c *Conn) appendDatagram(now monotime.Time, mode recovery.Mode) int {
	size := c.datagramSize(mode)
	if size == 0 {
		return 0
	}
	o := &c.out
	o.begin(c.activeDst())
	if ecn := c.recovery.ECN(); ecn != o.ecn {
		c.flush(now)
		o.ecn = ecn
	}
	base := len(o.batch)
	b := o.batch
	for _, level := range sendLevels {
		if c.canSeal(level) {
			b = c.appendPacket(now, b, base+size, level, mode)
		}
	}
	if o.n == 0 {
		return 0
	}
	padTo := 0
	if c.needsPadding() {
		padTo = base + max(size, protocol.MinInitialPacketSize)
	}
	b = c.sealPackets(b, padTo)
	c.log.packetsSent(b[base:])
	o.batch = b
	if o.segment == 0 {
		o.segment = len(b) - base
	}
	o.last = len(b) - base
	o.datagrams++
	c.onDatagramSent(now)
	return len(b) - base
}

// datagramSize returns how large the next datagram may be, 0 if none may be sent.
func (c *Conn) datagramSize(mode recovery.Mode) int {
	size := min(c.maxPacketSize, c.recovery.AmplificationBudget())
	if mode == recovery.ModeProbe || c.mtu.InDoubt() && !c.datagrams.hasData() {
		// What was lost may have been too large for the path, and a probe has to arrive.
		size = min(size, protocol.MinInitialPacketSize)
	}
	if size < protocol.MinInitialPacketSize && c.keys.sealers[protocol.EncryptionInitial] != nil {
		return 0 // it might have to be padded beyond the limit
	}
	if c.out.segment > 0 {
		size = min(size, protocol.ByteCount(c.out.segment))
	}
	return int(size)
}

// needsPadding reports whether the datagram is to be padded. RFC 9000, Section 14.1: "A client MUST expand the payload of
// all UDP datagrams carrying Initial packets to at least the smallest allowed maximum datagram size of 1200 bytes [...]. Similarly,
// a server MUST expand the payload of all UDP datagrams carrying ack-eliciting Initial packets".
func (c *Conn) needsPadding() bool {
	for i := range c.out.n {
		d := &c.out.packets[i]
		if d.level == protocol.EncryptionInitial && (c.perspective == protocol.PerspectiveClient || d.ackEliciting()) {
			return true
		}
	}
	return false
}

// onDatagramSent reports the packets of the datagram to recovery.
func (c *Conn) onDatagramSent(now monotime.Time) {
	o := &c.out
	sentHandshake := false
	for i := range o.n {
		d := &o.packets[i]
		if d.ackEliciting() {
			c.idle.onSentAckEliciting(now)
		}
		sentHandshake = sentHandshake || d.level == protocol.EncryptionHandshake
		o.sent = recovery.Sent{
			Space:        d.level.Space(),
			Level:        d.level,
			PN:           d.pn,
			Size:         protocol.ByteCount(d.end - d.start + sealOverhead),
			AckEliciting: d.ackEliciting(),
			InFlight:     d.ackEliciting() || d.padded,
			ECN:          o.ecn,
			AckedUpTo:    d.acked,
			Records:      o.records[d.firstRecord:d.lastRecord],

			IsApplicationLimited: d.level == protocol.Encryption1RTT && !c.hasFrames(protocol.Encryption1RTT),
		}
		c.recovery.OnSent(now, &o.sent)
	}
	if sentHandshake && c.perspective == protocol.PerspectiveClient {
		// RFC 9001, Section 4.9.1: "a client MUST discard Initial keys when it first sends a Handshake packet".
		c.dropLevel(now, protocol.EncryptionInitial)
	}
}

// hasFrames reports whether frames wait for a packet of the level.
func (c *Conn) hasFrames(level protocol.EncryptionLevel) bool {
	if level != protocol.Encryption0RTT {
		if buf := c.tls.Crypto(level); buf.HasLost() || buf.Unsent() > 0 {
			return true
		}
	}
	if level != protocol.Encryption0RTT && level != protocol.Encryption1RTT {
		return false
	}
	if level == protocol.Encryption1RTT && c.hasControlFrames() {
		return true
	}
	return c.streams.hasFramesToSend() || c.datagrams.hasData()
}

func (c *Conn) hasControlFrames() bool {
	f := &c.control
	return f.handshakeDone || f.ping || f.newToken != nil ||
		c.issued.HasFrames() || c.received.HasFrames()
}

// newRandomSource returns the source of recovery.Params.Skip, so that a peer that acknowledges what it has not received is found
// out (RFC 9000, Section 21.4), and of congestion controllers.
func newRandomSource() func() int {
	var seed [16]byte
	rand.Read(seed[:])
	return mrand.New(mrand.NewPCG(binary.BigEndian.Uint64(seed[:]), binary.BigEndian.Uint64(seed[8:]))).Int
}
