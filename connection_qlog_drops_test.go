package quic_test

import (
	"fmt"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	quic "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/quictest"
	"github.com/quic-go/quic-go/internal/wire"
	"github.com/quic-go/quic-go/qlog"
)

const server, client = protocol.PerspectiveServer, protocol.PerspectiveClient

// dropped says which packets an endpoint has not opened.
func (r *recordingTracer) dropped() (list []string) {
	for _, e := range r.Events(qlog.PacketDropped{}, qlog.PacketBuffered{}) {
		switch e := e.(type) {
		case qlog.PacketDropped:
			list = append(list, fmt.Sprintf("%s: %s", e.Header.PacketType, e.Trigger))
		case qlog.PacketBuffered:
			list = append(list, fmt.Sprintf("%s buffered", e.Header.PacketType))
		}
	}
	return list
}

// changed sends a packet with a PING frame that change has changed.
func changed(level protocol.EncryptionLevel, change func(*quictest.Packet)) func(s *scene) {
	return func(s *scene) {
		pkt := s.peer.Packet(level, &wire.PingFrame{}, quictest.Padding(1200))
		change(pkt)
		s.peer.SendPackets(pkt)
	}
}

func TestLogOfDroppedPackets(t *testing.T) {
	half, connected, begun := (*scene).half, (*scene).connect, (*scene).begun
	corrupt := func(pkt *quictest.Packet) { pkt.Corrupt = flipLastBit }
	tests := []struct {
		name string
		role protocol.Perspective
		at   func(*scene)
		send func(s *scene)
		want []string
	}{
		{"a long header that is not valid", server, half, changed(handshake, func(pkt *quictest.Packet) { pkt.AddLength = 1500 }), []string{"unknown: header_parse_error"}},
		{"another source", server, half, changed(handshake, otherSource), []string{"handshake: unexpected_source_connection_id"}},
		{"a small Initial", server, half, func(s *scene) { s.peer.SendRaw(s.peer.Seal(s.peer.Packet(initial, &wire.PingFrame{}))) }, []string{"initial: unexpected_packet"}},
		{"a Handshake packet that is not authentic", server, half, changed(handshake, corrupt), []string{"handshake: payload_decrypt_error"}},
		{"a version that is not expected", server, half, changed(handshake, func(pkt *quictest.Packet) { pkt.Version = 0x1a2a3a4a }), []string{"unknown: header_parse_error"}},
		{"another version", server, half, changed(handshake, func(pkt *quictest.Packet) { pkt.Version = protocol.Version2 }), []string{"handshake: unexpected_version"}},
		{"a packet from an address that is not the server's", client, connected, func(s *scene) {
			other := s.net.Listen(&net.UDPAddr{IP: net.IPv4(198, 51, 100, 9), Port: 443})
			other.WriteTo(s.peer.Seal(s.peer.Packet(oneRTT, &wire.PingFrame{})), s.peer.Remote())
		}, []string{"1RTT: unexpected_packet"}},
		{"a coalesced packet for another connection", server, half, func(s *scene) {
			first, second := s.peer.Packet(initial, &wire.PingFrame{}, quictest.Padding(600)), s.peer.Packet(initial, &wire.PingFrame{}, quictest.Padding(600))
			second.DstCID = []byte("somebody")
			s.peer.SendPackets(first, second)
		}, []string{"initial: unknown_connection_id"}},
		{"an Initial twice", server, half, func(s *scene) {
			b := s.peer.Seal(s.peer.Packet(initial, &wire.PingFrame{}, quictest.Padding(1200)))
			s.peer.SendRaw(b)
			s.peer.SendRaw(b)
		}, []string{"initial: duplicate"}},
		{"packets without keys", client, begun, func(s *scene) {
			for range protocol.MaxUndecryptablePackets + 1 {
				s.peer.SendRaw(append([]byte{0x40}, append(s.peer.DstCID().Bytes(), make([]byte, 100)...)...))
			}
		}, append(slices.Repeat([]string{"1RTT buffered"}, protocol.MaxUndecryptablePackets), "1RTT: keys_unavailable")},
		{"an Initial after the handshake", server, connected, changed(initial, func(*quictest.Packet) {}), []string{"initial: keys_unavailable"}},
		{"a short header that is cut", server, half, func(s *scene) {
			b := s.peer.Seal(s.peer.Packet(initial, &wire.PingFrame{}, quictest.Padding(1200)))
			s.peer.SendRaw(append(b, 0x40))
		}, []string{"1RTT: header_parse_error"}},
		{"a 1-RTT packet that is not authentic", client, connected, changed(oneRTT, corrupt), []string{"1RTT: payload_decrypt_error"}},
		{"a 1-RTT packet twice", client, connected, func(s *scene) {
			b := s.peer.Seal(s.peer.Packet(oneRTT, &wire.PingFrame{}))
			s.peer.SendRaw(b)
			s.peer.SendRaw(b)
		}, []string{"1RTT: duplicate"}},
		{"a Retry with a wrong tag", client, begun, func(s *scene) {
			b := s.peer.BuildRetry([]byte("token"), protocol.ParseConnectionID([]byte("retrysrc")))
			flipLastBit(b)
			s.peer.SendRaw(b)
		}, []string{"retry: unexpected_packet"}},
		{"a Retry from where the Initial went to", client, begun, func(s *scene) {
			s.peer.SendRaw(s.peer.BuildRetry([]byte("token"), s.peer.OriginalDstCID()))
		}, []string{"retry: unexpected_packet"}},
		{"a late Retry", client, half, func(s *scene) { s.peer.SendRetry([]byte("token")) }, []string{"retry: unexpected_packet"}},
		{"a late Version Negotiation packet", client, half, func(s *scene) { s.peer.SendVersionNegotiation(0x1a2a3a4a) }, []string{"unknown: unexpected_packet"}},
		{"a Version Negotiation packet for another", client, begun, func(s *scene) {
			s.peer.SendRaw(wire.AppendVersionNegotiation(nil, []byte("not"), []byte("you"), []quic.Version{0x1a2a3a4a}))
		}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log recordingTracer
				s := newScene(t, test.role)
				s.config.Tracer = log.trace
				test.at(s)
				log.Clear()
				test.send(s)
				time.Sleep(100 * time.Millisecond)
				if got := log.dropped(); !slices.Equal(got, test.want) {
					t.Errorf("recorded %q, want %q", got, test.want)
				}
			})
		})
	}
}
