package quic

import (
	"bytes"

	"github.com/quic-go/quic-go/internal/path"
	"github.com/quic-go/quic-go/internal/protect"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/wire"
	"github.com/quic-go/quic-go/qlog"
	"github.com/quic-go/quic-go/qlogwriter"
)

// The log of packets decodes their payload a second time: handling stops at the first fault, but the log shows all
// frames, and who writes or handles frames need not think of the log.

// packetTypes are the types of packets by level.
var packetTypes = [protocol.NumEncryptionLevels]qlog.PacketType{
	protocol.EncryptionInitial:   qlog.PacketTypeInitial,
	protocol.Encryption0RTT:      qlog.PacketType0RTT,
	protocol.EncryptionHandshake: qlog.PacketTypeHandshake,
	protocol.Encryption1RTT:      qlog.PacketType1RTT,
}

// spaceLevels are the levels that stand for a packet number space.
var spaceLevels = [protocol.NumPacketNumberSpaces]qlog.EncryptionLevel{
	protocol.SpaceInitial:   qlog.EncryptionInitial,
	protocol.SpaceHandshake: qlog.EncryptionHandshake,
	protocol.SpaceAppData:   qlog.Encryption1RTT,
}

// A frameLog decodes the payloads of one direction.
type frameLog struct {
	parser  wire.Parser
	frame   wire.Decoded
	kept    bool // by the recorder: what was returned may not be used again
	frames  []qlog.Frame
	streams []qlog.StreamFrame
	acks    []qlog.AckFrame
	ranges  []qlog.AckRange
}

func newConnLog(c *Conn, rec qlogwriter.Recorder) *connLog {
	_, encodes := rec.(*qlogwriter.Writer) // others may keep events
	return &connLog{
		c: c, rec: rec, encodes: encodes,
		sent: frameLog{kept: !encodes, parser: wire.Parser{
			AckDelayExponent: protocol.AckDelayExponent, Datagrams: true, ResetStreamAt: true, AckFrequency: true,
		}},
		received: frameLog{kept: !encodes},
	}
}

// recordLent records an event whose memory is used again.
func recordLent[E qlogwriter.Event](l *connLog, e *E) {
	if l.encodes {
		l.rec.RecordEvent(any(e).(qlogwriter.Event))
		return
	}
	l.rec.RecordEvent(*e)
}

// reset is called when the frames that were returned are recorded.
func (l *frameLog) reset() {
	if l.kept {
		l.frames, l.streams, l.acks, l.ranges = nil, nil, nil, nil
		return
	}
	l.frames, l.streams, l.acks, l.ranges = l.frames[:0], l.streams[:0], l.acks[:0], l.ranges[:0]
}

// decode returns the frames of a payload as far as that is possible.
func (l *frameLog) decode(payload []byte, level protocol.EncryptionLevel) []qlog.Frame {
	first := len(l.frames)
	for len(payload) > 0 {
		n, err := l.parser.Next(payload, level, &l.frame)
		if err != nil {
			break
		}
		payload = payload[n:]
		if f := l.logFrame(); f != nil {
			l.frames = append(l.frames, qlog.Frame{Frame: f})
		}
	}
	return l.frames[first:len(l.frames):len(l.frames)]
}

// logFrame returns what the log keeps of the frame: no data. It is nil for PADDING.
func (l *frameLog) logFrame() any {
	f := &l.frame
	switch f.Type {
	case wire.FrameTypePadding:
		return nil
	case wire.FrameTypeStream:
		l.streams = append(l.streams, qlog.StreamFrame{StreamID: f.StreamID, Offset: int64(f.Offset), Length: int64(len(f.Data)), Fin: f.Fin})
		return &l.streams[len(l.streams)-1]
	case wire.FrameTypeAck:
		first := len(l.ranges)
		l.ranges = append(l.ranges, f.Ack.Ranges...)
		l.acks = append(l.acks, qlog.AckFrame{
			AckRanges: l.ranges[first:len(l.ranges):len(l.ranges)], DelayTime: f.Ack.Delay,
			ECT0: f.Ack.ECT0, ECT1: f.Ack.ECT1, ECNCE: f.Ack.CE,
		})
		return &l.acks[len(l.acks)-1]
	case wire.FrameTypeCrypto:
		return &qlog.CryptoFrame{Offset: int64(f.Offset), Length: int64(len(f.Data))}
	case wire.FrameTypeDatagram:
		return &qlog.DatagramFrame{Length: int64(len(f.Data))}
	}
	return f.Frame()
}

// ecnName returns the codepoint of a packet, or nothing if the socket does not tell.
func (l *connLog) ecnName(e protocol.ECN) qlog.ECN {
	switch e {
	case protocol.ECT0:
		return qlog.ECT0
	case protocol.ECT1:
		return qlog.ECT1
	case protocol.ECNCE:
		return qlog.ECNCE
	case protocol.ECNNon:
	}
	if _, ecn, _ := l.c.transport.conn.Capabilities(); ecn {
		return qlog.ECTNot
	}
	return qlog.ECNUnsupported
}

func longHeader(h *wire.LongHeader, pn protocol.PacketNumber) qlog.PacketHeader {
	lh := qlog.PacketHeader{
		PacketNumber:     pn,
		Version:          h.Version,
		SrcConnectionID:  h.SrcCID,
		DestConnectionID: h.DstCID,
	}
	if h.Type == protocol.PacketTypeRetry {
		lh.PacketType = qlog.PacketTypeRetry
	} else {
		lh.PacketType = packetTypes[levelOfPacket(h.Type)]
	}
	if len(h.Token) > 0 {
		lh.Token = &qlog.Token{Raw: bytes.Clone(h.Token)}
	}
	return lh
}

func shortHeader(dst []byte, pn protocol.PacketNumber, phase protocol.KeyPhase) qlog.PacketHeader {
	return qlog.PacketHeader{
		PacketType:       qlog.PacketType1RTT,
		KeyPhaseBit:      qlog.KeyPhase(phase).Bit(),
		PacketNumber:     pn,
		DestConnectionID: protocol.ParseConnectionID(dst),
	}
}

// sealing is called before the packets of a datagram are sealed.
func (l *connLog) sealing(b []byte) {
	if l == nil {
		return
	}
	l.drafts = l.drafts[:0]
	l.sent.reset()
	for i := range l.c.out.n {
		d := &l.c.out.packets[i]
		e := qlog.PacketSent{
			Raw:    qlog.RawInfo{Length: d.end - d.start + protect.Overhead, PayloadLength: d.end - d.payload},
			Frames: l.sent.decode(b[d.payload:d.end], d.level),
		}
		if d.lengthOffset > 0 {
			// The length of the packet is still missing.
			_, dst, src, _, _ := wire.ParseInvariantHeader(b[d.start:d.payload])
			e.Header = qlog.PacketHeader{
				PacketType:       packetTypes[d.level],
				PacketNumber:     d.pn,
				Version:          l.c.versionOf(d.level),
				SrcConnectionID:  protocol.ParseConnectionID(src),
				DestConnectionID: protocol.ParseConnectionID(dst),
			}
			if d.level == protocol.EncryptionInitial && len(l.c.life.token) > 0 {
				e.Header.Token = &qlog.Token{Raw: l.c.life.token}
			}
		} else {
			e.Header = shortHeader(b[d.start+1:d.payload-d.pnLen], d.pn, l.c.keys.oneRTT.Phase())
		}
		l.drafts = append(l.drafts, e)
	}
}

// packetsSent is called when the datagram that was sealed last is sent on the active path.
func (l *connLog) packetsSent(datagram []byte) {
	if l != nil {
		l.recordSent(datagram, l.c.paths.manager.Active(), qlog.PacketSent{ECN: l.ecnName(l.c.out.ecn)})
	}
}

// probeSent is packetsSent for a probe of the path MTU.
func (l *connLog) probeSent(datagram []byte) {
	if l != nil {
		active := l.c.paths.manager.Active()
		l.recordSent(datagram, active, qlog.PacketSent{ECN: l.ecnName(l.c.out.ecn), IsMTUProbePacket: true})
	}
}

// pathPacketSent is packetsSent for a datagram that belongs to a path and has no ECN mark.
func (l *connLog) pathPacketSent(datagram []byte, id path.ID) {
	if l != nil {
		l.recordSent(datagram, id, qlog.PacketSent{ECN: l.ecnName(protocol.ECNNon)})
	}
}

// recordSent records the packets of a datagram, which have in common what is set in common.
func (l *connLog) recordSent(datagram []byte, id path.ID, common qlog.PacketSent) {
	checksum, tuple := qlog.CalculateDatagramPayloadChecksum(datagram), l.tuple(id)
	l.keyPhase(l.c.keys.oneRTT.Phase(), qlog.KeyUpdateLocal)
	for i := range l.drafts {
		e := &l.drafts[i]
		e.DatagramPayloadChecksum, e.Tuple, e.ECN, e.IsMTUProbePacket = checksum, tuple, common.ECN, common.IsMTUProbePacket
		recordLent(l, e)
	}
	l.drafts = l.drafts[:0]
}

// datagram is called before the packets of a received datagram are opened in place; with nil for packets of an
// earlier one.
func (l *connLog) datagram(b []byte) {
	if l == nil {
		return
	}
	l.checksum = 0
	if b != nil {
		l.checksum = qlog.CalculateDatagramPayloadChecksum(b)
	}
}

// longReceived is called before an authentic packet with a long header is handled.
func (l *connLog) longReceived(h *wire.LongHeader, o *protect.Opened, ecn protocol.ECN) {
	if l != nil {
		l.recordReceived(longHeader(h, o.PN), levelOfPacket(h.Type), h.PacketLen, o, ecn)
	}
}

// shortReceived is called before an authentic packet with a short header is handled.
func (l *connLog) shortReceived(packet []byte, o *protect.Opened, ecn protocol.ECN) {
	if l == nil {
		return
	}
	l.keyPhase(o.KeyPhase, qlog.KeyUpdateRemote)
	dst := packet[1 : 1+l.c.params.srcCID.Len()]
	l.recordReceived(shortHeader(dst, o.PN, o.KeyPhase), protocol.Encryption1RTT, len(packet), o, ecn)
}

func (l *connLog) recordReceived(h qlog.PacketHeader, level protocol.EncryptionLevel, size int, o *protect.Opened, ecn protocol.ECN) {
	if level != protocol.Encryption1RTT && l.c.perspective == protocol.PerspectiveClient && l.c.life.authenticated == 0 {
		l.state(qlog.ConnectionStateHandshakeStarted)
	}
	p, own := &l.c.parser, &l.received.parser
	own.AckDelayExponent, own.Datagrams, own.ResetStreamAt, own.AckFrequency = p.AckDelayExponent, p.Datagrams, p.ResetStreamAt, p.AckFrequency
	l.received.reset()
	l.packet = qlog.PacketReceived{
		Header:                  h,
		Raw:                     qlog.RawInfo{Length: size, PayloadLength: len(o.Payload)},
		DatagramPayloadChecksum: l.checksum,
		Frames:                  l.received.decode(o.Payload, level),
		ECN:                     l.ecnName(ecn),
		Tuple:                   l.tuple(l.c.paths.in.id),
	}
	recordLent(l, &l.packet)
}

// retryReceived records a Retry packet that is followed.
func (l *connLog) retryReceived(h *wire.LongHeader) {
	if l == nil {
		return
	}
	l.rec.RecordEvent(qlog.PacketReceived{
		Header:                  longHeader(h, protocol.InvalidPacketNumber),
		Raw:                     qlog.RawInfo{Length: h.PacketLen, PayloadLength: qlog.OmitLength},
		DatagramPayloadChecksum: l.checksum,
	})
}

// versionsReceived records a Version Negotiation packet.
func (l *connLog) versionsReceived(dst, src []byte, versions []protocol.Version) {
	if l == nil {
		return
	}
	l.rec.RecordEvent(qlog.VersionNegotiationReceived{
		Header:            qlog.PacketHeaderVersionNegotiation{SrcConnectionID: bytes.Clone(src), DestConnectionID: bytes.Clone(dst)},
		SupportedVersions: versions,
	})
}

// dropped records that a received packet, perhaps with what follows it in its datagram, is ignored.
func (l *connLog) dropped(packet []byte, reason qlog.PacketDropReason) {
	if l != nil {
		l.rec.RecordEvent(qlog.PacketDropped{
			Header:                  headerOf(packet, l.c.params.srcCID.Len()),
			Raw:                     qlog.RawInfo{Length: len(packet), PayloadLength: qlog.OmitLength},
			DatagramPayloadChecksum: l.checksum,
			Trigger:                 reason,
		})
	}
}

// unacceptable records that a packet is ignored because of its header.
func (l *connLog) unacceptable(packet []byte, h *wire.LongHeader) {
	if l == nil {
		return
	}
	reason := qlog.PacketDropUnexpectedPacket
	if l.c.life.peerCIDKnown && h.SrcCID != l.c.life.peerSrc {
		reason = qlog.PacketDropUnexpectedSourceConnectionID
	}
	l.dropped(packet, reason)
}

// buffered records that a packet waits for its keys.
func (l *connLog) buffered(packet []byte) {
	if l != nil {
		l.rec.RecordEvent(qlog.PacketBuffered{
			Header:                  headerOf(packet, l.c.params.srcCID.Len()),
			Raw:                     qlog.RawInfo{Length: len(packet), PayloadLength: qlog.OmitLength},
			DatagramPayloadChecksum: l.checksum,
		})
	}
}
