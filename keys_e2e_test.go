package quic_test

import (
	"errors"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	quic "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/internal/netsim"
	"github.com/quic-go/quic-go/internal/protect"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
	"github.com/quic-go/quic-go/internal/quictest"
	"github.com/quic-go/quic-go/internal/wire"
)

// Both sides update their keys again and again while packets are lost, reordered and duplicated.
func TestKeyUpdatesOnBadNetwork(t *testing.T) {
	for _, tt := range []struct {
		name           string
		client, server uint64 // packets between updates; 0: the default, which is not reached
	}{{"of the client", 50, 0}, {"of the server", 0, 50}, {"of both", 50, 70}} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { testKeyUpdates(t, tt.client, tt.server) })
		})
	}
}

func testKeyUpdates(t *testing.T, client, server uint64) {
	p := newUnconnectedPair(t, pairOptions{seed: client + server, net: lossy()})
	quic.SetKeyLimits(p.clientTr, protect.Limits{UpdateAfter: client})
	quic.SetKeyLimits(p.serverTr, protect.Limits{UpdateAfter: server})
	p.connect(t, nil)
	for i := range uint64(2) {
		testTransfer(t, p.client, p.server, randomBytes(i, 2<<20))
		testTransfer(t, p.server, p.client, randomBytes(i+100, 2<<20))
	}
	settle()
	c, s := quic.KeyPhase(p.client), quic.KeyPhase(p.server)
	// 8 MiB are at least 6,500 packets. There are three PTOs between two updates. After the last update there may have been
	// nothing to send.
	if c+1 < s || s+1 < c || c < 10 {
		t.Errorf("key phases %d and %d, want the same, at least 10", c, s)
	}
}

// RFC 9001, Section 6.6: "endpoints MUST count the number of encrypted packets for each set of keys. If the total number of
// encrypted packets with the same key exceeds the confidentiality limit for the selected AEAD, the endpoint MUST stop using
// those keys."
func TestConfidentialityLimitUpdatesKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// The window stays far below the limit: an update takes an acknowledgment.
		o := delayed()
		o.Up.Rate, o.Up.QueueBytes = 2<<20, 50_000
		p := newUnconnectedPair(t, pairOptions{net: o})
		limits := protect.Limits{Confidentiality: 400}
		quic.SetKeyLimits(p.clientTr, limits)
		quic.SetKeyLimits(p.serverTr, limits)
		p.connect(t, nil)
		testTransfer(t, p.client, p.server, randomBytes(1, 4<<20))
		settle()
		// 4 MiB are at least 3,000 packets.
		if phase := quic.KeyPhase(p.client); phase < 3000/400 {
			t.Errorf("key phase %d, want at least %d", phase, 3000/400)
		}
	})
}

// Keys that are used up and cannot be updated, as the peer does not acknowledge what they protect, end the connection.
func TestConfidentialityLimitReached(t *testing.T) {
	for _, role := range []protocol.Perspective{protocol.PerspectiveClient, protocol.PerspectiveServer} {
		synctest.Test(t, func(t *testing.T) {
			const limit = 128
			s := newScene(t, role)
			quic.SetKeyLimits(&s.transport, protect.Limits{Confidentiality: limit})
			s.connect()
			s.works()
			s.peer.HoldAcks()
			// Each two of these are answered by an ACK, which needs no congestion window. Without acknowledgements the
			// keys can be updated once at most.
			for range 6 * limit {
				s.peer.Send(oneRTT, &wire.PingFrame{})
				time.Sleep(time.Millisecond)
			}
			s.expectCode(qerr.AEADLimitReached)
			phases := make(map[protocol.KeyPhase]int)
			for _, r := range s.peer.Packets() {
				if r.Level == oneRTT {
					phases[r.KeyPhase]++
				}
			}
			for phase, n := range phases {
				if n > limit {
					t.Errorf("%d packets of key phase %d, limit %d", n, phase, limit)
				}
			}
		})
	}
}

// RFC 9001, Section 6.6: "If the total number of received packets that fail authentication within the connection, across all
// keys, exceeds the integrity limit for the selected AEAD, the endpoint MUST immediately close the connection with a connection
// error of type AEAD_LIMIT_REACHED and not process any more packets."
func TestIntegrityLimitReached(t *testing.T) {
	for _, role := range []protocol.Perspective{protocol.PerspectiveClient, protocol.PerspectiveServer} {
		synctest.Test(t, func(t *testing.T) {
			const limit = 20
			s := newScene(t, role)
			quic.SetKeyLimits(&s.transport, protect.Limits{Integrity: limit})
			s.connect()
			forge := func() {
				pkt := s.peer.Packet(oneRTT, &wire.PingFrame{})
				pkt.Corrupt = flipLastBit
				s.peer.SendPackets(pkt)
			}
			for range limit - 1 {
				forge()
			}
			s.works()
			forge()
			s.expectCode(qerr.AEADLimitReached)
			s.peer.Forget()
			s.peer.Send(oneRTT, &wire.PingFrame{})
			s.settle()
			if acks := quictest.Frames[*wire.AckFrame](s.peer); len(acks) > 0 {
				t.Errorf("acknowledges after the end: %v", acks)
			}
		})
	}
}

// An eventLog notes in which order long headers are sent and received.
type eventLog struct {
	mu  sync.Mutex
	log []headerEvent
}

type headerEvent struct {
	at       time.Time
	received bool
	client   bool // sent by the client
	types    []protocol.PacketType
}

func (l *eventLog) hook(received bool) netsim.Hook {
	return func(now time.Time, from, _ net.Addr, data []byte) {
		e := headerEvent{at: now, received: received, client: from.(*net.UDPAddr).IP.Equal(net.IPv4(192, 0, 2, 1))}
		for len(data) > 0 && wire.IsLongHeader(data[0]) {
			h, err := wire.ParseLongHeader(data)
			if err != nil && !errors.Is(err, wire.ErrFixedBit) {
				break
			}
			e.types = append(e.types, h.Type)
			data = data[h.PacketLen:]
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.log = append(l.log, e)
	}
}

// first returns when a packet of a type was first sent or received, or zero.
func (l *eventLog) first(received, client bool, typ protocol.PacketType) time.Time {
	for _, e := range l.log {
		if e.received == received && e.client == client && slices.Contains(e.types, typ) {
			return e.at
		}
	}
	return time.Time{}
}

func (l *eventLog) noneSentAfter(t *testing.T, at time.Time, client bool, typ protocol.PacketType) {
	t.Helper()
	if at.IsZero() {
		t.Fatalf("nothing discards the keys of %s packets", typ)
	}
	for _, e := range l.log {
		if !e.received && e.client == client && e.at.After(at) && slices.Contains(e.types, typ) {
			t.Errorf("%s packet, of the client %t, sent %s after its keys are gone", typ, client, e.at.Sub(at))
		}
	}
}

// RFC 9001, Section 4.9.1: "a client MUST discard Initial keys when it first sends a Handshake packet and a server MUST discard
// Initial keys when it first successfully processes a Handshake packet." Section 4.9.2: "An endpoint MUST discard its Handshake
// keys when the TLS handshake is confirmed".
func TestOrderOfKeyDiscard(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			var log eventLog
			d := netsim.Direction{Loss: 0.2, Reorder: 0.2, Duplicate: 0.2, Delay: 10 * time.Millisecond, Jitter: time.Millisecond}
			p := newPair(t, pairOptions{seed: seed, net: netsim.Options{
				Up: d, Down: d, OnSent: log.hook(false), OnDelivered: log.hook(true),
			}})
			testTransfer(t, p.client, p.server, randomBytes(seed, 100_000))
			testTransfer(t, p.server, p.client, randomBytes(seed+100, 100_000))
			settle()
			confirmed := time.Now()
			time.Sleep(10 * time.Second)
			synctest.Wait()
			log.mu.Lock()
			defer log.mu.Unlock()
			log.noneSentAfter(t, log.first(false, true, protocol.PacketTypeHandshake), true, protocol.PacketTypeInitial)
			log.noneSentAfter(t, log.first(true, true, protocol.PacketTypeHandshake), false, protocol.PacketTypeInitial)
			for _, client := range []bool{false, true} {
				log.noneSentAfter(t, confirmed, client, protocol.PacketTypeHandshake)
			}
		})
	}
}
