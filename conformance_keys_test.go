package quic_test

import (
	"context"
	"testing"
	"time"

	quic "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
	"github.com/quic-go/quic-go/internal/quictest"
	"github.com/quic-go/quic-go/internal/wire"
)

// keyCases are the rows about keys, their updates and their end.
var keyCases = map[string]conformanceCase{
	"T-317": discardedKeys(initial),
	"T-318": discardedKeys(handshake),
	"T-319": lateEarlyData,
	"T-321": undecryptableAhead,
	"T-324": updateBeforeConfirmation,
	"T-325": updateTwice,
	"T-326": oldKeysAgain(func(s *scene) wire.Frame {
		pns := s.peer.ReceivedNumbers(oneRTT)
		last := pns[len(pns)-1]
		return &wire.AckFrame{AckRanges: []wire.AckRange{{Smallest: last, Largest: last}}}
	}),
	"T-327": oldKeysAgain(func(*scene) wire.Frame { return &wire.PingFrame{} }),
	"T-328": ignored(func(pkt *quictest.Packet) { pkt.Corrupt = func(b []byte) { b[0] ^= 0x04 } }),
	"T-329": reorderedAcrossUpdate,
	"T-342": doneInHandshake,
	"T-343": closes(wire.FrameTypeHandshakeDone, qerr.ProtocolViolation, &wire.HandshakeDoneFrame{}),
	"T-344": doneTwice,
	"T-345": replayedEarlyData,
}

// discardedKeys is a case in which a packet comes after the end of its level.
func discardedKeys(level protocol.EncryptionLevel) conformanceCase {
	return func(t *testing.T, s *scene) {
		s.connect()
		s.drops(func() {
			for range 3 {
				s.peer.Send(level, &wire.PingFrame{})
				s.peer.Send(level, poison)
			}
		})
		for _, r := range s.peer.Packets() {
			if r.Level != oneRTT {
				t.Errorf("after the handshake: %s", r)
			}
		}
	}
}

func lateEarlyData(_ *testing.T, s *scene) {
	s.resumeServer()
	s.peer.Send(zeroRTT, &wire.PingFrame{})
	s.complete()
	time.Sleep(10 * time.Second)
	s.drops(func() { s.peer.Send(zeroRTT, poison) })
}

func undecryptableAhead(_ *testing.T, s *scene) {
	s.connect()
	s.drops(func() {
		s.peer.SetNextNumber(oneRTT, 100)
		s.peer.SendPackets(&quictest.Packet{
			Level: oneRTT, DstCID: s.peer.DstCID().Bytes(), PN: 50, PNLen: 4, Payload: poison, KeyPhase: 2,
		})
		pkt := s.peer.Packet(oneRTT, poison)
		pkt.Corrupt = flipLastBit
		s.peer.SendPackets(pkt)
	})
	s.peer.SetNextNumber(oneRTT, 10)
	s.alive()
}

func updateBeforeConfirmation(_ *testing.T, s *scene) {
	if s.isServer() {
		s.half()
		pkt := s.peer.Packet(oneRTT, &wire.PingFrame{})
		pkt.KeyPhase = 1
		s.peer.SendPackets(pkt)
		s.peer.ReleaseHandshake()
	} else {
		s.peerOptions.HoldHandshakeDone = true
		s.connect()
		s.peer.UpdateKeys()
		s.peer.Send(oneRTT, &wire.PingFrame{})
	}
	s.peer.Timeout = time.Second
	if s.peer.WaitClose() != nil {
		s.peer.ExpectClose(qerr.KeyUpdateError)
		return
	}
	s.works()
}

// updateTwice: the first packet is not answered, so nothing confirms the first update.
func updateTwice(_ *testing.T, s *scene) {
	s.connect()
	s.peer.UpdateKeys()
	s.peer.Send(oneRTT, quictest.Padding(10))
	s.peer.UpdateKeys()
	s.peer.Send(oneRTT, &wire.PingFrame{})
	s.expectCode(qerr.KeyUpdateError)
}

// oldKeysAgain is a case in which a new packet is protected with old keys.
func oldKeysAgain(frame func(*scene) wire.Frame) conformanceCase {
	return func(t *testing.T, s *scene) {
		s.connect()
		s.peer.UpdateKeys()
		s.alive()
		for _, r := range s.peer.Packets() {
			if r.KeyPhase != 1 {
				t.Errorf("answer in key phase %d, want 1: %s", r.KeyPhase, r)
			}
		}
		pkt := s.peer.Packet(oneRTT, frame(s))
		pkt.KeyPhase = 0
		s.peer.SendPackets(pkt)
		s.expectCode(qerr.KeyUpdateError)
	}
}

func reorderedAcrossUpdate(_ *testing.T, s *scene) {
	s.connect()
	for range 5 {
		old := s.peer.Packet(oneRTT, &wire.PingFrame{})
		s.peer.UpdateKeys()
		s.alive()
		s.peer.SendPackets(old)
		quictest.Expect(s.peer, func(f *wire.AckFrame) bool { return f.AcksPacket(old.PN) })
		time.Sleep(time.Second)
	}
	s.works()
}

// doneInHandshake: HANDSHAKE_DONE overtakes the rest of the server's flight.
func doneInHandshake(_ *testing.T, s *scene) {
	s.half()
	s.peer.Send(oneRTT, &wire.HandshakeDoneFrame{})
	s.complete()
}

func doneTwice(_ *testing.T, s *scene) {
	s.connect()
	for range 3 {
		s.peer.Send(oneRTT, &wire.HandshakeDoneFrame{})
	}
	s.works()
}

// replayedEarlyData sends the same first flight again and again, from the same address and from others.
func replayedEarlyData(t *testing.T, s *scene) {
	s.early, s.noEcho = true, true
	s.resumeServer()
	hello := s.peer.SentDatagrams()
	early := s.peer.Seal(s.peer.Packet(zeroRTT, &wire.StreamFrame{StreamID: s.theirs(bidi, 1), Data: []byte("buy"), Fin: true}))
	s.peer.SendRaw(early)
	s.settle()
	seen := s.countStreams()
	for i := range 20 {
		s.peerOptions.HoldHandshake = true
		copycat := s.newClient()
		if i == 0 {
			// Now the server has no connection any more that would take the packets.
			s.peer.Send(initial, &wire.ConnectionCloseFrame{ErrorCode: uint64(qerr.InternalError)})
			time.Sleep(10 * time.Second)
		}
		for _, b := range append(hello, early) {
			copycat.SendRaw(b)
		}
		time.Sleep(time.Second)
		seen += s.countStreams()
		time.Sleep(10 * time.Second) // until the server has forgotten the connection
	}
	if seen != 1 {
		t.Errorf("application has seen the stream %d times, want once", seen)
	}
}

// countStreams returns how many streams wait on the accepted connections, which it closes.
func (s *scene) countStreams() (n int) {
	for {
		select {
		case c := <-s.conns:
			n += acceptable(c)
			_ = c.CloseWithError(0, "")
		default:
			return n
		}
	}
}

func acceptable(c *quic.Conn) (n int) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	for {
		if _, err := c.AcceptStream(ctx); err != nil {
			return n
		}
		n++
	}
}
