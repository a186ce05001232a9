package quic

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/quic-go/quic-go/internal/wire"
)

// serve packs n full packets and returns the stream of each.
func (l *testLink) serveOrder(t *testing.T, n int) (order []StreamID) {
	t.Helper()
	for range n {
		p := l.client.pack()
		if p == nil {
			break
		}
		for _, r := range p.recs {
			if r.Kind == recordStream {
				order = append(order, r.StreamID)
			}
		}
	}
	return order
}

// schedulerLink has streams with more data than all tests send.
func schedulerLink(t *testing.T, n int) (*testLink, []*Stream) {
	l := newTestLink(t, testParams{window: 1 << 20})
	var streams []*Stream
	for range n {
		s := l.open(t)
		mustWrite(t, s, make([]byte, 50_000))
		streams = append(streams, s)
	}
	return l, streams
}

func expectOrder(t *testing.T, got []StreamID, want ...StreamID) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("streams %v, want %v", got, want)
	}
}

// By default streams take turns, packet by packet.
func TestSchedulerTakesTurns(t *testing.T) {
	l, _ := schedulerLink(t, 3)
	expectOrder(t, l.serveOrder(t, 7), 0, 4, 8, 0, 4, 8, 0)
}

// RFC 9218, Section 10: "it is RECOMMENDED that clients generate [...] servers [...] sending higher urgency
// responses before lower urgency responses". Not incremental streams are served one after the other.
func TestSchedulerUrgency(t *testing.T) {
	l, streams := schedulerLink(t, 4)
	streams[2].SetPriority(1, true)
	streams[3].SetPriority(1, true)
	streams[0].SetPriority(100, true) // as 7
	streams[1].SetPriority(-1, false) // as 0
	expectOrder(t, l.serveOrder(t, 3), 4, 4, 4)
	streams[1].SetPriority(7, false)
	expectOrder(t, l.serveOrder(t, 4), 8, 12, 8, 12)
	streams[2].CancelWrite(1)
	streams[3].CancelWrite(1)
	expectOrder(t, l.serveOrder(t, 5), 4, 0, 4, 0, 4) // the two kinds of one urgency alternate
}

func TestSchedulerInOrder(t *testing.T) {
	l, streams := schedulerLink(t, 3)
	for _, s := range streams {
		s.SetPriority(3, false)
	}
	order := l.serveOrder(t, 1000)
	if !slices.IsSorted(order) || slices.Compact(order)[2] != 8 {
		t.Errorf("streams %v", order)
	}
}

// Lost data goes first, whatever its priority.
func TestSchedulerLostFirst(t *testing.T) {
	l, streams := schedulerLink(t, 2)
	streams[0].SetPriority(7, true)
	streams[1].SetPriority(7, true)
	first, second := l.client.pack(), l.client.pack()
	streams[0].SetPriority(0, true)
	l.client.lost(second)
	if got := l.serveOrder(t, 1); len(got) == 0 || got[0] != 4 {
		t.Errorf("streams %v, want 4 first", got)
	}
	l.client.acked(first)
}

// A FIN without data needs no credit of the connection and does not wait for it.
func TestSchedulerBareFin(t *testing.T) {
	l := newTestLink(t, testParams{window: 2000, connWindow: 2000})
	a, b := l.open(t), l.open(t)
	mustWrite(t, a, make([]byte, 2000))
	mustWrite(t, b, []byte("x"))
	l.client.packAll()
	mustWrite(t, a, []byte("blocked"))
	c := l.open(t)
	c.Close()
	l.client.packAll()
	if f := l.client.last(wire.FrameTypeStream); f.StreamID != c.StreamID() || !f.Fin {
		t.Errorf("last frame %+v, want the FIN", f)
	}
	if l.client.m.hasFramesToSend() {
		t.Error("something to send without credit")
	}
}

// The lists of the scheduler stay consistent, and every stream with data and credit is served.
func TestSchedulerRandom(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 0))
		l := newTestLink(t, testParams{window: 1 << 20, maxStreams: 20})
		var streams []*Stream
		for range 20 {
			streams = append(streams, l.open(t))
		}
		total, sent := 0, 0
		var flying []*testPacket
		for range 2000 {
			s := streams[rng.IntN(len(streams))]
			switch rng.IntN(6) {
			case 0, 1:
				n, _ := s.Write(make([]byte, rng.IntN(3000)))
				total += n
			case 2:
				s.SetPriority(int8(rng.IntN(8)), rng.IntN(2) == 0)
			case 3:
				if len(flying) > 0 {
					i := rng.IntN(len(flying))
					l.client.lost(flying[i])
					flying = slices.Delete(flying, i, i+1)
				}
			default:
				if p := l.client.pack(); p != nil {
					flying = append(flying, p)
				}
			}
		}
		l.client.packAll()
		for _, s := range streams {
			if s.send.buf.Unsent() != 0 || s.send.buf.HasLost() || s.send.node.queue != queueNone {
				t.Errorf("seed %d: stream %d is left with data", seed, s.StreamID())
			}
			sent += int(s.send.window.Used())
		}
		c := &l.client.m.sched
		if sent != total || c.nonEmpty != 0 || c.free.head != nil || c.starved.head != nil {
			t.Errorf("seed %d: %d of %d bytes were sent, queues %+v", seed, sent, total, c.nonEmpty)
		}
	}
}

// Frames that do not fit wait for the next packet, in order; none is lost.
func TestControlFramesInSmallPackets(t *testing.T) {
	l := newTestLink(t, testParams{maxStreams: 200, window: 100, connWindow: 1 << 20})
	var pairs [][2]*Stream
	for range 30 {
		a, b := l.pair(t)
		pairs = append(pairs, [2]*Stream{a, b})
	}
	l.client.sent = nil
	for i, p := range pairs {
		switch i % 3 {
		case 0:
			p[0].CancelWrite(1)
			p[0].CancelRead(1)
		case 1:
			mustWrite(t, p[1], make([]byte, 90))
			l.transfer(l.server, l.client)
			p[0].Read(make([]byte, 90))
		case 2:
			mustWrite(t, p[0], make([]byte, 100))
		}
	}
	l.client.m.maxOpen(t)
	for limit := 0; l.client.m.hasFramesToSend(); limit = (limit + 1) % 30 {
		b, recs := l.client.m.appendControlFrames(nil, limit, nil, 1, 0)
		b, _ = l.client.m.appendStreamFrames(b, limit, recs)
		if len(b) > limit {
			t.Fatalf("%d bytes, limit %d", len(b), limit)
		}
		for _, f := range l.client.parse(&testPacket{data: b}) {
			f.Data = nil
			l.client.sent = append(l.client.sent, f)
		}
	}
	for typ, want := range map[wire.FrameType]int{
		wire.FrameTypeResetStream: 10, wire.FrameTypeStopSending: 10, wire.FrameTypeMaxStreamData: 10,
		wire.FrameTypeStreamDataBlocked: 10, wire.FrameTypeStreamsBlockedUni: 1,
	} {
		if n := l.client.count(typ); n != want {
			t.Errorf("%d %s, want %d", n, typ, want)
		}
	}
}

// maxOpen runs into the limit of unidirectional streams.
func (m *streamsMap) maxOpen(t *testing.T) {
	for {
		if _, err := m.openUniStream(); err != nil {
			return
		}
	}
}
