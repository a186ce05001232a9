package quic_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	quic "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
	"github.com/quic-go/quic-go/internal/quictest"
	"github.com/quic-go/quic-go/internal/wire"
)

// packetCases are the rows about packets and their headers.
var packetCases = map[string]conformanceCase{
	"T-013": withoutGrease(ignoredInHandshake(func(pkt *quictest.Packet) { pkt.FlipBits = 0x40 })),
	"T-014": withoutGrease(ignored(func(pkt *quictest.Packet) { pkt.FlipBits = 0x40 })),
	"T-015": ignoredInHandshake(func(pkt *quictest.Packet) { pkt.DstCID = append(pkt.DstCID, make([]byte, 21-len(pkt.DstCID))...) }),
	"T-016": ignoredInHandshake(func(pkt *quictest.Packet) { pkt.SrcCID = append(pkt.SrcCID, make([]byte, 21-len(pkt.SrcCID))...) }),
	"T-017": truncatedLongHeader,
	"T-018": ignoredInHandshake(func(pkt *quictest.Packet) { pkt.AddLength = 1500 }),
	"T-019": lengthTooSmall,
	"T-020": tokenTooLong,
	"T-021": reservedBits(initial),
	"T-022": reservedBits(handshake),
	"T-023": reservedBits(zeroRTT),
	"T-024": reservedBits(oneRTT),
	"T-025": ignored(func(pkt *quictest.Packet) { pkt.FlipBits, pkt.Corrupt = 0x18, flipLastBit }),
	"T-026": tooShortForSample,
	"T-027": tooShortForReset,
	"T-028": smallInitial,
	"T-029": minimalInitial,
	"T-030": smallDatagrams,
	"T-031": shortFirstConnectionID,
	"T-032": ignoredInHandshake(otherSource),
	"T-033": ignoredInHandshake(otherSource),
	"T-034": ignoredInHandshake(func(pkt *quictest.Packet) { pkt.Version = protocol.Version2 }),
	"T-035": coalescedBehindGarbage,
	"T-036": coalescedForOther,
	"T-037": coalescedThree,
	"T-038": sameNumberTwice,
	"T-039": numberTooOld,
	"T-041": ambiguousNumber,
	"T-042": withoutFrames,
	"T-043": onlyPadding,
	"T-044": closes(0x20, qerr.FrameEncodingError, varints(0x20)),
	"T-045": closes(maxVarint, qerr.FrameEncodingError, varints(maxVarint)),
	"T-046": closes(0, qerr.FrameEncodingError, quictest.Raw{0x01, 0x40}),
	"T-047": closes(wire.FrameTypePing, qerr.ProtocolViolation, quictest.Raw{0x40, 0x01}),
	"T-048": longPaddingType,
	"T-049": initialWithToken,
	"T-050": unknownConnection,
	"T-051": inauthenticInitial,
	"T-052": refused,
	"T-053": emptyDatagrams,
	"T-054": hugeDatagrams,
}

// withoutGrease makes the endpoint under test one that does not accept packets with a fixed bit of 0, as its application
// reads other packets.
func withoutGrease(c conformanceCase) conformanceCase {
	return func(t *testing.T, s *scene) {
		s.nonQUIC = true
		c(t, s)
	}
}

// poison is a frame of unknown type: if a packet with it is not dropped, the connection ends.
var poison = varints(0x20)

func flipLastBit(b []byte) { b[len(b)-1] ^= 1 }

func otherSource(pkt *quictest.Packet) { pkt.SrcCID = []byte("another source")[:8] }

// ignored is a case in which a 1-RTT packet is dropped.
func ignored(change func(*quictest.Packet)) conformanceCase {
	return func(_ *testing.T, s *scene) {
		s.connect()
		s.drops(func() {
			pkt := s.peer.Packet(oneRTT, poison)
			change(pkt)
			s.peer.SendPackets(pkt)
		})
	}
}

// ignoredInHandshake is a case in which an Initial and a Handshake packet are dropped.
func ignoredInHandshake(change func(*quictest.Packet)) conformanceCase {
	return func(_ *testing.T, s *scene) {
		level := []protocol.EncryptionLevel{initial, handshake}[s.pick(2)]
		s.half()
		pkt := s.peer.Packet(level, poison)
		change(pkt)
		s.peer.SendPackets(pkt)
		s.complete()
	}
}

// complete ends a handshake that half has begun, after nothing has come for some time.
func (s *scene) complete() {
	s.t.Helper()
	time.Sleep(50 * time.Millisecond)
	s.peer.ReleaseHandshake()
	s.peer.Handshake()
	s.await()
	s.settle()
	s.works()
}

func truncatedLongHeader(_ *testing.T, s *scene) {
	level := []protocol.EncryptionLevel{initial, handshake}[s.pick(2)]
	s.half()
	whole := s.peer.Seal(s.peer.Packet(level, poison, quictest.Padding(20)))
	valid := func() []byte { return s.peer.Seal(s.peer.Packet(initial, &wire.PingFrame{}, quictest.Padding(1150))) }
	for n := 1; n < len(whole); n++ {
		s.peer.SendRaw(whole[:n])
		s.peer.SendRaw(append(valid(), whole[:n]...))
		if n%8 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	s.complete()
}

func lengthTooSmall(_ *testing.T, s *scene) {
	level := []protocol.EncryptionLevel{initial, handshake}[s.pick(2)]
	s.half()
	for length := range 20 {
		pkt := s.peer.Packet(level, poison, quictest.Padding(1200))
		pkt.AddLength = length - (pkt.PNLen + len(pkt.Payload) + 16)
		s.peer.SendPackets(pkt)
	}
	s.complete()
}

func tokenTooLong(_ *testing.T, s *scene) {
	s.half()
	for _, length := range [][]byte{{0x7f, 0xff}, {0xbf, 0xff, 0xff, 0xff}, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}} {
		pkt := s.peer.Packet(initial, poison, quictest.Padding(1200))
		b := s.peer.Seal(pkt)
		copy(b[1+4+1+len(pkt.DstCID)+1+len(pkt.SrcCID):], length)
		s.peer.SendRaw(b)
	}
	s.complete()
}

func reservedBits(level protocol.EncryptionLevel) conformanceCase {
	return func(_ *testing.T, s *scene) {
		bits := []byte{0x04, 0x08, 0x0c}[s.pick(3)]
		switch level {
		case initial, handshake:
			s.half()
		case zeroRTT:
			s.resumeServer()
		case oneRTT:
			bits <<= 1
			s.connect()
		}
		pkt := s.peer.Packet(level, &wire.PingFrame{})
		pkt.FlipBits = bits
		s.peer.SendPackets(pkt)
		s.expectClose(0, qerr.ProtocolViolation)
	}
}

func tooShortForSample(_ *testing.T, s *scene) {
	s.connect()
	s.drops(func() {
		dst := s.peer.DstCID()
		for n := range 4 + 16 {
			b := append([]byte{0x43}, dst.Bytes()...)
			s.peer.SendRaw(append(b, randomBytes(uint64(n), n)...))
		}
	})
}

func tooShortForReset(_ *testing.T, s *scene) {
	s.transport.StatelessResetKey = &quic.StatelessResetKey{1}
	s.connect()
	s.drops(func() {
		for n := 1; n < 21; n++ {
			b := randomBytes(uint64(n), n)
			b[0] = b[0]&0x3f | 0x40
			s.peer.SendRaw(b)
		}
	})
}

// firstInitial returns the start of a ClientHello in a datagram of n bytes.
func (s *scene) firstInitial(n int) []byte {
	s.t.Helper()
	s.peer.Start()
	pkt := s.peer.Packet(initial, &wire.CryptoFrame{Data: s.peer.TakeCrypto(initial)[:400]})
	short := n - len(s.peer.Seal(pkt))
	pkt.Payload = append(pkt.Payload, quictest.Padding(short)...)
	return s.peer.Seal(pkt)
}

// noConnection makes the case fail if a server under test makes a connection before the result is called.
func (s *scene) noConnection() (allow func()) {
	var allowed atomic.Bool
	s.config.GetConfigForClient = func(*quic.ClientInfo) (*quic.Config, error) {
		if !allowed.Load() {
			s.t.Error("server has made a connection")
		}
		return nil, nil
	}
	return func() { allowed.Store(true) }
}

func smallInitial(_ *testing.T, s *scene) {
	s.noConnection()
	s.peerOptions.HoldHandshake = true
	s.start()
	b := s.firstInitial(1199)
	s.peer.SendRaw(b)
	s.peer.ExpectSilence(2 * time.Second)
}

func minimalInitial(_ *testing.T, s *scene) {
	size := []int{1200, 600}[s.pick(2)]
	s.peerOptions.HoldHandshake = true
	s.start()
	b := s.firstInitial(size)
	s.peer.SendRaw(append(b, randomBytes(1, 1200-size)...))
	quictest.Expect[*wire.AckFrame](s.peer, nil)
}

func smallDatagrams(_ *testing.T, s *scene) {
	s.connect()
	for range 10 {
		s.alive()
	}
	s.works()
}

func shortFirstConnectionID(_ *testing.T, s *scene) {
	n := s.pick(8)
	s.noConnection()
	s.peerOptions.DstCID = protocol.ParseConnectionID(make([]byte, n))
	s.start()
	s.peer.Start()
	s.peer.ExpectSilence(2 * time.Second)
}

func coalescedBehindGarbage(_ *testing.T, s *scene) {
	level := []protocol.EncryptionLevel{initial, handshake}[s.pick(2)]
	s.connect()
	garbage := s.peer.Packet(level, poison, quictest.Padding(100))
	garbage.Corrupt = flipLastBit
	valid := s.peer.Packet(oneRTT, &wire.PingFrame{})
	s.peer.SendRaw(s.peer.Seal(garbage, valid))
	quictest.Expect(s.peer, func(f *wire.AckFrame) bool { return f.AcksPacket(valid.PN) })
}

func coalescedForOther(_ *testing.T, s *scene) {
	s.half()
	first := s.peer.Packet(initial, &wire.PingFrame{}, quictest.Padding(1150))
	second := s.peer.Packet(handshake, poison)
	second.DstCID = []byte("another connection")[:8]
	third := s.peer.Packet(handshake, poison)
	s.peer.SendRaw(s.peer.Seal(first, second, third))
	s.complete()
}

// coalescedThree: what follows a packet with a short header belongs to it, so the trailing bytes are in a datagram
// of their own.
func coalescedThree(t *testing.T, s *scene) {
	s.half()
	tail := append(s.peer.Seal(s.peer.Packet(initial, &wire.PingFrame{}), s.peer.Packet(handshake, &wire.PingFrame{})), make([]byte, 1100)...)
	s.peer.SendPackets(
		s.peer.Packet(initial, &wire.PingFrame{}),
		s.peer.Packet(handshake, &wire.CryptoFrame{Data: s.peer.TakeCrypto(handshake)}),
		s.peer.Packet(oneRTT, streamFin(s.theirs(bidi, 1), 0, 10)),
	)
	if got := s.peer.ExpectStream(s.theirs(bidi, 1)); len(got) != 10 {
		t.Errorf("echo of %d bytes, want 10", len(got))
	}
	s.peer.SendRaw(tail)
	s.complete()
}

func sameNumberTwice(_ *testing.T, s *scene) {
	s.connect()
	s.alive()
	pkt := s.peer.Packet(oneRTT, poison)
	pkt.PN--
	s.drops(func() { s.peer.SendPackets(pkt) })
}

func numberTooOld(_ *testing.T, s *scene) {
	s.connect()
	old := s.peer.Packet(oneRTT, poison)
	for i := range 300 {
		s.peer.Packet(oneRTT) // a gap
		s.peer.Send(oneRTT, &wire.PingFrame{})
		if i%10 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	s.settle()
	s.drops(func() { s.peer.SendPackets(old) })
}

func ambiguousNumber(_ *testing.T, s *scene) {
	s.connect()
	s.drops(func() {
		s.peer.SetNextNumber(oneRTT, 1000)
		pkt := s.peer.Packet(oneRTT, poison)
		pkt.PNLen = 1
		s.peer.SendPackets(pkt)
	})
}

func withoutFrames(_ *testing.T, s *scene) {
	level := []protocol.EncryptionLevel{initial, handshake, oneRTT}[s.pick(3)]
	if level == oneRTT {
		s.connect()
	} else {
		s.half()
	}
	empty := s.peer.Seal(s.peer.Packet(level))
	if level == initial {
		// Nothing but another packet can make the datagram large enough.
		empty = append(empty, s.peer.Seal(s.peer.Packet(handshake, quictest.Padding(1200)))...)
	}
	s.peer.SendRaw(empty)
	s.expectClose(0, qerr.ProtocolViolation)
}

func onlyPadding(_ *testing.T, s *scene) {
	n := []int{1, 1000}[s.pick(2)]
	s.connect()
	s.drops(func() { s.peer.Send(oneRTT, quictest.Padding(n)) })
}

func longPaddingType(_ *testing.T, s *scene) {
	raw := []quictest.Raw{{0x40, 0x00}, {0x80, 0, 0, 0}}[s.pick(2)]
	s.connect()
	s.peer.Send(oneRTT, raw)
	s.expectClose(wire.FrameTypePadding, qerr.ProtocolViolation)
}

func initialWithToken(_ *testing.T, s *scene) {
	s.begun()
	pkt := s.peer.Packet(initial, poison)
	pkt.Token = []byte("token")
	s.peer.SendPackets(pkt)
	s.complete()
}

func unknownConnection(_ *testing.T, s *scene) {
	s.connect()
	s.drops(func() {
		pkt := s.peer.Packet(handshake, poison, quictest.Padding(1200))
		pkt.DstCID = []byte("another connection")[:8]
		s.peer.SendPackets(pkt)
		pkt = s.peer.Packet(oneRTT, poison)
		pkt.DstCID = []byte("another connection")[:8]
		s.peer.SendPackets(pkt)
	})
}

// inauthenticInitial sends an Initial that cannot be opened before the right one.
func inauthenticInitial(_ *testing.T, s *scene) {
	if !s.isServer() {
		s.begun()
		pkt := s.peer.Packet(initial, poison)
		pkt.Corrupt = flipLastBit
		s.peer.SendPackets(pkt)
		s.complete()
		return
	}
	allow := s.noConnection()
	s.peerOptions.HoldHandshake = true
	s.start()
	s.peer.Start()
	pkt := s.peer.Packet(initial, poison)
	pkt.Corrupt = flipLastBit
	s.peer.SendPackets(pkt)
	s.peer.ExpectSilence(2 * time.Second)
	allow()
	s.complete()
}

func refused(_ *testing.T, s *scene) {
	s.config.GetConfigForClient = func(*quic.ClientInfo) (*quic.Config, error) { return nil, errors.New("refused") }
	s.start()
	s.peer.Start()
	f := s.peer.ExpectClose(qerr.ConnectionRefused)
	if r := s.peer.Packets()[0]; r.Type != protocol.PacketTypeInitial || f.ReasonPhrase != "" {
		s.t.Errorf("refused by %s", r)
	}
}

func emptyDatagrams(_ *testing.T, s *scene) {
	s.connect()
	for range 10 {
		for i := range 1000 {
			s.peer.SendRaw(nil)
			if i%10 == 0 {
				time.Sleep(time.Microsecond)
			}
		}
		s.alive()
	}
	s.works()
}

func hugeDatagrams(_ *testing.T, s *scene) {
	s.connect()
	s.drops(func() {
		dst := s.peer.DstCID()
		for i := range uint64(10) {
			b := randomBytes(i, 65507)
			b[0] = b[0]&0x3f | 0x40 // no version to negotiate about
			if i%2 == 0 {           // for this connection
				copy(b[1:], dst.Bytes())
			}
			s.peer.SendRaw(b)
		}
	})
}
