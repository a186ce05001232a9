package quic_test

import (
	"errors"
	"testing"
	"time"

	quic "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/quictest"
	"github.com/quic-go/quic-go/internal/wire"
)

// resetCases are the rows about stateless resets.
var resetCases = map[string]conformanceCase{
	"T-207": reset(func(*scene, []byte) {}),
	"T-208": reset(func(s *scene, b []byte) { copy(b[1:], s.peer.DstCID().Bytes()) }),
	"T-209": resetWithLongHeader,
	"T-210": notReset(func(s *scene) { s.peer.Send(oneRTT, newConnectionID(2, 0)) }, 2),
	"T-211": notReset(func(s *scene) { s.peer.Send(oneRTT, newConnectionID(2, 2)) }, 1),
	"T-213": sizeOfReset,
	"T-214": resetLoop,
	"T-216": resetFlood,
}

// useToken makes the endpoint under test send to a connection ID with a token that the case knows.
func (s *scene) useToken() protocol.StatelessResetToken {
	s.t.Helper()
	f := newConnectionID(1, 1)
	s.peer.Send(oneRTT, f)
	quictest.Expect(s.peer, retiredOf(0))
	s.settle()
	return f.StatelessResetToken
}

func reset(change func(s *scene, b []byte)) conformanceCase {
	return func(t *testing.T, s *scene) {
		n := []int{21, 30, 100, 1200}[s.pick(4)]
		s.connect()
		b := quictest.StatelessReset(n, s.useToken())
		change(s, b[:n-16])
		s.peer.SendRaw(b)
		s.expectReset()
	}
}

func (s *scene) expectReset() {
	s.t.Helper()
	if err := s.cause(); !errors.Is(err, &quic.StatelessResetError{}) {
		s.t.Errorf("connection is over because of %v, want a stateless reset", err)
	}
	s.peer.Send(oneRTT, &wire.PingFrame{})
	s.peer.ExpectSilence(time.Second)
}

// resetWithLongHeader looks like an Initial or a Handshake packet, for nobody, another connection or this one.
func resetWithLongHeader(_ *testing.T, s *scene) {
	variant := s.pick(6)
	s.connect()
	header := []byte{0xc0 | byte(variant%2)<<5, 0, 0, 0, 1}
	switch variant / 2 {
	case 1:
		header = append(append(header, 8), otherConnectionID.Bytes()...)
	case 2:
		cid := s.peer.DstCID()
		header = append(append(header, byte(cid.Len())), cid.Bytes()...)
	}
	b := quictest.StatelessReset(len(header)+16+20*variant, s.useToken())
	copy(b, header)
	s.peer.SendRaw(b)
	s.expectReset()
}

// notReset is a case in which the token of a connection ID is ignored that is not in use.
func notReset(before func(*scene), seq uint64) conformanceCase {
	return func(_ *testing.T, s *scene) {
		s.connect()
		s.useToken()
		before(s)
		s.settle()
		s.drops(func() { s.peer.SendRaw(quictest.StatelessReset(100, newConnectionID(seq, 0).StatelessResetToken)) })
	}
}

// unknownShortHeader returns a datagram of n bytes for no connection.
func unknownShortHeader(seed uint64, n int) []byte {
	b := randomBytes(seed, n)
	b[0] = b[0]&0x3f | 0x40
	return b
}

func sizeOfReset(t *testing.T, s *scene) {
	s.transport.StatelessResetKey = &quic.StatelessResetKey{1}
	s.connect()
	first := make(map[byte]bool)
	for n := 22; n < 1300; n += 7 {
		s.peer.SendRaw(unknownShortHeader(uint64(n), n))
		r := s.peer.ExpectPacket(func(*quictest.Received) bool { return true })
		got := len(r.Datagram)
		if got >= n || got < 21 {
			t.Errorf("stateless reset of %d bytes for a datagram of %d", got, n)
		}
		if r.Datagram[0]&0xc0 != 0x40 {
			t.Errorf("first byte %#x is not that of a short header", r.Datagram[0])
		}
		first[r.Datagram[0]] = true
	}
	if len(first) < 20 {
		t.Errorf("%d different first bytes, want random ones", len(first))
	}
}

// resetLoop answers each stateless reset with itself.
func resetLoop(t *testing.T, s *scene) {
	const maxExchanges = 50
	s.transport.StatelessResetKey = &quic.StatelessResetKey{1}
	s.connect()
	s.peer.SendRaw(unknownShortHeader(1, 1200))
	last := 1200
	for n := 0; ; n++ {
		time.Sleep(50 * time.Millisecond)
		packets := s.peer.Packets()
		if len(packets) == 0 {
			return
		}
		b := packets[0].Datagram
		if len(b) >= last || n > maxExchanges {
			t.Fatalf("answer %d has %d bytes, after %d", n, len(b), last)
		}
		last = len(b)
		s.peer.Forget()
		s.peer.SendRaw(b)
	}
}

func resetFlood(t *testing.T, s *scene) {
	s.transport.StatelessResetKey = &quic.StatelessResetKey{1}
	s.connect()
	s.settle() // a new second
	for i := range uint64(5000) {
		s.peer.SendRaw(unknownShortHeader(i, 100))
		if i%20 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	time.Sleep(50 * time.Millisecond)
	if n := len(s.peer.Packets()); n == 0 || n > 2*protocol.MaxStatelessResetsPerSecond {
		t.Errorf("%d stateless resets in less than half a second, want at most %d", n, protocol.MaxStatelessResetsPerSecond)
	}
	s.peer.Forget()
	s.works()
}
