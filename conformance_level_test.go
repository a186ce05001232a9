package quic_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	quic "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
	"github.com/quic-go/quic-go/internal/quictest"
	"github.com/quic-go/quic-go/internal/wire"
	"github.com/quic-go/quic-go/quicvarint"
)

// levelCases are the rows about frames in packets that may not carry them (RFC 9000, Section 12.5).
var levelCases = joinCases(levelsOfHandshake(), map[string]conformanceCase{
	"T-089": inEarlyData(varints(0x02, 0, 0, 0, 0), varints(0x03, 0, 0, 0, 0, 0, 0, 0)),
	"T-090": inEarlyData(&wire.HandshakeDoneFrame{}),
	"T-091": inEarlyData(&wire.NewTokenFrame{Token: []byte("token")}),
	"T-092": inEarlyData(&wire.PathResponseFrame{}),
	"T-093": inEarlyData(&wire.RetireConnectionIDFrame{}),
	"T-094": inEarlyData(&wire.CryptoFrame{Data: []byte("x")}),
	"T-095": closedInEarlyData(
		&wire.ConnectionCloseFrame{ErrorCode: uint64(qerr.InternalError)},
		&quic.TransportError{Remote: true, ErrorCode: quic.InternalError}),
	"T-096": closedInEarlyData(
		&wire.ConnectionCloseFrame{IsApplicationError: true, ErrorCode: 7},
		&quic.ApplicationError{Remote: true, ErrorCode: 7}),
	"T-097": applicationCloseInHandshake,
	"T-098": earlyDataForClient,
	"T-099": oneRTTInHandshake,
})

// applicationFrames are the frames that Initial and Handshake packets may not carry, in the order of the rows.
var applicationFrames = [][]wire.Frame{
	{&wire.ResetStreamFrame{}},
	{&wire.StopSendingFrame{}},
	{&wire.NewTokenFrame{Token: []byte("token")}},
	{
		varints(0x08, 0), varints(0x09, 0), varints(0x0a, 0, 0), varints(0x0b, 0, 0),
		varints(0x0c, 0, 1), varints(0x0d, 0, 1), varints(0x0e, 0, 1, 0), varints(0x0f, 0, 1, 0),
	},
	{&wire.MaxDataFrame{}},
	{&wire.MaxStreamDataFrame{}},
	{&wire.MaxStreamsFrame{Type: bidi}, &wire.MaxStreamsFrame{Type: uni}},
	{&wire.DataBlockedFrame{}},
	{&wire.StreamDataBlockedFrame{}},
	{&wire.StreamsBlockedFrame{Type: bidi}, &wire.StreamsBlockedFrame{Type: uni}},
	{&wire.NewConnectionIDFrame{SequenceNumber: 1, ConnectionID: protocol.ParseConnectionID(make([]byte, 8))}},
	{&wire.RetireConnectionIDFrame{}},
	{&wire.PathChallengeFrame{}},
	{&wire.PathResponseFrame{}},
	{&wire.ConnectionCloseFrame{IsApplicationError: true}},
	{&wire.HandshakeDoneFrame{}},
	{varints(0x30), varints(0x31, 0)},
}

// levelsOfHandshake returns the rows T-055 to T-088.
func levelsOfHandshake() map[string]conformanceCase {
	const firstInitial, firstHandshake = 55, 72
	cases := make(map[string]conformanceCase)
	for i, frames := range applicationFrames {
		cases[fmt.Sprintf("T-%03d", firstInitial+i)] = inHandshake(initial, frames)
		cases[fmt.Sprintf("T-%03d", firstHandshake+i)] = inHandshake(handshake, frames)
	}
	return cases
}

func typeOf(f wire.Frame) wire.FrameType {
	t, _, err := quicvarint.Parse(quictest.Encode(f))
	if err != nil {
		panic(err)
	}
	return wire.FrameType(t)
}

// inHandshake is a case in which a frame closes the connection that is not allowed at a level of the handshake.
func inHandshake(level protocol.EncryptionLevel, frames []wire.Frame) conformanceCase {
	return func(_ *testing.T, s *scene) {
		frame := frames[s.pick(len(frames))]
		s.config.EnableDatagrams = true
		if level == initial && !s.isServer() {
			s.begun()
		} else {
			s.half()
		}
		s.peer.Send(level, frame)
		s.expectClose(typeOf(frame), qerr.ProtocolViolation)
	}
}

func inEarlyData(frames ...wire.Frame) conformanceCase {
	return func(_ *testing.T, s *scene) {
		frame := frames[s.pick(len(frames))]
		s.resumeServer()
		s.peer.Send(zeroRTT, frame)
		s.expectClose(typeOf(frame), qerr.ProtocolViolation)
	}
}

// closedInEarlyData is a case in which the peer closes the connection in a 0-RTT packet.
func closedInEarlyData(f *wire.ConnectionCloseFrame, want error) conformanceCase {
	return func(t *testing.T, s *scene) {
		s.early = true
		s.resumeServer()
		s.await()
		s.settle()
		s.peer.Send(zeroRTT, f)
		if err := s.cause(); !errors.Is(err, want) {
			t.Errorf("connection is over because of %v, want %v", err, want)
		}
		s.settle()
		s.peer.Send(zeroRTT, &wire.PingFrame{})
		s.peer.ExpectSilence(time.Second)
	}
}

// applicationCloseInHandshake: the application must not tell who is not authenticated more than that it closes.
func applicationCloseInHandshake(t *testing.T, s *scene) {
	s.early = true
	if s.isServer() {
		s.half()
		s.await()
		go s.conn.CloseWithError(7, "secret")
	} else {
		s.begun()
		s.dialCancel()
	}
	time.Sleep(settleTime)
	var levels []protocol.EncryptionLevel
	for _, r := range s.peer.Packets() {
		for _, f := range r.Frames {
			f, ok := f.(*wire.ConnectionCloseFrame)
			if !ok || r.Level == oneRTT {
				continue
			}
			levels = append(levels, r.Level)
			if f.IsApplicationError || f.ErrorCode != uint64(qerr.ApplicationErrorErrorCode) || f.ReasonPhrase != "" {
				t.Errorf("%s packet with %+v, want APPLICATION_ERROR without a reason", r.Level, f)
			}
		}
	}
	if !slices.Contains(levels, initial) {
		t.Errorf("CONNECTION_CLOSE in packets of %s, want Initial", levels)
	}
	if s.isServer() && !slices.Contains(levels, handshake) {
		t.Errorf("CONNECTION_CLOSE in packets of %s, want Handshake", levels)
	}
}

// earlyDataForClient sends a packet that looks like 0-RTT and is protected with Handshake keys.
func earlyDataForClient(_ *testing.T, s *scene) {
	const handshakeToZeroRTT = 0x30
	s.half()
	pkt := s.peer.Packet(handshake, &wire.ResetStreamFrame{})
	pkt.FlipBits = handshakeToZeroRTT
	s.peer.SendPackets(pkt)
	time.Sleep(50 * time.Millisecond)
	s.peer.ReleaseHandshake()
	s.peer.Handshake()
	s.await()
	s.settle()
	s.works()
}

// oneRTTInHandshake sends more 1-RTT packets than are kept until the end of the handshake.
func oneRTTInHandshake(t *testing.T, s *scene) {
	s.half()
	finished := s.peer.TakeCrypto(handshake)
	for range 100 {
		s.peer.Send(oneRTT, streamFin(s.theirs(bidi, 1), 0, 10))
	}
	time.Sleep(50 * time.Millisecond)
	for _, r := range s.peer.Packets() {
		if r.Level == oneRTT && r.Err == nil {
			t.Errorf("answer to 1-RTT packets during the handshake: %s", r)
		}
	}
	s.peer.SendCryptoAt(handshake, 0, finished)
	s.peer.ReleaseHandshake()
	s.peer.Handshake()
	s.await()
	s.settle()
	s.works()
}
