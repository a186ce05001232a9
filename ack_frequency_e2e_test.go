package quic_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	quic "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/internal/netsim"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
	"github.com/quic-go/quic-go/internal/quictest"
	"github.com/quic-go/quic-go/internal/testcert"
	"github.com/quic-go/quic-go/internal/wire"
)

// bottleneck is a network with a link of 5 MB/s, a round-trip time of 40 ms and a queue of as much.
func bottleneck() netsim.Options {
	d := netsim.Direction{Rate: 5 << 20, QueueBytes: 200 << 10, Delay: 20 * time.Millisecond}
	return netsim.Options{Up: d, Down: d}
}

// A receiver of much data sends far fewer packets than half as many as it gets, which was the rule of RFC 9000,
// Section 13.2.2. In both directions, and not more than once lost data makes necessary.
func TestAckFrequencySavesAcks(t *testing.T) {
	for _, tt := range []struct {
		name string
		loss float64
		most float64 // ACKs for each packet with data
	}{{"no loss", 0, 1. / 6}, {"0.1 % loss", 0.001, 1. / 5}} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := bottleneck()
				o.Up.Loss = tt.loss
				p := newPair(t, pairOptions{seed: 3, net: o})
				start := time.Now()
				transferAll(t, p.client, p.server, 1, 8<<20)
				took := time.Since(start)
				data, acks := p.net.UpStats().Sent, p.net.DownStats().Sent
				ratio := float64(acks) / float64(data)
				t.Logf("%d packets with data, %d others: 1 for %.1f, in %s", data, acks, 1/ratio, took)
				if ratio > tt.most {
					t.Errorf("%.3f ACKs for each packet, want at most %.3f", ratio, tt.most)
				}
				if tt.loss == 0 && took > 1900*time.Millisecond {
					t.Errorf("the transfer took %s", took)
				}
			})
		})
	}
}

// Nobody who has not advertised min_ack_delay gets the frames, and such a peer gets its ACK for every other packet.
func TestNoAckFrequencyWithoutParameter(t *testing.T) {
	for _, role := range []protocol.Perspective{protocol.PerspectiveClient, protocol.PerspectiveServer} {
		t.Run(fmt.Sprint(role), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t, role)
				s.config.DisablePathMTUDiscovery = false
				s.connect()
				const packets = 200
				acks := s.acksFor(packets, 2*time.Millisecond)
				if acks != packets/2 {
					t.Errorf("%d ACKs for %d packets, want %d", acks, packets, packets/2)
				}
				s.sendMuch(4)
				s.loseTheEnd(60 * time.Millisecond)
				for _, f := range s.frames() {
					switch f.(type) {
					case *wire.AckFrequencyFrame, *wire.ImmediateAckFrame:
						t.Errorf("%T to a peer without min_ack_delay", f)
					}
				}
			})
		})
	}
}

// acksFor sends packets at an interval and returns how many ACK frames come back.
func (s *scene) acksFor(packets int, interval time.Duration) (acks int) {
	s.t.Helper()
	s.settle()
	for range packets {
		s.peer.Send(oneRTT, &wire.PingFrame{})
		time.Sleep(interval)
	}
	time.Sleep(settleTime)
	return len(quictest.Frames[*wire.AckFrame](s.peer))
}

// sendMuch makes the endpoint under test send MiBs of data.
func (s *scene) sendMuch(n int) {
	s.t.Helper()
	str, err := s.conn.OpenUniStream()
	if err != nil {
		s.t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for range n {
			if _, err := str.Write(randomBytes(1, 1<<20)); err != nil {
				s.t.Errorf("Write: %v", err)
			}
		}
	})
	for i := range n {
		s.peer.Send(oneRTT, &wire.MaxDataFrame{MaximumData: protocol.ByteCount(i+2) << 20},
			&wire.MaxStreamDataFrame{StreamID: protocol.StreamID(str.StreamID()), MaximumStreamData: protocol.ByteCount(i+2) << 20})
	}
	wg.Wait()
	time.Sleep(settleTime)
}

// loseTheEnd makes the endpoint under test send some PTO probes, as it gets no ACK for some time.
func (s *scene) loseTheEnd(d time.Duration) {
	s.t.Helper()
	s.peer.HoldAcks()
	str, err := s.conn.OpenUniStream()
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := str.Write([]byte("the end")); err != nil {
		s.t.Fatal(err)
	}
	time.Sleep(d)
	s.peer.ReleaseAcks()
	time.Sleep(settleTime)
}

// frames returns what the peer has received.
func (s *scene) frames() (frames []wire.Frame) {
	for _, p := range s.peer.Packets() {
		frames = append(frames, p.Frames...)
	}
	return frames
}

// A peer that has advertised min_ack_delay is asked for fewer ACKs, rarely, and never for more than it can do.
func TestAckFrequencyRequests(t *testing.T) {
	for _, role := range []protocol.Perspective{protocol.PerspectiveClient, protocol.PerspectiveServer} {
		t.Run(fmt.Sprint(role), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t, role)
				minDelay := 3 * time.Millisecond
				s.peerOptions.Parameters = func(tp *wire.TransportParameters) { tp.MinAckDelay = &minDelay }
				s.connect()
				s.sendMuch(4)
				var requests []*wire.AckFrequencyFrame
				for _, f := range s.frames() {
					if r, ok := f.(*wire.AckFrequencyFrame); ok {
						requests = append(requests, r)
					}
				}
				if len(requests) == 0 || len(requests) > 6 {
					t.Fatalf("%d ACK_FREQUENCY frames", len(requests))
				}
				if !slices.IsSortedFunc(requests, func(a, b *wire.AckFrequencyFrame) int { return int(a.SequenceNumber) - int(b.SequenceNumber) }) {
					t.Errorf("sequence numbers do not increase")
				}
				last := requests[len(requests)-1]
				if last.AckElicitingThreshold < protocol.MinAckElicitingThreshold || last.AckElicitingThreshold > protocol.MaxAckElicitingThreshold ||
					last.RequestMaxAckDelay != minDelay || last.ReorderingThreshold != 3 {
					t.Errorf("frame = %+v", last)
				}
				s.peer.Forget()
				// The PTO is less than with the default max_ack_delay of 25 ms.
				s.loseTheEnd(30 * time.Millisecond)
				probes := 0
				for _, f := range s.frames() {
					if _, ok := f.(*wire.ImmediateAckFrame); ok {
						probes++
					}
				}
				if probes == 0 {
					t.Error("no PTO probe with an IMMEDIATE_ACK frame")
				}
				s.works()
			})
		})
	}
}

// ackFrequencyScene returns a server that is connected to a client with the extension.
func ackFrequencyScene(t *testing.T) *scene {
	s := newScene(t, protocol.PerspectiveServer)
	minDelay := time.Millisecond
	s.peerOptions.Parameters = func(tp *wire.TransportParameters) { tp.MinAckDelay = &minDelay }
	s.connect()
	return s
}

// A request that is lost is followed by another one.
func TestLostAckFrequency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := ackFrequencyScene(t)
		s.peer.HoldAcks()
		var wg sync.WaitGroup
		wg.Go(func() { s.sendMuch(4) })
		lost := protocol.PacketNumber(-1)
		for range 100 {
			time.Sleep(5 * time.Millisecond)
			for _, p := range s.peer.Packets() {
				for _, f := range p.Frames {
					r, ok := f.(*wire.AckFrequencyFrame)
					switch {
					case ok && r.SequenceNumber == 0:
						lost = p.PN
					case ok && lost < 0:
						t.Errorf("frame = %+v", r)
					case ok:
						s.peer.ReleaseAcks()
						wg.Wait()
						return
					}
				}
			}
			numbers := slices.DeleteFunc(s.peer.ReceivedNumbers(oneRTT), func(pn protocol.PacketNumber) bool { return pn == lost })
			s.peer.Ack(oneRTT, numbers...)
		}
		t.Error("no second ACK_FREQUENCY frame")
		s.peer.ReleaseAcks()
		wg.Wait()
	})
}

// The last packet of a burst asks for an ACK.
func TestBurstEndsWithImmediateAck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := ackFrequencyScene(t)
		s.sendMuch(4)
		s.peer.Forget()
		str, err := s.conn.OpenUniStream()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := str.Write(randomBytes(2, 30000)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(settleTime)
		packets := s.peer.Packets()
		for i, p := range packets {
			prompts := slices.ContainsFunc(p.Frames, func(f wire.Frame) bool { _, ok := f.(*wire.ImmediateAckFrame); return ok })
			if last := i == len(packets)-1; prompts != last {
				t.Errorf("packet %d of %d: IMMEDIATE_ACK %t", i, len(packets), prompts)
			}
		}
	})
}

// MTU probes are acknowledged at once.
func TestMTUProbeWithImmediateAck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := netsim.Direction{Delay: 5 * time.Millisecond}
		clientPC, serverPC, n := netsim.Pair(1, netsim.Options{Up: d, Down: d})
		tr := &quic.Transport{Conn: wholeConn{netsim.WithFaults(clientPC, nil, nil)}}
		t.Cleanup(func() {
			tr.Close()
			n.Close()
		})
		minDelay := time.Millisecond
		peer := quictest.NewServer(t, serverPC, quictest.Options{
			TLS:        testcert.ServerConfig("test"),
			Parameters: func(tp *wire.TransportParameters) { tp.MinAckDelay = &minDelay },
		})
		go peer.Handshake()
		if _, err := tr.Dial(t.Context(), serverPC.LocalAddr(), testcert.ClientConfig("test"), nil); err != nil {
			t.Fatal(err)
		}
		_, r := quictest.ExpectIn(peer, func(*wire.ImmediateAckFrame) bool { return true })
		if !slices.ContainsFunc(r.Frames, func(f wire.Frame) bool { _, ok := f.(*wire.PingFrame); return ok }) {
			t.Errorf("an IMMEDIATE_ACK frame in a packet with %v", r.Frames)
		}
	})
}

// We do what the peer asks for.
func TestAckFrequencyIsObeyed(t *testing.T) {
	for _, role := range []protocol.Perspective{protocol.PerspectiveClient, protocol.PerspectiveServer} {
		t.Run(fmt.Sprint(role), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t, role)
				s.connect()
				const packets = 200
				for _, tt := range []struct {
					threshold uint64
					delay     time.Duration
					want      int
				}{
					{0, 20 * time.Millisecond, packets},
					{9, time.Second, packets / 10},
					{1<<62 - 1, 101 * time.Millisecond, packets / 51}, // the first packet and those of 100 ms
				} {
					// An ACK now and then is due to the silence before, or to what is left at the end.
					sequence := tt.threshold&0xff + 1 // 1, 10, 256
					s.peer.Send(oneRTT, &wire.AckFrequencyFrame{
						SequenceNumber: sequence, AckElicitingThreshold: tt.threshold, RequestMaxAckDelay: tt.delay, ReorderingThreshold: 3,
					})
					if got := s.acksFor(packets, 2*time.Millisecond); got < tt.want || got > tt.want+2 {
						t.Errorf("threshold %d, delay %s: %d ACKs, want %d", tt.threshold, tt.delay, got, tt.want)
					}
				}
				s.peer.Forget()
				pn := s.peer.Send(oneRTT, &wire.ImmediateAckFrame{})
				time.Sleep(11 * time.Millisecond) // a round trip
				if acks := quictest.Frames[*wire.AckFrame](s.peer); len(acks) != 1 || !acks[0].AcksPacket(pn) {
					t.Errorf("ACKs for an IMMEDIATE_ACK frame: %v", acks)
				}
				s.peer.Send(oneRTT, &wire.AckFrequencyFrame{SequenceNumber: 1000, RequestMaxAckDelay: protocol.MinAckDelay - time.Microsecond})
				s.expectClose(wire.FrameTypeAckFrequency, qerr.ProtocolViolation)
			})
		})
	}
}
