package quic_test

import (
	"slices"
	"testing"
	"time"

	quic "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
	"github.com/quic-go/quic-go/internal/quictest"
	"github.com/quic-go/quic-go/internal/wire"
)

// frameCases are the rows about frames without streams.
var frameCases = map[string]conformanceCase{
	"T-100": truncated(&wire.AckFrame{AckRanges: []wire.AckRange{{Smallest: 3, Largest: 4}, {Smallest: 0, Largest: 1}}, DelayTime: 20 * time.Millisecond}),
	"T-101": truncated(&wire.AckFrame{AckRanges: []wire.AckRange{{Smallest: 0, Largest: 0}}, ECT0: 1 << 8, ECT1: 1 << 20, ECNCE: 1 << 40}),
	"T-102": truncated(&wire.ResetStreamFrame{StreamID: 1 << 8, ErrorCode: 1 << 16, FinalSize: 1 << 32}),
	"T-103": truncated(&wire.StopSendingFrame{StreamID: 1 << 8, ErrorCode: 1 << 32}),
	"T-104": truncated(&wire.CryptoFrame{Offset: 1 << 8, Data: make([]byte, 80)}),
	"T-105": truncated(&wire.NewTokenFrame{Token: make([]byte, 70)}),
	"T-106": truncated(&wire.StreamFrame{StreamID: 1 << 8, Offset: 1 << 16, Data: make([]byte, 70), Fin: true, DataLenPresent: true}),
	"T-107": truncated(&wire.MaxDataFrame{MaximumData: 1 << 40}),
	"T-108": truncated(&wire.MaxStreamDataFrame{StreamID: 1 << 8, MaximumStreamData: 1 << 40}),
	"T-109": truncated(&wire.MaxStreamsFrame{Type: bidi, MaxStreamNum: 1 << 40}),
	"T-110": truncated(&wire.DataBlockedFrame{MaximumData: 1 << 40}),
	"T-111": truncated(&wire.StreamDataBlockedFrame{StreamID: 1 << 8, MaximumStreamData: 1 << 40}),
	"T-112": truncated(&wire.StreamsBlockedFrame{Type: uni, StreamLimit: 1 << 40}),
	"T-113": truncated(&wire.NewConnectionIDFrame{SequenceNumber: 1 << 8, RetirePriorTo: 1 << 7, ConnectionID: protocol.ParseConnectionID(make([]byte, 8))}),
	"T-114": truncated(&wire.RetireConnectionIDFrame{SequenceNumber: 1 << 40}),
	"T-115": truncated(&wire.PathChallengeFrame{}),
	"T-116": truncated(&wire.PathResponseFrame{}),
	"T-117": truncated(&wire.ConnectionCloseFrame{ErrorCode: 1 << 8, FrameType: 1 << 8, ReasonPhrase: "a reason"}),
	"T-118": truncated(&wire.ConnectionCloseFrame{IsApplicationError: true, ErrorCode: 1 << 8, ReasonPhrase: "a reason"}),
	"T-119": truncated(&wire.DatagramFrame{Data: make([]byte, 70), DataLenPresent: true}),
	"T-120": truncated(&wire.ResetStreamFrame{StreamID: 1 << 8, ErrorCode: 1 << 16, FinalSize: 1 << 32, ReliableSize: 1 << 20}),

	"T-121": closes(wire.FrameTypeAck, qerr.FrameEncodingError, varints(0x02, 0, 0, 0, 1)),
	"T-122": closes(wire.FrameTypeAck, qerr.FrameEncodingError, varints(0x02, 1, 0, 1, 0, 0, 0)),
	"T-123": closes(wire.FrameTypeAck, qerr.FrameEncodingError, varints(0x02, 3, 0, 1, 0, 0, 2)),
	"T-124": closes(wire.FrameTypeAck, qerr.FrameEncodingError, varints(0x02, 0, 0, maxVarint, 0)),
	"T-125": closes(wire.FrameTypeAck, qerr.ProtocolViolation, varints(0x02, 1<<20, 0, 0, 0)),
	"T-126": ackOfSkipped,
	"T-127": ackAgain,
	"T-128": ackOfOtherSpace,
	"T-129": ackOfRejectedEarlyData,
	"T-130": hugeAckDelay,
	"T-131": wrongECNCounts,
	"T-132": reorderedECNCounts,

	"T-144": cryptoBeyondMaximum,
	"T-145": cryptoOutOfOrder,
	"T-146": cryptoBeyondBufferInHandshake,
	"T-147": cryptoBeyondBuffer,
	"T-148": closes(wire.FrameTypeNewToken, qerr.FrameEncodingError, varints(0x07, 0)),
	"T-149": closes(wire.FrameTypeNewToken, qerr.ProtocolViolation, &wire.NewTokenFrame{Token: []byte("token")}),
	"T-150": duplicateToken,
}

// truncated is a case for each length at which the frame can be cut.
func truncated(f wire.Frame) conformanceCase {
	whole := quictest.Encode(f)
	return func(_ *testing.T, s *scene) {
		n := 1 + s.pick(len(whole)-1)
		s.config.EnableDatagrams = true
		s.config.EnableStreamResetPartialDelivery = true
		s.connect()
		s.peer.Send(oneRTT, quictest.Raw(whole[:n]))
		s.expectClose(wire.FrameType(whole[0]), qerr.FrameEncodingError)
	}
}

// ackOfSkipped makes the endpoint send until it has skipped a packet number.
func ackOfSkipped(t *testing.T, s *scene) {
	s.connect()
	for range 2000 {
		s.alive()
		s.peer.Forget()
		pns := s.peer.ReceivedNumbers(oneRTT)
		for i, pn := range pns[1:] {
			if skipped := pns[i] + 1; skipped != pn {
				s.peer.Ack(oneRTT, skipped)
				s.expectClose(wire.FrameTypeAck, qerr.ProtocolViolation)
				return
			}
		}
	}
	t.Error("no packet number was skipped")
}

func ackAgain(_ *testing.T, s *scene) {
	s.connect()
	for range 3 {
		s.works()
		s.peer.AckAll(oneRTT)
	}
	s.works()
}

// ackOfOtherSpace acknowledges, in an Initial, a number that only another space may have.
func ackOfOtherSpace(_ *testing.T, s *scene) {
	s.half()
	last := slices.Max(s.peer.ReceivedNumbers(initial))
	s.peer.Ack(initial, last+20)
	s.expectClose(wire.FrameTypeAck, qerr.ProtocolViolation)
}

func ackOfRejectedEarlyData(t *testing.T, s *scene) {
	s.peerOptions.RejectEarlyData = true
	s.peerOptions.HoldAcks = true
	s.resumeClient()
	str, err := s.conn.OpenStream()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := str.Write([]byte("early")); err != nil {
		t.Fatal(err)
	}
	early := s.peer.ExpectType(protocol.PacketType0RTT)
	s.peer.ReleaseHandshake()
	s.peer.Handshake()
	s.settle()
	// What cannot be opened has no number here, but the first one is 0.
	if early.Err == nil {
		t.Fatal("0-RTT was accepted")
	}
	s.peer.Ack(oneRTT, 0)
	s.expectClose(wire.FrameTypeAck, qerr.ProtocolViolation)
}

func hugeAckDelay(_ *testing.T, s *scene) {
	s.peerOptions.Parameters = func(tp *wire.TransportParameters) { tp.AckDelayExponent = 20 }
	s.peerOptions.HoldAcks = true
	s.connect()
	pns := s.peer.ReceivedNumbers(oneRTT)
	s.peer.Send(oneRTT, varints(0x02, uint64(slices.Max(pns)), maxVarint, 0, 0))
	s.peer.ReleaseAcks()
	s.works()
	s.works()
}

// wrongECNCounts reports marks that nobody has set, and then fewer of them.
func wrongECNCounts(_ *testing.T, s *scene) {
	s.connect()
	for _, count := range []uint64{1000, 500, 0, maxVarint} {
		s.works()
		f := &wire.AckFrame{ECT0: count, ECT1: count / 2, ECNCE: count}
		last := slices.Max(s.peer.ReceivedNumbers(oneRTT))
		f.AckRanges = []wire.AckRange{{Smallest: last, Largest: last}}
		s.peer.Send(oneRTT, f)
	}
	s.works()
}

func reorderedECNCounts(_ *testing.T, s *scene) {
	s.connect()
	s.works()
	pns := s.peer.ReceivedNumbers(oneRTT)
	for i := range uint64(2) {
		pn := pns[len(pns)-1-int(i)]
		s.peer.Send(oneRTT, &wire.AckFrame{AckRanges: []wire.AckRange{{Smallest: pn, Largest: pn}}, ECT0: 3 - i})
	}
	s.works()
}

func cryptoBeyondMaximum(_ *testing.T, s *scene) {
	s.connect()
	s.peer.Send(oneRTT, append(varints(0x06, maxVarint, 1), 'x'))
	s.expectClose(wire.FrameTypeCrypto, qerr.FrameEncodingError, qerr.CryptoBufferExceeded)
}

// cryptoOutOfOrder sends a message in pieces, the first one last.
func cryptoOutOfOrder(t *testing.T, s *scene) {
	cache := newSessionCache()
	if !s.isServer() {
		s.tls.ClientSessionCache = cache
		largeTickets(s.peerOptions.TLS, 4500)
	}
	s.connect()
	if s.isServer() {
		// There is no message that a client may send now.
		s.drops(func() {}) // nothing is on its way
		s.peer.SendCryptoAt(oneRTT, 1, make([]byte, 4095))
		s.works()
		return
	}
	s.peer.HoldHandshake()
	s.peer.SendSessionTicket()
	ticket := s.peer.TakeCrypto(oneRTT)
	if len(ticket) < 4100 {
		t.Fatalf("message of %d bytes is too short", len(ticket))
	}
	s.peer.SendCryptoAt(oneRTT, 1, ticket[1:])
	s.works()
	if cache.count() != 0 {
		t.Error("session from an incomplete message")
	}
	s.peer.SendCryptoAt(oneRTT, 0, ticket[:1])
	s.works()
	if cache.count() != 1 {
		t.Error("data out of order was not kept")
	}
}

func cryptoBeyondBufferInHandshake(_ *testing.T, s *scene) {
	level := initial
	if s.pick(2) == 0 {
		s.begun()
	} else {
		level = handshake
		s.half()
	}
	s.peer.Send(level, &wire.CryptoFrame{Offset: 100_000, Data: []byte("x")})
	s.expectClose(wire.FrameTypeCrypto, qerr.CryptoBufferExceeded)
}

func cryptoBeyondBuffer(_ *testing.T, s *scene) {
	s.connect()
	s.peer.Send(oneRTT, &wire.CryptoFrame{Offset: 1 << 20, Data: []byte("x")})
	s.peer.Timeout = time.Second
	if s.peer.WaitClose() == nil {
		s.works()
		return
	}
	s.expectClose(wire.FrameTypeCrypto, qerr.CryptoBufferExceeded)
}

func duplicateToken(t *testing.T, s *scene) {
	store := quic.NewLRUTokenStore(1, 4)
	s.config.TokenStore = store
	s.connect()
	for range 5 {
		s.peer.Send(oneRTT, &wire.NewTokenFrame{Token: []byte("token")})
	}
	s.works()
	if store.Pop("localhost") == nil {
		t.Error("token was not stored")
	}
	if store.Pop("localhost") != nil {
		t.Error("token was stored twice")
	}
}
