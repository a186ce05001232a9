package quic

import (
	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protect"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/recovery"
	"github.com/quic-go/quic-go/internal/sendbuf"
	"github.com/quic-go/quic-go/internal/udp"
	"github.com/quic-go/quic-go/internal/wire"
	"github.com/quic-go/quic-go/qlog"
)

const (
	sealOverhead = protect.Overhead
	// minPayload is the least payload behind a packet number of n bytes, less n, so that there is a sample for header
	// protection (RFC 9001, Section 5.4.2).
	minPayload = 4
	// maxPacketsInDatagram is one packet for each level that can be sent at the same time.
	maxPacketsInDatagram = 4
	maxPacketNumberLen   = 4
	// usualRecords is how many records the datagrams of a handshake have, in the usual case.
	usualRecords = 8
)

// An assembly is the datagram that is being put together and the batch of those that wait for one system call.
// Packets are built in place, one behind the other, each with room for its tag; they are sealed when the
// last one has got its padding.
type assembly struct {
	batch     []byte
	segment   int // size of the datagrams of the batch; the last may be shorter
	last      int // size of the last one
	datagrams int
	ecn       protocol.ECN

	dst      protocol.ConnectionID
	packets  [maxPacketsInDatagram]packetDraft
	n        int
	records  []recovery.Record
	sent     recovery.Sent // scratch
	datagram bool          // the packet carries a DATAGRAM frame
	random   func() int
	greased  bool // the peer accepts packets whose fixed bit is 0
}

// A packetDraft is a packet that is not sealed yet. Positions are those in the batch.
type packetDraft struct {
	level        protocol.EncryptionLevel
	start        int // of the header
	lengthOffset int // of the Length field; 0: short header
	payload      int // start
	end          int // of the payload; the tag follows
	pn           protocol.PacketNumber
	pnLen        int
	firstRecord  int // of assembly.records
	lastRecord   int
	acked        protocol.PacketNumber // largest that an ACK frame in it reports, or -1
	padded       bool
}

// ackEliciting reports whether the packet has to be acknowledged: each ack-eliciting frame has a record.
func (d *packetDraft) ackEliciting() bool { return d.lastRecord > d.firstRecord }

// begin begins a new datagram, whose packets go to dst.
func (o *assembly) begin(dst protocol.ConnectionID) {
	o.dst, o.n, o.records, o.datagram = dst, 0, o.records[:0], false
}

// carriesProbe reports whether the datagram has an ack-eliciting packet of the space.
func (o *assembly) carriesProbe(space protocol.PacketNumberSpace) bool {
	for i := range o.n {
		if d := &o.packets[i]; d.level.Space() == space && d.ackEliciting() {
			return true
		}
	}
	return false
}

// onlyProbes reports whether the packet d, which is the last one, has no other frames than probing ones (RFC 9000, Section 9.1).
func (o *assembly) onlyProbes(d *packetDraft) bool {
	for i := d.firstRecord; i < len(o.records); i++ {
		switch o.records[i].Kind {
		case recordNewConnectionID, recordPathChallenge, recordPathResponse:
		default:
			return false
		}
	}
	return d.acked == protocol.InvalidPacketNumber
}

// full reports whether the batch has to be written before the next datagram: there is no room, or the last datagram is not of
// the size of the others or so small that those that follow would suffer from being as small.
func (o *assembly) full(maxSize protocol.ByteCount, maxSegments int) bool {
	small := protocol.ByteCount(o.segment) < maxSize && !o.datagram
	return small || o.last < o.segment || o.datagrams >= maxSegments || len(o.batch)+o.segment > udp.MaxBatchBytes
}

// canSeal reports whether there are keys for packets of the level.
func (c *Conn) canSeal(level protocol.EncryptionLevel) bool {
	if level == protocol.Encryption1RTT {
		return c.keys.oneRTT.CanSeal()
	}
	return c.keys.sealers[level] != nil
}

// appendPacket appends a packet of the level with what is to be sent in the given mode, if there is anything.
func (c *Conn) appendPacket(now monotime.Time, b []byte, limit int, level protocol.EncryptionLevel, mode recovery.Mode) []byte {
	space := level.Space()
	hasAcks := level != protocol.Encryption0RTT
	probeSpace, probes := c.recovery.Probes()
	probing := mode == recovery.ModeProbe && probes > 0 && probeSpace == space
	// RFC 9002, Section 6.2.4: "In addition to sending data in the packet number space for which the timer expired, the sender
	// SHOULD send ack-eliciting packets from other packet number spaces with in-flight data, coalescing packets if possible."
	rider := mode == recovery.ModeProbe && probes > 0 && c.out.carriesProbe(probeSpace)
	// Nothing of what is in flight may be of the kind that is repeated. That of a client makes a server answer that ignores the
	// probes of the handshake, as it has all of it.
	probing = probing || rider && level == protocol.Encryption1RTT && c.recovery.HasInFlight(space)
	frames := (mode == recovery.ModeAny || probing || rider) && c.hasFrames(level)
	ackDue := hasAcks && c.recovery.AckDue(now, space)
	if !ackDue && !frames && !probing {
		return b
	}
	b, d, ok := c.openPacket(b, limit, level)
	if !ok {
		return b
	}
	limit -= sealOverhead
	if hasAcks && (ackDue || c.recovery.AckWanted(space)) {
		b, d.acked = c.recovery.AppendAck(now, space, b, limit-len(b))
	}
	if probing && level == protocol.Encryption1RTT && c.recovery.HasImmediateAck() && len(b) < limit {
		b = c.appendImmediateAck(b) // "This avoids delaying acknowledgements of PTO packets". Section 7 there
	}
	if frames {
		b = c.appendFrames(now, b, limit, level)
	}
	pings := (probing || level == protocol.Encryption1RTT && c.recovery.PingDue(now)) && len(c.out.records) == d.firstRecord
	// A client whose address has changed is not followed before it sends something else than probing frames.
	pings = pings || (probing || rider) && level == protocol.Encryption1RTT && c.out.onlyProbes(&d)
	if pings && len(b) < limit {
		b = c.appendPing(b)
	}
	if len(b) == d.payload {
		return b[:d.start]
	}
	return c.closePacket(b, d)
}

// openPacket appends the header of a packet. ok is false if there is no room for a packet or the keys are used up.
func (c *Conn) openPacket(b []byte, limit int, level protocol.EncryptionLevel) (_ []byte, d packetDraft, ok bool) {
	d = packetDraft{level: level, start: len(b), firstRecord: len(c.out.records), acked: protocol.InvalidPacketNumber}
	if !c.canSeal(level) {
		return b, d, false
	}
	d.pn, d.pnLen = c.recovery.NextNumber(level.Space())
	dst := c.out.dst
	if level == protocol.Encryption1RTT {
		if len(b)+1+dst.Len()+d.pnLen+minPayload+sealOverhead > limit {
			return b, d, false
		}
		b = wire.AppendShortHeader(b, dst, d.pn, d.pnLen)
		d.payload = len(b)
		return b, d, true
	}
	typ, token := protocol.PacketTypeInitial, c.life.token
	switch level {
	case protocol.EncryptionHandshake:
		typ, token = protocol.PacketTypeHandshake, nil
	case protocol.Encryption0RTT:
		typ, token = protocol.PacketType0RTT, nil
	case protocol.EncryptionInitial, protocol.Encryption1RTT:
	}
	src := c.params.srcCID
	if len(b)+wire.LongHeaderLen(typ, dst, src, len(token), d.pnLen)+minPayload+sealOverhead > limit {
		return b, d, false
	}
	b, d.lengthOffset = wire.AppendLongHeader(b, typ, c.versionOf(level), dst, src, token, d.pn, d.pnLen)
	d.payload = len(b)
	return b, d, true
}

// closePacket ends the payload of a packet and leaves room for its tag.
func (c *Conn) closePacket(b []byte, d packetDraft) []byte {
	for d.pnLen+len(b)-d.payload < minPayload {
		b = append(b, 0) // PADDING
	}
	d.end, d.lastRecord = len(b), len(c.out.records)
	c.out.packets[c.out.n] = d
	c.out.n++
	return append(b, make([]byte, sealOverhead)...)
}

// sealPackets pads the last packet so that b ends at padTo, if it is shorter, and seals all packets of the datagram.
func (c *Conn) sealPackets(b []byte, padTo int) []byte {
	if c.out.n == 0 {
		return b
	}
	last := &c.out.packets[c.out.n-1]
	if n := padTo - len(b); n > 0 {
		b = append(b, make([]byte, n)...)
		clear(b[last.end:])
		last.end += n
		last.padded = true
	}
	c.log.sealing(b)
	for i := range c.out.n {
		d := &c.out.packets[i]
		if d.lengthOffset > 0 {
			wire.SetLongHeaderLength(b, d.lengthOffset, d.pnLen+d.end-d.payload+sealOverhead)
		}
		if c.out.greased && c.out.random()&1 == 0 {
			b[d.start] &^= fixedBit
		}
		if d.level == protocol.Encryption1RTT {
			c.keys.oneRTT.Seal(b[:d.end:d.end+sealOverhead], d.start, d.payload, d.pn, d.pnLen)
			continue
		}
		c.keys.sealers[d.level].Seal(b[:d.end:d.end+sealOverhead], d.start, d.payload, d.pn, d.pnLen)
	}
	return b
}

// appendFrames appends the frames that wait for a packet of the level.
func (c *Conn) appendFrames(now monotime.Time, b []byte, limit int, level protocol.EncryptionLevel) []byte {
	o := &c.out
	if level != protocol.Encryption0RTT {
		b = c.appendCrypto(b, limit, level)
	}
	if level != protocol.Encryption0RTT && level != protocol.Encryption1RTT {
		return b
	}
	if level == protocol.Encryption1RTT {
		b = c.appendControl(b, limit)
	}
	b, o.records = c.streams.appendControlFrames(b, limit, o.records, now, c.recovery.RTT().Smoothed())
	b = c.appendDatagrams(b, limit)
	b, o.records = c.streams.appendStreamFrames(b, limit, o.records)
	if level == protocol.Encryption1RTT && len(b) < limit && c.recovery.PromptDue(now) && !c.hasFrames(level) {
		b = c.appendImmediateAck(b)
		c.recovery.OnPrompted(now)
	}
	return b
}

// minCryptoFragment is the least CRYPTO data for which a frame is begun.
const minCryptoFragment = 16

// appendCrypto appends CRYPTO frames: what was lost first.
func (c *Conn) appendCrypto(b []byte, limit int, level protocol.EncryptionLevel) []byte {
	buf := c.tls.Crypto(level)
	for buf.HasLost() || buf.Unsent() > 0 {
		off, n := c.nextCrypto(buf, limit-len(b), level)
		room := limit - len(b) - wire.CryptoFrameOverhead(off, n)
		if room < min(n, minCryptoFragment) {
			return b
		}
		n = min(n, room)
		b = wire.AppendCryptoHeader(b, off, n)
		start := len(b)
		b = append(b, make([]byte, n)...)
		buf.CopyTo(b[start:], off)
		buf.MarkSent(off, n)
		c.record(recovery.Record{Kind: recordCrypto, Level: level, Offset: off, Length: protocol.ByteCount(n)})
	}
	return b
}

// nextCrypto returns what of the CRYPTO data is to be sent next.
func (c *Conn) nextCrypto(buf *sendbuf.Buffer, limit int, level protocol.EncryptionLevel) (off protocol.ByteCount, n int) {
	if level == protocol.EncryptionInitial {
		if off, n = c.hello.next(buf, limit); n > 0 {
			return off, n
		}
	}
	if buf.HasLost() {
		return buf.NextLost(limit)
	}
	return buf.Sent(), int(buf.Unsent())
}

func (c *Conn) record(r recovery.Record) { c.out.records = append(c.out.records, r) }

func (c *Conn) appendPing(b []byte) []byte {
	c.record(recovery.Record{Kind: recordPing})
	return append(b, byte(wire.FrameTypePing))
}

func (c *Conn) appendImmediateAck(b []byte) []byte {
	c.record(recovery.Record{Kind: recordImmediateAck})
	return append(b, byte(wire.FrameTypeImmediateAck))
}

// appendControl appends the frames of the connection itself.
func (c *Conn) appendControl(b []byte, limit int) []byte {
	f := &c.control
	if f.handshakeDone && len(b) < limit {
		b = append(b, byte(wire.FrameTypeHandshakeDone))
		c.record(recovery.Record{Kind: recordHandshakeDone})
		f.handshakeDone = false
	}
	if f.ping && len(b) < limit {
		b = c.appendPing(b)
		f.ping = false
	}
	if f.newToken != nil {
		frame := wire.NewTokenFrame{Token: f.newToken}
		var ok bool
		if b, ok = c.appendFrame(b, limit, &frame, recovery.Record{Kind: recordNewToken}); ok {
			f.newToken = nil
		}
	}
	if c.recovery.AckFrequencyDue() {
		frame := c.recovery.NextAckFrequency()
		var ok bool
		if b, ok = c.appendFrame(b, limit, &frame, recovery.Record{Kind: recordAckFrequency, Value: frame.SequenceNumber}); ok {
			c.recovery.OnAckFrequencySent(&frame)
		}
	}
	return c.appendConnectionIDs(b, limit)
}

// appendConnectionIDs appends NEW_CONNECTION_ID and RETIRE_CONNECTION_ID frames.
func (c *Conn) appendConnectionIDs(b []byte, limit int) []byte {
	for c.issued.HasFrames() {
		frame, _ := c.issued.NextFrame() // not by appendFrame: it would be allocated
		if len(b)+int(frame.Length(c.version)) > limit {
			return b
		}
		out, err := frame.Append(b, c.version)
		if err != nil {
			return b
		}
		b = out
		c.record(recovery.Record{Kind: recordNewConnectionID, Value: frame.SequenceNumber})
		c.issued.FrameSent()
	}
	for c.received.HasFrames() {
		seq, ok := c.received.NextFrame()
		frame := wire.RetireConnectionIDFrame{SequenceNumber: seq}
		if b, ok = c.appendFrame(b, limit, &frame, recovery.Record{Kind: recordRetireConnectionID, Value: seq}); !ok {
			return b
		}
		c.received.FrameSent()
	}
	return b
}

// appendFrame appends a frame and its record if the frame fits.
func (c *Conn) appendFrame(b []byte, limit int, f wire.Frame, r recovery.Record) (_ []byte, ok bool) {
	if len(b)+int(f.Length(c.version)) > limit {
		return b, false
	}
	out, err := f.Append(b, c.version)
	if err != nil {
		return b, false
	}
	c.record(r)
	return out, true
}

// appendDatagrams appends DATAGRAM frames. One that does not fit waits for the next packet. One that fits none any more,
// as packets have become smaller, connection IDs longer or the peer's limit smaller, is dropped.
func (c *Conn) appendDatagrams(b []byte, limit int) []byte {
	for {
		payload, ok := c.datagrams.next()
		if !ok {
			return b
		}
		if int64(len(payload)) > c.maxDatagramPayload.Load() || len(payload) > c.datagramRoom() {
			c.log.datagramDropped(qlog.DirectionSending, len(payload), "too large for a packet")
			c.datagrams.pop()
			continue
		}
		if len(b)+wire.DatagramFrameOverhead(len(payload), true)+len(payload) > limit {
			return b
		}
		b = wire.AppendDatagramHeader(b, len(payload), true)
		b = append(b, payload...)
		c.record(recovery.Record{Kind: recordDatagram})
		c.out.datagram = true
		c.datagrams.pop()
	}
}

// datagramRoom returns how many bytes of payload fit a packet with nothing but a DATAGRAM frame.
func (c *Conn) datagramRoom() int {
	room := int(c.maxPacketSize) - 1 - c.received.Current().Len() - maxPacketNumberLen - sealOverhead
	return room - wire.DatagramFrameOverhead(room, true)
}
