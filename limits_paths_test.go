package quic_test

import (
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	quic "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/quictest"
	"github.com/quic-go/quic-go/internal/wire"
)

// challenges that cannot be answered, as the congestion window is full, are few.
func TestPathResponsesAreBounded(t *testing.T) {
	hostile(t, func(t *testing.T, s *scene) {
		s.connect()
		s.peer.HoldAcks()
		s.write(500_000)
		time.Sleep(20 * time.Millisecond)
		most := 0
		for i := range 2000 {
			s.peer.Send(oneRTT, &wire.PathChallengeFrame{Data: [8]byte{byte(i >> 8), byte(i)}})
			if i%50 == 0 {
				time.Sleep(6 * time.Millisecond)
				most = max(most, quic.HeldBy(s.conn).PathResponses)
			}
		}
		if most != protocol.MaxQueuedPathResponses {
			t.Errorf("%d responses wait, want %d", most, protocol.MaxQueuedPathResponses)
		}
		s.peer.ReleaseAcks()
		if h := s.held(); h.PathResponses != 0 {
			t.Errorf("%d responses wait after all", h.PathResponses)
		}
		s.alive()
	})
}

// hostileClient is hostile for a server under test.
func hostileClient(t *testing.T, f func(t *testing.T, s *scene)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, protocol.PerspectiveServer)
		s.noEcho = true
		f(t, s)
	})
}

// socket returns another socket of a hostile client.
func (s *scene) socket(n int) net.PacketConn {
	return s.net.Listen(&net.UDPAddr{IP: net.IPv4(203, 0, 113, byte(n%250)), Port: 2000 + n})
}

// a client that sends from ever new addresses, or probes from there, has few paths.
func TestPathsOfPeerAreBounded(t *testing.T) {
	for name, frame := range map[string]wire.Frame{"migrating": &wire.PingFrame{}, "probing": &wire.PathChallengeFrame{}} {
		t.Run(name, func(t *testing.T) {
			hostileClient(t, func(t *testing.T, s *scene) {
				s.peerOptions.HoldPathResponses = true
				s.connect()
				s.peer.Send(oneRTT, newConnectionID(1, 0), newConnectionID(2, 0), newConnectionID(3, 0))
				s.settle()
				home := s.peer.Conn()
				for i := range 300 {
					s.peer.Use(s.socket(i))
					s.peer.SetDstCID(s.issued[i%len(s.issued)].ConnectionID)
					s.peer.Send(oneRTT, frame, quictest.Padding(300))
					if i%10 == 0 {
						time.Sleep(20 * time.Millisecond)
						h := quic.HeldBy(s.conn)
						if h.Paths > protocol.MaxPaths || h.PathResponses > protocol.MaxPaths*protocol.MaxQueuedPathResponses ||
							h.PeerIDs > protocol.MaxActiveConnectionIDs || h.OwedRetirements > protocol.MaxQueuedRetireConnectionIDs {
							t.Fatalf("%+v", h)
						}
					}
				}
				s.peer.Use(home)
				s.peer.Send(oneRTT, &wire.PingFrame{})
				time.Sleep(10 * time.Second)
				s.alive()
			})
		})
	}
}

// a client that moves on and on, with a new connection ID for each path, and acknowledges no retirement is not followed
// for ever.
func TestRetirementsOfPathsAreBounded(t *testing.T) {
	hostileClient(t, func(t *testing.T, s *scene) {
		s.connect()
		s.peer.HoldAcks()
		given, retired := uint64(3), make(map[uint64]bool)
		s.peer.Send(oneRTT, newConnectionID(1, 0), newConnectionID(2, 0), newConnectionID(3, 0))
		most := 0
		for i := range 200 {
			s.peer.Use(s.socket(i))
			s.peer.SetDstCID(s.issued[i%len(s.issued)].ConnectionID)
			s.peer.Send(oneRTT, &wire.PingFrame{}, quictest.Padding(1000))
			time.Sleep(100 * time.Millisecond)
			h := quic.HeldBy(s.conn)
			most = max(most, h.OwedRetirements)
			if limit := protocol.MaxQueuedRetireConnectionIDs + protocol.MaxActiveConnectionIDs; h.OwedRetirements > limit || h.SeenIDs > 64 {
				t.Fatalf("%d retirements are owed, want %d at most; %d sequence numbers are remembered", h.OwedRetirements, limit, h.SeenIDs)
			}
			for _, f := range quictest.Frames[*wire.RetireConnectionIDFrame](s.peer) {
				if !retired[f.SequenceNumber] {
					retired[f.SequenceNumber] = true
					given++
					s.peer.Send(oneRTT, newConnectionID(given, 0))
				}
			}
			s.peer.Forget()
		}
		if most < protocol.MaxQueuedRetireConnectionIDs {
			t.Errorf("%d retirements were owed: the limit was not reached", most)
		}
	})
}

// T-196: connection IDs that the peer retires as fast as it gets them are forgotten.
func TestIssuedConnectionIDsAreBounded(t *testing.T) {
	hostile(t, func(t *testing.T, s *scene) {
		s.connect()
		for seq := range uint64(500) {
			var last protocol.ConnectionID
			for _, f := range quictest.Frames[*wire.NewConnectionIDFrame](s.peer) {
				s.issued = append(s.issued, *f)
			}
			s.peer.Forget()
			last = s.issued[len(s.issued)-1].ConnectionID
			s.peer.SetDstCID(last)
			s.peer.Send(oneRTT, &wire.RetireConnectionIDFrame{SequenceNumber: seq})
			time.Sleep(15 * time.Millisecond)
			h := quic.HeldBy(s.conn)
			if h.IssuedIDs > protocol.MaxIssuedConnectionIDs || h.RetiredIDs > 4*protocol.MaxIssuedConnectionIDs+1 {
				t.Fatalf("%d connection IDs are in use, %d retired ones are known", h.IssuedIDs, h.RetiredIDs)
			}
			if n := quic.RoutedByTransport(s.tr); n > 5*protocol.MaxIssuedConnectionIDs+5 {
				t.Fatalf("the Transport knows %d connections, IDs or tokens", n)
			}
		}
		s.alive()
		time.Sleep(10 * time.Second)
		s.alive()
		if h := s.held(); h.RetiredIDs != 0 {
			t.Errorf("%d retired connection IDs are known after a while", h.RetiredIDs)
		}
	})
}

// a peer that leaves out every other packet number makes few ranges, and no packet count twice.
func TestAckRangesAreBounded(t *testing.T) {
	hostile(t, func(t *testing.T, s *scene) {
		s.connect()
		first := s.peer.Send(oneRTT, &wire.PingFrame{})
		for i := range protocol.PacketNumber(500) {
			s.peer.SetNextNumber(oneRTT, first+2*i+2)
			s.peer.Send(oneRTT, &wire.PingFrame{})
			time.Sleep(100 * time.Microsecond)
		}
		if h := s.held(); h.AckRanges > protocol.MaxAckRanges || h.AckRanges < protocol.MaxAckRanges-2 {
			t.Errorf("%d ranges, want %d, less what the peer knows of", h.AckRanges, protocol.MaxAckRanges)
		}
		for _, f := range quictest.Frames[*wire.AckFrame](s.peer) {
			if len(f.AckRanges) > protocol.MaxAckRanges {
				t.Fatalf("an ACK frame has %d ranges", len(f.AckRanges))
			}
		}
		// What is behind the ranges may have been received.
		s.peer.SetNextNumber(oneRTT, first+1)
		s.peer.Send(oneRTT, &wire.StreamFrame{StreamID: s.theirs(bidi, 1), Data: []byte{1}, DataLenPresent: true})
		if h := s.held(); h.Streams != 0 {
			t.Error("a packet that may be a duplicate was handled")
		}
	})
}

// a peer that acknowledges nothing gets a window and then probes, ever fewer; if it is silent, that is the end.
func TestWithheldAcksCostLittle(t *testing.T) {
	hostile(t, func(t *testing.T, s *scene) {
		s.connect()
		s.peer.HoldAcks()
		s.write(1 << 20)
		packets := 0
		for range 300 {
			time.Sleep(time.Second)
			s.peer.Send(oneRTT, &wire.PingFrame{})
			packets += len(slices.DeleteFunc(s.peer.Packets(), func(r *quictest.Received) bool { return !r.AckEliciting() }))
			s.peer.Forget()
		}
		if h := quic.HeldBy(s.conn); packets > 120 || h.Tracked > 1000 {
			t.Errorf("%d packets in 5 minutes, %d are tracked", packets, h.Tracked)
		}
		s.expectIdleTimeout(30 * time.Second) // the peer's
	})
}

// packets that say nothing new cost an ACK for every other one, and nothing else.
func TestIdleTalkCostsLittle(t *testing.T) {
	hostile(t, func(t *testing.T, s *scene) {
		s.connect()
		id := s.theirs(bidi, 1)
		talk := []wire.Frame{
			&wire.PingFrame{}, &wire.MaxDataFrame{MaximumData: 1}, &wire.DataBlockedFrame{MaximumData: 1},
			&wire.StreamsBlockedFrame{StreamLimit: 1}, &wire.StreamFrame{StreamID: id, DataLenPresent: true},
			&wire.MaxStreamsFrame{MaxStreamNum: 1}, &wire.MaxStreamDataFrame{StreamID: id, MaximumStreamData: 1},
			&wire.StreamDataBlockedFrame{StreamID: id}, &wire.PathResponseFrame{},
		}
		s.peer.Send(oneRTT, talk...)
		before := s.held()
		s.peer.Forget()
		const n = 2000
		for range n / 2 {
			s.peer.Send(oneRTT, talk...)
			s.peer.Send(oneRTT, talk...)
			time.Sleep(time.Millisecond)
		}
		after := s.held()
		after.Tracked, before.Tracked = 0, 0 // of ACKs
		if after != before {
			t.Errorf("%+v, before %+v", after, before)
		}
		if got := len(s.peer.Packets()); got > n/2+n/20 {
			t.Errorf("%d packets for %d", got, n)
		}
	})
}
