package quic_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/quictest"
	"github.com/quic-go/quic-go/internal/wire"
)

// A packet that waited for keys came from somewhere else than the datagram that has brought the keys, of which more packets
// are to be handled: they count for the address from which they have come.
func TestPathOfPacketBehindUndecryptableOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, protocol.PerspectiveServer)
		s.half()
		s.peer.HoldAcks()
		s.peer.HoldPathResponses()
		home, elsewhere := s.peer.Conn(), s.elsewhere()
		s.peer.Use(elsewhere)
		s.peer.Send(oneRTT, &wire.PingFrame{}, newConnectionID(1, 0), quictest.Padding(1000))
		time.Sleep(20 * time.Millisecond)
		s.peer.Use(home)
		finished := &wire.CryptoFrame{Data: s.peer.TakeCrypto(handshake)}
		s.peer.SendPackets(s.peer.Packet(handshake, finished), s.peer.Packet(oneRTT, &wire.PingFrame{}))
		_, r := quictest.ExpectIn[*wire.HandshakeDoneFrame](s.peer, nil)
		if !at(home)(r) {
			t.Errorf("HANDSHAKE_DONE goes to %s, want %s", r.To, home.LocalAddr())
		}
	})
}
