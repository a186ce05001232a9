package quic_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	quic "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/quictest"
	"github.com/quic-go/quic-go/internal/wire"
)

// A bitLog counts the values of the fixed bit of the datagrams that each side sends.
type bitLog struct {
	mu             sync.Mutex
	client, server [2]int
}

func (l *bitLog) hook(_ time.Time, from, _ net.Addr, data []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	counts := &l.server
	if from.(*net.UDPAddr).IP.Equal(net.IPv4(192, 0, 2, 1)) {
		counts = &l.client
	}
	counts[data[0]>>6&1]++
}

// RFC 9287, Section 3.1: "Endpoints that receive the grease_quic_bit transport parameter from a peer SHOULD set the QUIC Bit to an
// unpredictable value". Both sides do, even on a bad network, and also when it changes under them.
func TestFixedBitIsGreased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bitLog
		o := lossy()
		o.OnSent = log.hook
		p := newPair(t, pairOptions{net: o})
		testTransfer(t, p.client, p.server, randomBytes(1, 1<<20))
		testTransfer(t, p.server, p.client, randomBytes(2, 1<<20))
		p.client.CloseWithError(7, "bye")
		<-p.server.Context().Done()
		log.mu.Lock()
		defer log.mu.Unlock()
		for _, n := range [][2]int{log.client, log.server} {
			if share := float64(n[0]) / float64(n[0]+n[1]); share < 0.4 || share > 0.6 {
				t.Errorf("%d datagrams with fixed bit 0, %d with 1", n[0], n[1])
			}
		}
	})
}

// RFC 9287, Section 3.1: "An endpoint MUST NOT set the QUIC Bit to 0 without knowing whether the peer supports the extension."
func TestFixedBitIsGreasedForThoseWhoWant(t *testing.T) {
	for _, role := range []protocol.Perspective{protocol.PerspectiveClient, protocol.PerspectiveServer} {
		for _, wants := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t, role)
				s.peerOptions.Parameters = func(tp *wire.TransportParameters) { tp.GreaseQuicBit = wants }
				s.half()
				beforeParameters := s.peer.Packets()
				s.peer.ReleaseHandshake()
				s.connect()
				s.works()
				if got := clearedBits(s.peer.Packets()) > 0; got != wants {
					t.Errorf("%s: packets with a fixed bit of 0: %t, want %t", role, got, wants)
				}
				if role == protocol.PerspectiveClient && clearedBits(beforeParameters) > 0 {
					t.Error("the client has cleared the fixed bit before it could know")
				}
				if !s.peer.Parameters().GreaseQuicBit {
					t.Error("grease_quic_bit is not advertised")
				}
			})
		}
	}
}

func clearedBits(packets []*quictest.Received) (n int) {
	for _, r := range packets {
		if r.Datagram[0]&0x40 == 0 {
			n++
		}
	}
	return n
}

// RFC 9287, Section 3: "An endpoint that advertises the grease_quic_bit transport parameter MUST accept packets with the QUIC Bit
// set to a value of 0."
func TestClearedFixedBitIsAccepted(t *testing.T) {
	for _, role := range []protocol.Perspective{protocol.PerspectiveClient, protocol.PerspectiveServer} {
		for _, level := range []protocol.EncryptionLevel{initial, handshake, oneRTT} {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t, role)
				if level == oneRTT {
					s.connect()
				} else {
					s.half()
				}
				pkt := s.peer.Packet(level, &wire.PingFrame{}, quictest.Padding(1150))
				pkt.FlipBits = 0x40
				s.peer.SendPackets(pkt)
				quictest.Expect(s.peer, func(f *wire.AckFrame) bool { return f.AcksPacket(pkt.PN) })
			})
		}
	}
}

// A client that shows a token of an earlier connection may clear the fixed bit from the start.
func TestFirstInitialWithClearedFixedBit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, protocol.PerspectiveServer)
		s.peerOptions.HoldHandshake = true
		s.start()
		s.peer.Start()
		pkt := s.peer.Packet(initial, &wire.PingFrame{}, quictest.Padding(1150))
		pkt.FlipBits = 0x40
		s.peer.SendPackets(pkt)
		quictest.Expect(s.peer, func(f *wire.AckFrame) bool { return f.AcksPacket(pkt.PN) })
	})
}

// An application that looks for packets that are not QUIC's gets those of nobody, and no connection invites its peer to
// send packets that look like them.
func TestReadNonQUICPacketTurnsGreaseOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, protocol.PerspectiveServer)
		s.nonQUIC = true
		s.connect()
		if s.peer.Parameters().GreaseQuicBit {
			t.Error("grease_quic_bit is advertised")
		}
		s.peer.SendRaw([]byte("\x00something else"))
		expectNonQUIC(t, s.tr, "\x00something else")
		s.works()
	})
}

// A connection that has advertised grease_quic_bit before the application looked for other packets keeps its own.
func TestReadNonQUICPacketAfterConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, protocol.PerspectiveServer)
		s.connect()
		s.nonQUIC = true
		s.readNonQUIC()
		pkt := s.peer.Packet(oneRTT, &wire.PingFrame{})
		pkt.FlipBits = 0x40
		s.peer.SendPackets(pkt)
		quictest.Expect(s.peer, func(f *wire.AckFrame) bool { return f.AcksPacket(pkt.PN) })
		s.peer.SendRaw([]byte("\x00something else"))
		expectNonQUIC(t, s.tr, "\x00something else")
	})
}

func expectNonQUIC(t *testing.T, tr *quic.Transport, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	b := make([]byte, 100)
	n, _, err := tr.ReadNonQUICPacket(ctx, b)
	if err != nil || string(b[:n]) != want {
		t.Errorf("ReadNonQUICPacket = %q, %v, want %q", b[:n], err, want)
	}
}

// Without connection IDs each packet could be for the connection. If the application wants those that are not QUIC's, it gets them.
func TestReadNonQUICPacketWithoutConnectionIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, protocol.PerspectiveClient)
		s.nonQUIC = true
		s.transport.ConnectionIDGenerator = emptyConnectionIDs{}
		s.connect()
		s.peer.SendRaw([]byte("\x00something else"))
		expectNonQUIC(t, s.tr, "\x00something else")
		s.works()
	})
}
