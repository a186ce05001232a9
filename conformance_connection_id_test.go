package quic_test

import (
	"testing"
	"time"

	quic "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
	"github.com/quic-go/quic-go/internal/quictest"
	"github.com/quic-go/quic-go/internal/wire"
)

// connectionIDCases are the rows about connection IDs.
var connectionIDCases = map[string]conformanceCase{
	"T-178": closes(wire.FrameTypeNewConnectionID, qerr.FrameEncodingError, append(varints(0x18, 1, 0, 0), make([]byte, 16)...)),
	"T-179": closes(wire.FrameTypeNewConnectionID, qerr.FrameEncodingError, append(varints(0x18, 1, 0, 21), make([]byte, 21+16)...)),
	"T-180": closes(wire.FrameTypeNewConnectionID, qerr.FrameEncodingError, newConnectionID(1, 2)),
	"T-181": newConnectionIDForEmpty,
	"T-182": closes(wire.FrameTypeNewConnectionID, qerr.ConnectionIDLimitError,
		newConnectionID(1, 0), newConnectionID(2, 0), newConnectionID(3, 0), newConnectionID(4, 0)),
	"T-183": newConnectionIDTwice,
	"T-184": conflictingConnectionID(func(f *wire.NewConnectionIDFrame) { f.ConnectionID = otherConnectionID }),
	"T-185": conflictingConnectionID(func(f *wire.NewConnectionIDFrame) { f.StatelessResetToken[0]++ }),
	"T-186": conflictingConnectionID(func(f *wire.NewConnectionIDFrame) { f.SequenceNumber++ }),
	"T-187": conflictingConnectionID(func(f *wire.NewConnectionIDFrame) { f.SequenceNumber++; f.ConnectionID = otherConnectionID }),
	"T-188": retiredBeforeItCame,
	"T-189": lowerRetirePriorTo,
	"T-190": higherRetirePriorTo,
	"T-191": tooManyToRetire,
	"T-192": closes(wire.FrameTypeRetireConnectionID, qerr.ProtocolViolation, &wire.RetireConnectionIDFrame{SequenceNumber: 100}),
	"T-193": closes(wire.FrameTypeRetireConnectionID, qerr.ProtocolViolation, &wire.RetireConnectionIDFrame{SequenceNumber: 0}),
	"T-194": retireEmpty,
	"T-195": retiredTwice,
	"T-196": retiredInALoop,
	"T-197": unusedConnectionIDs,
	"T-198": packetForRetired,
}

// newConnectionID returns a frame with a connection ID and a token that belong to the sequence number.
func newConnectionID(seq, retirePriorTo uint64) *wire.NewConnectionIDFrame {
	cid := [8]byte{'c', 'i', 'd', 7: byte(seq)}
	return &wire.NewConnectionIDFrame{
		SequenceNumber: seq, RetirePriorTo: retirePriorTo,
		ConnectionID:        protocol.ParseConnectionID(cid[:]),
		StatelessResetToken: protocol.StatelessResetToken{'t', 15: byte(seq)},
	}
}

func newConnectionIDForEmpty(_ *testing.T, s *scene) {
	s.peerOptions.SrcCID = protocol.ParseConnectionID(nil)
	s.connect()
	s.works()
	s.peer.Send(oneRTT, newConnectionID(1, 0))
	s.expectClose(wire.FrameTypeNewConnectionID, qerr.ProtocolViolation)
}

func newConnectionIDTwice(_ *testing.T, s *scene) {
	s.connect()
	for range 10 {
		s.peer.Send(oneRTT, newConnectionID(1, 0), newConnectionID(2, 0), newConnectionID(3, 0))
	}
	s.works()
	quictest.ExpectNone[*wire.RetireConnectionIDFrame](s.peer, time.Second, nil)
}

func conflictingConnectionID(change func(*wire.NewConnectionIDFrame)) conformanceCase {
	return func(_ *testing.T, s *scene) {
		s.connect()
		s.peer.Send(oneRTT, newConnectionID(1, 0))
		s.alive()
		f := newConnectionID(1, 0)
		change(f)
		s.peer.Send(oneRTT, f)
		s.expectClose(wire.FrameTypeNewConnectionID, qerr.ProtocolViolation)
	}
}

func retiredOf(seq uint64) func(*wire.RetireConnectionIDFrame) bool {
	return func(f *wire.RetireConnectionIDFrame) bool { return f.SequenceNumber == seq }
}

func retiredBeforeItCame(_ *testing.T, s *scene) {
	s.connect()
	s.peer.Send(oneRTT, newConnectionID(3, 3))
	quictest.Expect(s.peer, retiredOf(0))
	s.peer.Send(oneRTT, newConnectionID(1, 0))
	quictest.Expect(s.peer, retiredOf(1))
	quictest.ExpectNone(s.peer, time.Second, retiredOf(1))
	s.works()
}

func lowerRetirePriorTo(_ *testing.T, s *scene) {
	s.connect()
	s.peer.Send(oneRTT, newConnectionID(2, 2))
	quictest.Expect(s.peer, retiredOf(0))
	s.peer.Send(oneRTT, newConnectionID(3, 1))
	quictest.ExpectNone[*wire.RetireConnectionIDFrame](s.peer, time.Second, nil)
	s.works()
}

func higherRetirePriorTo(t *testing.T, s *scene) {
	s.connect()
	f := newConnectionID(1, 1)
	s.peer.Send(oneRTT, f)
	quictest.Expect(s.peer, retiredOf(0))
	s.settle()
	s.works()
	for _, r := range s.peer.Packets() {
		if r.DstCID != f.ConnectionID {
			t.Fatalf("packet to %s, want %s", r.DstCID, f.ConnectionID)
		}
	}
	// At the limit: the old ones have to go before the new ones come.
	for seq := uint64(2); seq < 20; seq++ {
		s.peer.Send(oneRTT, newConnectionID(seq, max(seq, 3)-3))
		s.alive()
	}
	s.works()
}

func tooManyToRetire(t *testing.T, s *scene) {
	s.connect()
	s.peer.HoldAcks()
	for seq := uint64(1); seq < 100; seq++ {
		s.peer.Send(oneRTT, newConnectionID(seq, seq))
		time.Sleep(time.Millisecond)
	}
	s.expectClose(wire.FrameTypeNewConnectionID, qerr.ConnectionIDLimitError)
	if n := len(quictest.Frames[*wire.RetireConnectionIDFrame](s.peer)); n < 8 || n > 40 {
		t.Errorf("%d RETIRE_CONNECTION_ID frames before the end", n)
	}
}

// emptyConnectionIDs generates connection IDs without bytes.
type emptyConnectionIDs struct{}

func (emptyConnectionIDs) GenerateConnectionID() (quic.ConnectionID, error) {
	return quic.ConnectionIDFromBytes(nil), nil
}
func (emptyConnectionIDs) ConnectionIDLen() int { return 0 }

func retireEmpty(_ *testing.T, s *scene) {
	s.transport.ConnectionIDGenerator = emptyConnectionIDs{}
	s.connect()
	s.works()
	s.peer.Send(oneRTT, &wire.RetireConnectionIDFrame{SequenceNumber: 0})
	s.expectClose(wire.FrameTypeRetireConnectionID, qerr.ProtocolViolation)
}

func retiredTwice(_ *testing.T, s *scene) {
	s.connect()
	s.peer.SetDstCID(s.issued[0].ConnectionID)
	for range 3 {
		s.peer.Send(oneRTT, &wire.RetireConnectionIDFrame{SequenceNumber: 0})
		s.alive()
	}
	s.works()
}

// retiredInALoop: three of ours are active at a time, as the peer's limit says.
func retiredInALoop(t *testing.T, s *scene) {
	const limit = 3
	s.peerOptions.Parameters = func(tp *wire.TransportParameters) { tp.ActiveConnectionIDLimit = limit }
	s.connect()
	if len(s.issued) != limit-1 {
		t.Fatalf("%d connection IDs were issued, want %d", len(s.issued), limit-1)
	}
	for seq := range uint64(50) {
		s.peer.SetDstCID(s.issued[len(s.issued)-1].ConnectionID)
		s.peer.Send(oneRTT, &wire.RetireConnectionIDFrame{SequenceNumber: seq})
		s.settle()
		if got, want := len(s.issued), int(seq)+limit; got != want {
			t.Fatalf("%d connection IDs after %d were retired, want %d", got, seq+1, want)
		}
	}
	s.works()
}

func unusedConnectionIDs(_ *testing.T, s *scene) {
	s.connect()
	if len(s.issued) < 3 {
		s.t.Fatalf("%d connection IDs were issued, want 3", len(s.issued))
	}
	for _, f := range s.issued {
		s.peer.SetDstCID(f.ConnectionID)
		s.works()
	}
}

func packetForRetired(t *testing.T, s *scene) {
	s.transport.StatelessResetKey = &quic.StatelessResetKey{1}
	s.connect()
	old := s.peer.DstCID()
	s.peer.SetDstCID(s.issued[0].ConnectionID)
	s.peer.Send(oneRTT, &wire.RetireConnectionIDFrame{SequenceNumber: 0})
	s.alive()
	pkt := s.peer.Packet(oneRTT, &wire.PingFrame{})
	pkt.DstCID = old.Bytes()
	s.peer.SendPackets(pkt)
	s.works()
	for _, r := range s.peer.Packets() {
		if r.Err != nil {
			t.Errorf("answered with %s", r)
		}
	}
}
