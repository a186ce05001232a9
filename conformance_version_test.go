package quic_test

import (
	"encoding/binary"
	"errors"
	"slices"
	"testing"
	"time"

	quic "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/quictest"
	"github.com/quic-go/quic-go/internal/wire"
)

// versionCases are the rows about what all versions of QUIC have in common.
var versionCases = map[string]conformanceCase{
	"T-001": answersUnknownVersion([2]int{8, 8}, [2]int{20, 0}, [2]int{0, 20}),
	"T-002": smallUnknownVersion,
	"T-003": negotiationForServer,
	"T-004": unknownVersionTwice,
	"T-005": answersUnknownVersion([2]int{21, 8}, [2]int{8, 21}, [2]int{255, 255}, [2]int{100, 0}),
	"T-006": ignoredNegotiation(func(s *scene) { s.begun() }, protocol.Version1, 0x1a2a3a4a),
	"T-007": lateNegotiation,
	"T-008": noCommonVersion(func([]byte) {}),
	"T-009": foreignNegotiation,
	"T-010": malformedNegotiation,
	"T-011": noCommonVersion(func(b []byte) { b[0] = 0x80 }),
	"T-012": forgedNegotiation,
}

// unknownVersion returns a datagram of n bytes of a version that nobody speaks.
func unknownVersion(dst, src []byte, n int) []byte {
	b := binary.BigEndian.AppendUint32([]byte{0xc0}, 0x1a2a3a4a)
	b = append(append(b, byte(len(dst))), dst...)
	b = append(append(b, byte(len(src))), src...)
	return append(b, make([]byte, n-len(b))...)
}

// answersUnknownVersion is a case in which the server sends one Version Negotiation packet, for each pair of lengths of
// connection IDs.
func answersUnknownVersion(lengths ...[2]int) conformanceCase {
	return func(t *testing.T, s *scene) {
		n := lengths[s.pick(len(lengths))]
		dst, src := randomBytes(1, n[0]), randomBytes(2, n[1])
		s.start()
		s.peer.SendRaw(unknownVersion(dst, src, 1200))
		r := s.peer.ExpectType(protocol.PacketTypeVersionNegotiation)
		gotDst, gotSrc, versions, err := wire.ParseVersionNegotiation(r.Datagram)
		if err != nil || string(gotDst) != string(src) || string(gotSrc) != string(dst) {
			t.Errorf("answer to %x, from %x to %x, %v", src, gotSrc, gotDst, err)
		}
		if !slices.Contains(versions, protocol.Version1) || slices.Contains(versions, 0x1a2a3a4a) {
			t.Errorf("versions %s", versions)
		}
		s.peer.ExpectSilence(time.Second)
	}
}

func smallUnknownVersion(_ *testing.T, s *scene) {
	s.start()
	for _, n := range []int{30, 600, 1199} {
		s.peer.SendRaw(unknownVersion(make([]byte, 8), make([]byte, 8), n))
	}
	s.peer.ExpectSilence(time.Second)
}

func negotiationForServer(_ *testing.T, s *scene) {
	s.start()
	for _, n := range []int{0, 1200} {
		b := wire.AppendVersionNegotiation(nil, make([]byte, 8), make([]byte, 8), []protocol.Version{protocol.Version1})
		s.peer.SendRaw(append(b, make([]byte, n)...))
	}
	s.peer.ExpectSilence(time.Second)
}

func unknownVersionTwice(_ *testing.T, s *scene) {
	s.start()
	b := unknownVersion(make([]byte, 8), make([]byte, 8), 1200)
	s.peer.SendRaw(append(b, b...))
	s.peer.ExpectType(protocol.PacketTypeVersionNegotiation)
	s.peer.ExpectSilence(time.Second)
}

func ignoredNegotiation(before func(*scene), versions ...protocol.Version) conformanceCase {
	return func(_ *testing.T, s *scene) {
		before(s)
		s.peer.SendVersionNegotiation(versions...)
		s.complete()
	}
}

// lateNegotiation comes after an Initial, or after a Retry.
func lateNegotiation(t *testing.T, s *scene) {
	before := []func(*scene){(*scene).half, func(s *scene) {
		s.begun()
		s.peer.SendRetry([]byte("token"))
		s.peer.ExpectPacket(func(r *quictest.Received) bool { return len(r.Token) > 0 })
	}}
	ignoredNegotiation(before[s.pick(len(before))], 0x1a2a3a4a)(t, s)
}

func noCommonVersion(change func([]byte)) conformanceCase {
	return func(t *testing.T, s *scene) {
		s.begun()
		b := wire.AppendVersionNegotiation(nil, s.peer.DstCID().Bytes(), s.peer.OriginalDstCID().Bytes(), []protocol.Version{0x1a2a3a4a})
		change(b)
		s.peer.SendRaw(b)
		select {
		case err := <-s.dialErr:
			want, ok := errors.AsType[*quic.VersionNegotiationError](err)
			if !ok || !slices.Contains(want.Theirs, 0x1a2a3a4a) || !slices.Contains(want.Ours, quic.Version1) {
				t.Errorf("Dial: %v, want a version negotiation error", err)
			}
		case <-time.After(time.Second):
			t.Error("Dial goes on")
		}
		s.peer.ExpectSilence(3 * time.Second)
	}
}

func foreignNegotiation(_ *testing.T, s *scene) {
	variant := s.pick(4)
	s.begun()
	dst, src := s.peer.DstCID().Bytes(), s.peer.OriginalDstCID().Bytes()
	switch variant {
	case 0:
		dst = []byte("another")
	case 1:
		src = []byte("another")
	case 2:
		dst, src = src, dst
	case 3:
		dst, src = nil, nil
	}
	s.peer.SendRaw(wire.AppendVersionNegotiation(nil, dst, src, []protocol.Version{0x1a2a3a4a}))
	s.complete()
}

func malformedNegotiation(_ *testing.T, s *scene) {
	s.begun()
	b := wire.AppendVersionNegotiation(nil, s.peer.DstCID().Bytes(), s.peer.OriginalDstCID().Bytes(), []protocol.Version{0x1a2a3a4a})
	const versions = 2 * 4 // the one above and a reserved one
	header := len(b) - versions
	for _, n := range []int{0, 1, 2, 3, 5, 7} {
		s.peer.SendRaw(b[:header+n])
	}
	s.complete()
}

// forgedNegotiation: both sides speak versions 1 and 2, the client prefers version 2, and somebody says that the
// server only speaks version 1.
func forgedNegotiation(_ *testing.T, s *scene) {
	s.config.Versions = []quic.Version{quic.Version2, quic.Version1}
	s.peerOptions.Version = protocol.Version2
	s.begun()
	first := s.peer
	s.peerOptions.Version, s.peerOptions.HoldHandshake = protocol.Version1, false
	s.peerOptions.Parameters = func(tp *wire.TransportParameters) {
		tp.VersionInformation = &wire.VersionInformation{
			Chosen: protocol.Version1, Available: []protocol.Version{protocol.Version1, protocol.Version2},
		}
	}
	s.peer = quictest.NewServer(s.t, s.net.Listen(s.serverAddr), s.peerOptions)
	first.SendVersionNegotiation(protocol.Version1)
	select {
	case <-s.conns:
		s.t.Error("the downgrade was not found out")
	case err := <-s.dialErr:
		if t, ok := errors.AsType[*quic.TransportError](err); !ok || t.ErrorCode != 0x11 {
			s.t.Errorf("Dial: %v, want a VERSION_NEGOTIATION_ERROR", err)
		}
	case <-time.After(5 * time.Second):
		s.t.Error("Dial goes on")
	}
}
