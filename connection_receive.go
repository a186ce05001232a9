package quic

import (
	"errors"

	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protect"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
	"github.com/quic-go/quic-go/internal/udp"
	"github.com/quic-go/quic-go/internal/wire"
	"github.com/quic-go/quic-go/qlog"
)

// Reserved bits of the first byte, without header protection (RFC 9000, Sections 17.2 and 17.3.1).
const (
	reservedBitsLong  = 0x0c
	reservedBitsShort = 0x18
	fixedBit          = 0x40
)

// handleDatagram handles a received datagram. The caller owns p.Buffer.
func (c *Conn) handleDatagram(now monotime.Time, p *udp.Packet) {
	c.stats.onReceived(len(p.Data))
	c.log.datagram(p.Data)
	if !c.onDatagram(now, p) {
		c.log.dropped(p.Data, qlog.PacketDropUnexpectedPacket)
		return
	}
	before := c.life.authenticated
	c.handlePackets(now, p)
	if wire.IsLongHeader(p.Data[0]) && c.life.authenticated == before && c.end == nil {
		// RFC 9000, Section 10.3: a stateless reset may look like a packet with a long header, too.
		c.checkStatelessReset(p.Data)
	}
}

// handlePackets handles the packets of a datagram one after the other.
func (c *Conn) handlePackets(now monotime.Time, p *udp.Packet) {
	var dst protocol.ConnectionID
	for data := p.Data; len(data) > 0 && c.end == nil; {
		if !wire.IsLongHeader(data[0]) {
			c.handleShortHeader(now, p, data)
			return
		}
		if wire.IsVersionNegotiation(data) {
			c.handleVersionNegotiation(data)
			return
		}
		hdr, err := wire.ParseLongHeader(data)
		if err != nil && !(errors.Is(err, wire.ErrFixedBit) && c.ourParams.GreaseQuicBit) {
			c.log.dropped(data, qlog.PacketDropHeaderParseError)
			return
		}
		// RFC 9000, Section 12.2: "Receivers SHOULD ignore any subsequent packets with a different
		// Destination Connection ID than the first packet in the datagram."
		if dst.Valid() && hdr.DstCID != dst {
			c.log.dropped(data, qlog.PacketDropUnknownConnectionID)
			return
		}
		dst = hdr.DstCID
		packet := data[:hdr.PacketLen]
		data = data[hdr.PacketLen:]
		if hdr.Type == protocol.PacketTypeRetry {
			if hdr.Version == c.params.version {
				c.handleRetry(now, packet, &hdr)
			}
			return
		}
		c.handleLongHeader(now, p, packet, &hdr)
	}
}

func levelOfPacket(t protocol.PacketType) protocol.EncryptionLevel {
	switch t {
	case protocol.PacketTypeInitial:
		return protocol.EncryptionInitial
	case protocol.PacketType0RTT:
		return protocol.Encryption0RTT
	case protocol.PacketTypeHandshake:
		return protocol.EncryptionHandshake
	case protocol.PacketType1RTT, protocol.PacketTypeRetry, protocol.PacketTypeVersionNegotiation:
	}
	return protocol.Encryption1RTT
}

func (c *Conn) handleLongHeader(now monotime.Time, p *udp.Packet, packet []byte, hdr *wire.LongHeader) {
	level := levelOfPacket(hdr.Type)
	if !c.acceptable(level, len(p.Data), hdr) {
		c.log.unacceptable(packet, hdr)
		return
	}
	opener, known := c.openerOf(level, hdr.Version)
	if !known {
		c.log.dropped(packet, qlog.PacketDropUnexpectedVersion)
		return
	}
	if opener == nil {
		if c.keys.dropped[level] {
			c.log.dropped(packet, qlog.PacketDropKeysUnavailable)
			return
		}
		c.keepUndecryptable(p, packet)
		return
	}
	space := level.Space()
	opened, err := opener.Open(packet, hdr.PNOffset, c.recovery.LargestReceived(space))
	if err != nil {
		c.log.dropped(packet, qlog.PacketDropPayloadDecryptError)
		return
	}
	if opened.First&reservedBitsLong != 0 {
		c.fail(qerr.FrameError(qerr.ProtocolViolation, 0, "reserved bits are set"))
		return
	}
	if c.recovery.IsDuplicate(space, opened.PN) {
		c.log.dropped(packet, qlog.PacketDropDuplicate)
		return
	}
	c.log.longReceived(hdr, &opened, p.ECN)
	if c.perspective == protocol.PerspectiveClient {
		c.switchVersion(hdr.Version)
	}
	c.onAuthenticated(now, level, hdr.SrcCID)
	c.handlePayload(now, level, &opened, p.ECN, hdr.DstCID)
}

// acceptable reports whether a packet may be opened, from what its header says.
func (c *Conn) acceptable(level protocol.EncryptionLevel, datagramLen int, hdr *wire.LongHeader) bool {
	// RFC 9000, Section 7.2: "Any further changes to the Destination Connection ID are only permitted if the values are
	// taken from NEW_CONNECTION_ID frames; if subsequent Initial packets include a different Source Connection ID,
	// they MUST be discarded."
	if c.life.peerCIDKnown && hdr.SrcCID != c.life.peerSrc {
		return false
	}
	if c.perspective == protocol.PerspectiveClient {
		// RFC 9000, Section 17.2.2: "clients that receive an Initial packet with a non-zero Token Length field MUST
		// either discard the packet or generate a connection error of type PROTOCOL_VIOLATION."
		return level != protocol.Encryption0RTT && len(hdr.Token) == 0
	}
	// RFC 9000, Section 14.1: "A server MUST discard an Initial packet that is carried in a UDP datagram with a payload
	// that is smaller than the smallest allowed maximum datagram size of 1200 bytes."
	return level != protocol.EncryptionInitial || datagramLen >= protocol.MinInitialPacketSize
}

// onAuthenticated takes note of what the first packets of the peer prove.
func (c *Conn) onAuthenticated(now monotime.Time, level protocol.EncryptionLevel, src protocol.ConnectionID) {
	if !c.life.peerCIDKnown {
		c.life.peerCIDKnown, c.life.peerSrc = true, src
		c.received.SetInitial(src)
	}
	if level == protocol.EncryptionHandshake && c.perspective == protocol.PerspectiveServer {
		// RFC 9000, Section 8.1: "Once an endpoint has successfully processed a Handshake packet from the peer, it can
		// consider the peer address to have been validated."
		c.recovery.SetAddressValidated()
		c.dropLevel(now, protocol.EncryptionInitial)
	}
}

func (c *Conn) handleShortHeader(now monotime.Time, p *udp.Packet, packet []byte) {
	cidLen := c.params.srcCID.Len()
	// RFC 9287, Section 3: "An endpoint that advertises the grease_quic_bit transport parameter MUST accept packets with the
	// QUIC Bit set to a value of 0."
	if packet[0]&fixedBit == 0 && !c.ourParams.GreaseQuicBit || len(packet) < 1+cidLen {
		c.log.dropped(packet, qlog.PacketDropHeaderParseError)
		c.checkStatelessReset(p.Data)
		return
	}
	if c.keys.oneRTT == nil || !c.keys.oneRTT.CanOpen() {
		c.keepUndecryptable(p, packet)
		return
	}
	dst := protocol.ParseConnectionID(packet[1 : 1+cidLen])
	largest := c.recovery.LargestReceived(protocol.SpaceAppData)
	opened, err := c.keys.oneRTT.Open(now, packet, 1+cidLen, largest, c.recovery.RTT().PTO(true))
	if err != nil {
		if t, ok := errors.AsType[*qerr.TransportError](err); ok {
			c.fail(t)
			return
		}
		c.log.dropped(packet, qlog.PacketDropPayloadDecryptError)
		c.checkStatelessReset(p.Data)
		return
	}
	if opened.First&reservedBitsShort != 0 {
		c.fail(qerr.FrameError(qerr.ProtocolViolation, 0, "reserved bits are set"))
		return
	}
	if c.recovery.IsDuplicate(protocol.SpaceAppData, opened.PN) {
		c.log.dropped(packet, qlog.PacketDropDuplicate)
		return
	}
	c.log.shortReceived(packet, &opened, p.ECN)
	c.handlePayload(now, protocol.Encryption1RTT, &opened, p.ECN, dst)
}

// checkStatelessReset ends the connection if a datagram that cannot be opened is a stateless reset.
func (c *Conn) checkStatelessReset(datagram []byte) {
	if c.transport.isStatelessReset(datagram) == c {
		c.endWith(&StatelessResetError{}, endSilent)
	}
}

// handlePayload handles the frames of an authentic packet. dst is its Destination Connection ID.
func (c *Conn) handlePayload(now monotime.Time, level protocol.EncryptionLevel, o *protect.Opened, ecn protocol.ECN, dst protocol.ConnectionID) {
	c.life.authenticated++
	c.idle.onReceived(now)
	if len(o.Payload) == 0 {
		// RFC 9000, Section 12.4: "An endpoint MUST treat receipt of a packet containing no frames as a connection error of
		// type PROTOCOL_VIOLATION."
		c.fail(qerr.FrameError(qerr.ProtocolViolation, 0, "packet without frames"))
		return
	}
	ackEliciting := false
	c.paths.in.nonProbing = false
	for payload := o.Payload; len(payload) > 0; {
		n, err := c.parser.Next(payload, level, &c.frame)
		if err == nil {
			err = c.handleFrame(now, level, &c.frame, dst)
		}
		if err != nil {
			c.fail(err)
			return
		}
		if c.end != nil {
			return
		}
		ackEliciting = ackEliciting || c.frame.Type.IsAckEliciting()
		c.paths.in.nonProbing = c.paths.in.nonProbing || !c.frame.Type.IsProbing()
		payload = payload[n:]
	}
	if !c.keys.dropped[level] {
		c.recovery.OnReceived(now, level.Space(), o.PN, ecn, ackEliciting)
	}
	if level == protocol.Encryption1RTT {
		c.onPathPacket(now, o.PN, dst)
	}
	c.handleTLS(now)
}

// keepUndecryptable keeps a copy of a packet until its keys are there: its datagram may pin much more memory. At the
// limits it is dropped.
func (c *Conn) keepUndecryptable(p *udp.Packet, packet []byte) {
	if c.life.complete || len(c.undecryptable) >= protocol.MaxUndecryptablePackets {
		c.log.dropped(packet, qlog.PacketDropKeysUnavailable)
		return
	}
	kept := *p
	kept.Buffer, kept.Data = udp.NewBuffer(packet)
	size := kept.Buffer.Size()
	for i := range c.undecryptable {
		size += c.undecryptable[i].Buffer.Size()
	}
	if size > protocol.MaxUndecryptableBytes {
		kept.Buffer.Release()
		c.log.dropped(packet, qlog.PacketDropKeysUnavailable)
		return
	}
	c.log.buffered(packet)
	c.undecryptable = append(c.undecryptable, kept)
}

// retryUndecryptable handles the packets that waited for keys. Those whose keys are still missing go on waiting.
func (c *Conn) retryUndecryptable(now monotime.Time) {
	waiting, in := c.undecryptable, c.paths.in
	c.undecryptable = nil
	c.log.datagram(nil)
	for i := range waiting {
		if c.end == nil {
			c.paths.in = incomingPacket{id: c.findPath(&waiting[i]), packet: &waiting[i]}
			c.handlePackets(now, &waiting[i])
		}
		waiting[i].Buffer.Release()
	}
	c.paths.in = in // more packets of the datagram that has brought the keys may follow
}

func (c *Conn) dropUndecryptable() {
	for i := range c.undecryptable {
		c.undecryptable[i].Buffer.Release()
	}
	c.undecryptable = nil
}
