package recovery

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
	"github.com/quic-go/quic-go/internal/wire"
)

// askedScene is a scene in which the peer has just asked for a policy, and everything before is acknowledged.
func askedScene(t *testing.T, threshold uint64, delay time.Duration, reordering protocol.PacketNumber) *scene {
	t.Helper()
	s := confirmedScene(t)
	s.ask(1, threshold, delay, reordering)
	s.tr.spaces[app].received.reportedAt = s.now
	return s
}

// ask receives an ACK_FREQUENCY frame.
func (s *scene) ask(sequence, threshold uint64, delay time.Duration, reordering protocol.PacketNumber) {
	s.Helper()
	if err := s.tr.OnAckFrequency(&wire.Decoded{
		Type: wire.FrameTypeAckFrequency, Sequence: sequence, Limit: threshold, MaxAckDelay: delay, Reordering: reordering,
	}); err != nil {
		s.Fatal(err)
	}
}

func TestAckElicitingThreshold(t *testing.T) {
	for _, tt := range []struct {
		threshold uint64
		want      int // packets until an ACK frame is due
	}{{0, 1}, {1, 2}, {2, 3}, {10, 11}, {1000, 1001}, {1<<62 - 1, math.MaxInt}} {
		s := askedScene(t, tt.threshold, 100*ms, 3)
		for pn := range protocol.PacketNumber(3000) {
			n := int(pn) + 1
			s.receive(app, pn)
			if due := s.tr.AckDue(s.now, app); due != (n == tt.want) {
				t.Fatalf("threshold %d: AckDue after %d packets = %t", tt.threshold, n, due)
			}
			if n == tt.want {
				break
			}
		}
		s.acknowledge(app)
		s.wantAckDue(app, false)
	}
}

// Timers may fire a granularity late.
func TestRequestedMaxAckDelay(t *testing.T) {
	for _, tt := range []struct{ requested, want time.Duration }{
		{protocol.MinAckDelay, protocol.MinAckDelay},
		{protocol.MinAckDelay + time.Microsecond, protocol.MinAckDelay},
		{5 * ms, 4 * ms},
		{26 * ms, 25 * ms},
		{1<<14*ms - time.Microsecond, 1<<14*ms - time.Microsecond - ms},
	} {
		s := askedScene(t, 1<<62-1, tt.requested, 0)
		s.receive(app, 0)
		s.wait(100 * time.Microsecond)
		s.receive(app, 1, 5, 3)
		s.wantAckDeadline(tt.want)
		s.at(tt.want)
		s.wantAckDue(app, true)
	}
}

// A frame that asks for less counts for what was received before it, too.
func TestShorterDelayCountsAtOnce(t *testing.T) {
	s := askedScene(t, 100, 21*ms, 3)
	s.receive(app, 0)
	s.wantAckDeadline(20 * ms)
	s.ask(2, 100, 6*ms, 3)
	s.receive(app, 1)
	s.wantAckDeadline(5 * ms)
	s.ask(3, 2, 6*ms, 3)
	s.receive(app, 2)
	s.wantAckDue(app, true)
}

func TestFaultyAckFrequency(t *testing.T) {
	s := confirmedScene(t)
	err := s.tr.OnAckFrequency(&wire.Decoded{MaxAckDelay: protocol.MinAckDelay - time.Microsecond, Limit: 10})
	te, ok := errors.AsType[*qerr.TransportError](err)
	if !ok || te.ErrorCode != qerr.ProtocolViolation || te.FrameType != uint64(wire.FrameTypeAckFrequency) {
		t.Errorf("OnAckFrequency = %v, want PROTOCOL_VIOLATION", err)
	}
	s.receive(app, 0, 1)
	s.wantAckDue(app, true)
}

func TestObsoleteAckFrequency(t *testing.T) {
	s := confirmedScene(t)
	want := func(threshold uint64) {
		t.Helper()
		if got := s.tr.spaces[app].received.policy.threshold; got != threshold {
			t.Errorf("threshold = %d, want %d", got, threshold)
		}
	}
	want(1)
	s.ask(0, 5, 10*ms, 3) // 0 is the first sequence number that there can be
	want(5)
	s.ask(0, 6, 10*ms, 3)
	want(5)
	s.ask(1<<62-1, 7, 10*ms, 3)
	want(7)
	s.ask(1<<62-2, 8, 10*ms, 3)
	want(7)
}

// draft-ietf-quic-ack-frequency-12, Section 6.2.1, and other sequences.
func TestReorderingThreshold(t *testing.T) {
	type step struct {
		pn  protocol.PacketNumber
		ack bool
	}
	for _, tt := range []struct {
		name      string
		threshold protocol.PacketNumber
		steps     []step
	}{
		{"Table 1", 3, []step{{0, false}, {1, false}, {3, false}, {4, false}, {5, true}, {8, false}, {9, true}, {10, true}, {11, false}, {12, false}}},
		{"Table 2", 5, []step{{0, false}, {1, false}, {3, false}, {5, false}, {6, false}, {7, true}, {8, false}, {9, true}, {10, false}}},
		{"0: no matter what", 0, []step{{0, false}, {9, false}, {3, false}, {100, false}, {1, false}}},
		{"1: any gap and any late packet", 1, []step{{0, false}, {2, true}, {3, false}, {1, true}, {4, false}, {6, true}}},
		{"2", 2, []step{{0, false}, {2, false}, {3, true}, {4, false}, {6, false}, {7, true}, {8, false}}},
		{"a filled gap", 3, []step{{0, false}, {2, false}, {3, false}, {1, false}, {4, false}, {5, false}, {6, false}}},
		{"a late packet that the peer took for lost", 3, []step{{0, false}, {2, false}, {3, false}, {4, true}, {1, true}, {5, false}}},
		{"a packet that is late but not lost", 3, []step{{0, false}, {1, false}, {2, false}, {6, true}, {5, false}, {4, false}, {7, false}}},
		{"the beginning is missing", 3, []step{{2, false}, {3, true}, {4, true}, {5, false}}},
		{"2^62-1", 1<<62 - 1, []step{{0, false}, {1 << 40, false}, {2, false}, {1<<62 - 2, false}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := askedScene(t, 1<<62-1, time.Second, tt.threshold)
			for i, step := range tt.steps {
				s.receive(app, step.pn)
				if due := s.tr.AckDue(s.now, app); due != step.ack {
					t.Fatalf("step %d: AckDue after packet %d = %t", i, step.pn, due)
				}
				if step.ack {
					s.acknowledge(app)
				}
			}
		})
	}
}

// draft-ietf-quic-ack-frequency-12, Section 6.3.
func TestAckOfCongestionMarks(t *testing.T) {
	const no, ce = protocol.ECT0, protocol.ECNCE
	for _, tt := range []struct {
		name      string
		threshold uint64
		marks     []protocol.ECN
		acks      []bool
	}{
		{"only the first of a run", 10, []protocol.ECN{no, ce, ce, ce, no, ce, no, no}, []bool{false, true, false, false, false, true, false, false}},
		{"all, by default", 1, []protocol.ECN{no, ce, ce, no}, []bool{false, true, true, false}},
		{"all packets", 0, []protocol.ECN{no, ce, ce, no}, []bool{true, true, true, true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := askedScene(t, tt.threshold, time.Second, 3)
			for i, mark := range tt.marks {
				s.tr.OnReceived(s.now, app, protocol.PacketNumber(i), mark, true)
				if due := s.tr.AckDue(s.now, app); due != tt.acks[i] {
					t.Fatalf("AckDue after packet %d = %t", i, due)
				}
				if tt.acks[i] {
					s.acknowledge(app)
				}
			}
		})
	}
	t.Run("a mark that could not be reported", func(t *testing.T) {
		s := askedScene(t, 10, time.Second, 3)
		s.receive(app, 0)
		s.tr.OnReceived(s.now, app, 1, ce, false)
		s.wantAckDue(app, false)
		s.tr.OnReceived(s.now, app, 2, ce, true)
		s.wantAckDue(app, true)
	})
}

func TestImmediateAck(t *testing.T) {
	s := askedScene(t, 1<<62-1, time.Second, 0)
	s.receive(app, 0)
	s.wantAckDue(app, false)
	for pn := range protocol.PacketNumber(10) {
		s.tr.OnImmediateAck()
		s.receive(app, pn+1)
	}
	s.wantAckDue(app, true)
	s.wantAckDeadline(none)
	s.acknowledge(app) // one for all
	s.wantAckDue(app, false)
	s.receive(app, 11)
	s.wantAckDue(app, false)
}

// draft-ietf-quic-ack-frequency-12, Section 6.1.
func TestAckAfterSilence(t *testing.T) {
	s := askedScene(t, 50, 101*ms, 3)
	s.wait(333 * ms) // the RTT that is not known
	s.receive(app, 0, 1, 2)
	s.wantAckDue(app, false)
	s.acknowledge(app)
	s.wait(334 * ms)
	s.receive(app, 3)
	s.wantAckDue(app, false)
	s.wantAckDeadline(667*ms + protocol.MaxAckDelay)
	s.receive(app, 4)
	s.wantAckDue(app, true)
	s.acknowledge(app)
	s.receive(app, 5, 6, 7, 8)
	s.wantAckDue(app, false)
}

// However much a peer asks for, what was received is acknowledged before its ranges are forgotten.
func TestUnreportedRangesAreBounded(t *testing.T) {
	s := askedScene(t, 1<<62-1, 16*time.Second, 0)
	reported := make(map[protocol.PacketNumber]bool)
	acks := 0
	for i := range protocol.PacketNumber(1000) {
		s.receive(app, 2*i)
		s.check()
		if !s.tr.AckDue(s.now, app) {
			continue
		}
		acks++
		for _, r := range s.acknowledge(app).Ranges {
			for pn := r.Smallest; pn <= r.Largest; pn++ {
				reported[pn] = true
			}
		}
	}
	if want := 1000 / maxUnreported; acks != want {
		t.Errorf("%d ACK frames, want %d", acks, want)
	}
	for pn := range protocol.PacketNumber(acks * maxUnreported) {
		if !reported[2*pn] {
			t.Fatalf("packet %d was never reported", 2*pn)
		}
	}
	// What is left waits for the longest delay that can be asked for.
	s.at(16 * time.Second)
	s.wantAckDue(app, true)
}

// Initial and Handshake packets are acknowledged at once.
func TestAckFrequencyIsForAppData(t *testing.T) {
	s := newScene(t)
	s.ask(1, 100, 20*ms, 0)
	s.receive(hs, 0)
	s.wantAckDue(hs, true)
}
