package quic_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	quic "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/quictest"
	"github.com/quic-go/quic-go/internal/udp"
	"github.com/quic-go/quic-go/internal/wire"
)

// longPacket returns what looks like a packet with a long header.
func longPacket(typ protocol.PacketType, dst, src protocol.ConnectionID, size int) []byte {
	const pnLen = 4
	b, at := wire.AppendLongHeader(nil, typ, protocol.Version1, dst, src, nil, 0, pnLen)
	wire.SetLongHeaderLength(b, at, pnLen+size)
	return append(b, randomBytes(3, size)...)
}

// countBuffers returns how many buffers of received datagrams are held that were not when the test began.
func countBuffers(t *testing.T) *atomic.Int64 {
	t.Helper()
	var n atomic.Int64
	udp.CountBuffers(&n)
	t.Cleanup(func() { udp.CountBuffers(nil) })
	return &n
}

// of Initials that open a connection, with packets behind them that belong to others, nothing is left but the connection.
func TestCoalescedGarbageLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		held := countBuffers(t)
		s := newScene(t, protocol.PerspectiveServer)
		s.peerOptions.HoldHandshake = true
		s.start()
		s.peer.Start()
		hello := s.peer.TakeCrypto(initial)
		synctest.Wait()
		idle := held.Load()
		for i := range 2000 {
			b := s.peer.Seal(s.peer.Packet(initial, &wire.CryptoFrame{Data: hello[:100]}, quictest.Padding(500)))
			for _, typ := range []protocol.PacketType{protocol.PacketTypeInitial, protocol.PacketTypeHandshake, protocol.PacketType0RTT} {
				other := protocol.ParseConnectionID([]byte{byte(i), byte(i >> 8), byte(typ), 4, 5, 6, 7, 8})
				b = append(b, longPacket(typ, other, s.peer.SrcCID(), 100)...)
				b = append(b, longPacket(typ, s.peer.DstCID(), other, 100)...)
			}
			s.peer.SendRaw(append(b, randomBytes(uint64(i), 100)...))
			time.Sleep(100 * time.Microsecond)
		}
		time.Sleep(time.Second)
		if n := len(quic.Conns(s.tr)); n != 1 {
			t.Errorf("%d connections, want 1", n)
		}
		h := quic.HeldBy(s.onlyConn())
		if got := held.Load() - idle; got != int64(h.Undecryptable) || h.Undecryptable > protocol.MaxUndecryptablePackets {
			t.Errorf("%d buffers are held for %d packets", got, h.Undecryptable)
		}
		time.Sleep(time.Minute)
		if got, n := held.Load(), quic.RoutedByTransport(s.tr); got > idle || n > 0 {
			t.Errorf("%d buffers are held at the end, %d when idle; %d connections, IDs or tokens are known", got, idle, n)
		}
	})
}

// packets with the right connection ID that are not authentic are dropped, cost no memory and get no answer.
func TestForgedPacketsLeaveNothing(t *testing.T) {
	hostile(t, func(t *testing.T, s *scene) {
		held := countBuffers(t)
		s.transport.StatelessResetKey = &quic.StatelessResetKey{1}
		s.connect()
		before, idle := s.held(), held.Load()
		s.peer.Forget()
		for i := range 3000 {
			pkt := s.peer.Packet(oneRTT, &wire.PingFrame{}, quictest.Padding(50))
			pkt.Corrupt = func(b []byte) { b[len(b)-1-i%30] ^= 1 << (i % 8) }
			s.peer.SendPackets(pkt)
			if i%20 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
		s.peer.ExpectSilence(time.Second)
		if after := s.held(); after != before || held.Load() != idle {
			t.Errorf("%+v and %d buffers, before %+v and %d", after, held.Load(), before, idle)
		}
		s.alive()
	})
}
