package quic_test

import (
	"testing"
	"time"

	quic "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
	"github.com/quic-go/quic-go/internal/wire"
)

// onlyConn returns the connection of the endpoint under test, whose handshake goes on.
func (s *scene) onlyConn() *quic.Conn {
	s.t.Helper()
	conns := quic.Conns(s.tr)
	if len(conns) != 1 {
		s.t.Fatalf("%d connections, want 1", len(conns))
	}
	return conns[0]
}

// undecryptable returns what looks like a Handshake packet of the peer.
func (s *scene) undecryptable(size int) []byte {
	const pnLen = 4
	b, at := wire.AppendLongHeader(nil, protocol.PacketTypeHandshake, protocol.Version1, s.peer.DstCID(), s.peer.SrcCID(), nil, 0, pnLen)
	size = min(size, 1<<14-1-pnLen) // what the Length field can say
	wire.SetLongHeaderLength(b, at, pnLen+size)
	return append(b, randomBytes(9, size)...)
}

// beginWith is begun, and returns what a client has still to send in Initial packets.
func (s *scene) beginWith(n int) (rest []byte) {
	s.t.Helper()
	if !s.isServer() {
		s.begun()
		return nil
	}
	s.peerOptions.HoldHandshake = true
	s.start()
	s.peer.Start()
	hello := s.peer.TakeCrypto(initial)
	s.peer.SendCryptoAt(initial, 0, hello[:n])
	s.settle()
	return hello[n:]
}

// packets that cannot be opened yet are few, whatever their size, and are gone when the handshake is over.
func TestUndecryptablePacketsAreBounded(t *testing.T) {
	for _, size := range []int{100, 1200, 1 << 14, 1 << 16} {
		hostile(t, func(t *testing.T, s *scene) {
			rest := s.beginWith(100)
			c := s.onlyConn()
			one := s.undecryptable(size)
			for range 10 * protocol.MaxUndecryptablePackets {
				s.peer.SendRaw(append(one[:len(one):len(one)], make([]byte, max(0, size-1<<14))...))
				time.Sleep(time.Microsecond)
			}
			time.Sleep(20 * time.Millisecond)
			h := quic.HeldBy(c)
			if h.Undecryptable == 0 || h.Undecryptable > protocol.MaxUndecryptablePackets || h.UndecryptableBytes > protocol.MaxUndecryptableBytes {
				t.Errorf("%d packets in %d bytes, want %d in %d at most", h.Undecryptable, h.UndecryptableBytes,
					protocol.MaxUndecryptablePackets, protocol.MaxUndecryptableBytes)
			}
			if s.isServer() {
				s.peer.SendCryptoAt(initial, 100, rest)
			}
			s.peer.ReleaseHandshake()
			s.peer.Handshake()
			s.await()
			if h := s.held(); h.Undecryptable != 0 {
				t.Errorf("%d packets are kept after the handshake", h.Undecryptable)
			}
			s.peer.SendRaw(one)
			if h := s.held(); h.Undecryptable != 0 {
				t.Errorf("%d packets are kept after the handshake", h.Undecryptable)
			}
			s.alive()
		})
	}
}

// cryptoPieces returns CRYPTO frames of one byte each, behind gaps of one byte.
func cryptoPieces(from protocol.ByteCount, n int) (frames []wire.Frame) {
	for i := range n {
		frames = append(frames, &wire.CryptoFrame{Offset: from + 2*protocol.ByteCount(i) + 1, Data: []byte{1}})
	}
	return frames
}

// CRYPTO data ahead of a gap is bounded in bytes and in gaps, before and after the handshake.
func TestCryptoDataIsBounded(t *testing.T) {
	const half = protocol.MaxCryptoBuffered / 2
	for name, last := range map[string]protocol.ByteCount{"one gap more": half + 200, "too far": protocol.MaxCryptoBuffered + 1000} {
		t.Run(name+" in the handshake", func(t *testing.T) {
			hostile(t, func(t *testing.T, s *scene) {
				s.begun()
				s.fillCrypto(initial, 100, last) // behind the start of a ClientHello
			})
		})
		t.Run(name+" after the handshake", func(t *testing.T) {
			hostile(t, func(t *testing.T, s *scene) {
				s.connect()
				s.fillCrypto(oneRTT, 1000, last) // behind session tickets
			})
		})
	}
}

// fillCrypto sends CRYPTO data in pieces until no more is taken, and then one byte at last.
func (s *scene) fillCrypto(level protocol.EncryptionLevel, begin, last protocol.ByteCount) {
	s.t.Helper()
	const perPacket = 100
	c := s.onlyConn()
	s.peer.Send(level, &wire.CryptoFrame{Offset: begin + protocol.MaxCryptoBuffered/2, Data: make([]byte, 100)})
	for i := 0; i < protocol.MaxStreamGaps-1; i += perPacket {
		s.peer.Send(level, cryptoPieces(begin+2*protocol.ByteCount(i), min(perPacket, protocol.MaxStreamGaps-1-i))...)
	}
	time.Sleep(100 * time.Millisecond)
	if h := quic.HeldBy(c); h.CryptoGaps != protocol.MaxStreamGaps || h.CryptoMemory > int(protocol.MaxCryptoBuffered)+4<<10 {
		s.t.Errorf("%d gaps, %d bytes of memory", h.CryptoGaps, h.CryptoMemory)
	}
	s.peer.Send(level, &wire.CryptoFrame{Offset: begin + last, Data: []byte{1}})
	s.expectCode(qerr.CryptoBufferExceeded)
}
