package quic

import (
	"bytes"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/wire"
	"github.com/quic-go/quic-go/qlog"
)

// Transport.Tracer gets what concerns no connection: received datagrams that are ignored, and what the Transport itself
// answers. The methods of this file may be called from any goroutine.

// logDropped records that a received datagram is ignored.
func (t *Transport) logDropped(datagram []byte, reason qlog.PacketDropReason) {
	if t.Tracer == nil {
		return
	}
	t.Tracer.RecordEvent(qlog.PacketDropped{
		Header:                  headerOf(datagram, t.cidLen),
		Raw:                     qlog.RawInfo{Length: len(datagram), PayloadLength: qlog.OmitLength},
		DatagramPayloadChecksum: qlog.CalculateDatagramPayloadChecksum(datagram),
		Trigger:                 reason,
	})
}

// logSent records an answer: a Version Negotiation, Retry or Initial packet with the given frames, or a stateless reset.
func (t *Transport) logSent(packet []byte, frames ...qlog.Frame) {
	if t.Tracer == nil {
		return
	}
	if wire.IsVersionNegotiation(packet) {
		dst, src, versions, _ := wire.ParseVersionNegotiation(packet)
		t.Tracer.RecordEvent(qlog.VersionNegotiationSent{
			Header:            qlog.PacketHeaderVersionNegotiation{SrcConnectionID: bytes.Clone(src), DestConnectionID: bytes.Clone(dst)},
			SupportedVersions: versions,
		})
		return
	}
	e := qlog.PacketSent{
		Header:                  qlog.PacketHeader{PacketType: qlog.PacketTypeStatelessReset},
		Raw:                     qlog.RawInfo{Length: len(packet), PayloadLength: qlog.OmitLength},
		DatagramPayloadChecksum: qlog.CalculateDatagramPayloadChecksum(packet),
		Frames:                  frames,
	}
	if wire.IsLongHeader(packet[0]) {
		e.Header = headerOf(packet, t.cidLen)
	}
	t.Tracer.RecordEvent(e)
}

// headerOf returns what can be read of the header of a protected packet. Connection IDs of short headers have cidLen bytes.
func headerOf(packet []byte, cidLen int) qlog.PacketHeader {
	if !wire.IsLongHeader(packet[0]) {
		h := qlog.PacketHeader{PacketType: qlog.PacketType1RTT, PacketNumber: protocol.InvalidPacketNumber}
		if len(packet) > cidLen {
			h.DestConnectionID = protocol.ParseConnectionID(packet[1 : 1+cidLen])
		}
		return h
	}
	if h, err := wire.ParseLongHeader(packet); err == nil {
		return longHeader(&h, protocol.InvalidPacketNumber)
	}
	return qlog.PacketHeader{PacketType: qlog.PacketTypeUnknown}
}
