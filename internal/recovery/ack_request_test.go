package recovery

import (
	"testing"
	"time"

	"github.com/quic-go/quic-go/internal/congestion"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/wire"
)

// A stateController is a testController in a state.
type stateController struct {
	testController
	state congestion.State
}

func (c *stateController) Metrics() congestion.Metrics { return congestion.Metrics{State: c.state} }

// requestScene is a scene with a peer that understands ACK_FREQUENCY frames, a window of some packets beyond the start and
// an RTT.
func requestScene(t *testing.T, window protocol.ByteCount, rtt time.Duration) (*scene, *stateController) {
	t.Helper()
	c := &stateController{testController: testController{window: window * testMTU}, state: congestion.CongestionAvoidance}
	s := confirmedScene(t, func(p *Params) {
		p.NewController = func(protocol.ByteCount) congestion.Controller { return c }
	})
	s.tr.SetPeerMaxAckDelay(26 * ms)
	s.tr.SetPeerMinAckDelay(ms)
	s.rtt(app, rtt)
	return s, c
}

// sendRequest sends the frame that is due.
func (s *scene) sendRequest() wire.AckFrequencyFrame {
	s.Helper()
	if !s.tr.AckFrequencyDue() {
		s.Fatal("no ACK_FREQUENCY frame is due")
	}
	f := s.tr.NextAckFrequency()
	s.tr.OnAckFrequencySent(&f)
	if s.tr.AckFrequencyDue() {
		s.Fatal("another ACK_FREQUENCY frame is due")
	}
	return f
}

// nextReview lets the time of the next review pass.
func (s *scene) nextReview() {
	s.Helper()
	s.rtt(app, s.tr.RTT().Smoothed())
	s.rtt(app, s.tr.RTT().Smoothed())
}

func TestWantedAcks(t *testing.T) {
	const avoidance, slowStart = congestion.CongestionAvoidance, congestion.SlowStart
	for _, tt := range []struct {
		name      string
		window    protocol.ByteCount // packets
		rtt       time.Duration
		state     congestion.State
		threshold uint64
		delay     time.Duration
	}{
		{"a small window", 23, 40 * ms, avoidance, 1, 26 * ms},
		{"a window that is just worth it", 24, 40 * ms, avoidance, 3, 10 * ms},
		{"a larger window", 50, 40 * ms, avoidance, 6, 10 * ms},
		{"a huge window", 10000, 40 * ms, avoidance, protocol.MaxAckElicitingThreshold, 10 * ms},
		{"slow start, small", 47, 40 * ms, slowStart, 1, 26 * ms},
		{"slow start", 100, 40 * ms, slowStart, 6, 10 * ms},
		{"recovery", 100, 40 * ms, congestion.Recovery, 8, 10 * ms},
		{"a long round trip", 100, 600 * ms, avoidance, 8, 26 * ms},
		{"a short round trip", 100, 2 * ms, avoidance, 8, ms},
		{"a round trip that is as short as the peer's timers", 100, ms, avoidance, 8, ms},
		{"a round trip too short for the peer's timers", 100, ms - time.Microsecond, avoidance, 1, 26 * ms},
		{"not a whole number of microseconds", 100, 40*ms + 2*time.Nanosecond, avoidance, 8, 10 * ms},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, c := requestScene(t, tt.window, tt.rtt)
			c.state = tt.state
			want := ackPolicy{threshold: tt.threshold, delay: tt.delay, reordering: packetThreshold}
			if tt.threshold == 1 {
				want.reordering = 1
			}
			if got := s.tr.wantedAcks(); got != want {
				t.Errorf("wantedAcks() = %+v, want %+v", got, want)
			}
		})
	}
}

func TestAckFrequencyOnlyIfItPays(t *testing.T) {
	s, _ := requestScene(t, 10, 40*ms)
	s.nextReview()
	if s.tr.AckFrequencyDue() {
		t.Error("an ACK_FREQUENCY frame is due that asks for nothing new")
	}
}

func TestNoAckFrequencyWithoutParameter(t *testing.T) {
	s := confirmedScene(t)
	for range 10 {
		s.rtt(app, 40*ms)
		s.send(app, 100)
		if s.tr.AckFrequencyDue() || s.tr.PromptDue(s.now) || s.tr.HasImmediateAck() {
			t.Fatal("the peer has not advertised min_ack_delay")
		}
		s.ack(app, 0, s.tr.LargestSent(app))
	}
	if got, want := s.tr.rtt.maxAckDelay, protocol.DefaultMaxAckDelay; got != want {
		t.Errorf("max_ack_delay = %v, want %v", got, want)
	}
}

func TestAckFrequencyBeforeConfirmation(t *testing.T) {
	s := newScene(t)
	s.tr.SetPeerMinAckDelay(ms)
	s.rtt(hs, 40*ms)
	s.tr.SetHandshakeComplete()
	s.rtt(app, 40*ms)
	if s.tr.AckFrequencyDue() {
		t.Error("an ACK_FREQUENCY frame is due before the handshake is confirmed")
	}
}

func TestAckFrequencyIsRare(t *testing.T) {
	s, c := requestScene(t, 32, 40*ms)
	first := s.sendRequest()
	if want := (wire.AckFrequencyFrame{AckElicitingThreshold: 4, RequestMaxAckDelay: 10 * ms, ReorderingThreshold: 3}); first != want {
		t.Fatalf("frame = %+v, want %+v", first, want)
	}
	c.window = 1000 * testMTU
	s.nextReview()
	if s.tr.AckFrequencyDue() {
		t.Error("a second frame is due while the first one is in flight")
	}
	s.tr.OnAckFrequencyAcked(0)
	c.window = 63 * testMTU
	s.nextReview()
	if s.tr.AckFrequencyDue() {
		t.Error("a frame is due for less than twice the threshold")
	}
	c.window = 64 * testMTU
	s.rtt(app, ms) // once every two round trips
	if s.tr.AckFrequencyDue() {
		t.Error("two frames are due within two round trips")
	}
	s.nextReview()
	second := s.sendRequest()
	if second.SequenceNumber != 1 || second.AckElicitingThreshold != 8 {
		t.Errorf("frame = %+v", second)
	}
	s.tr.OnAckFrequencyAcked(1)
	c.window = 16 * testMTU // one packet less than what was worth it at first
	s.nextReview()
	if third := s.sendRequest(); third.AckElicitingThreshold != 2 {
		t.Errorf("frame = %+v", third)
	}
	s.tr.OnAckFrequencyAcked(2)
	c.window = 2 * testMTU
	s.nextReview()
	if last := s.sendRequest(); last != (wire.AckFrequencyFrame{SequenceNumber: 3, AckElicitingThreshold: 1, RequestMaxAckDelay: 26 * ms, ReorderingThreshold: 1}) {
		t.Errorf("frame = %+v", last)
	}
}

// draft-ietf-quic-ack-frequency-12, Section 7.
func TestMaxAckDelayInFlight(t *testing.T) {
	s, c := requestScene(t, 100, 40*ms)
	want := func(what string, d time.Duration) {
		t.Helper()
		if got := s.tr.RTT().PTO(true) - s.tr.RTT().PTO(false); got != d {
			t.Errorf("%s: PTO is calculated with %v, want %v", what, got, d)
		}
	}
	s.sendRequest()
	want("a shorter delay in flight", 26*ms)
	s.tr.OnAckFrequencyLost(0)
	want("a lost request", 26*ms)
	f := s.sendRequest()
	if f.SequenceNumber != 1 {
		t.Errorf("sequence number = %d, want 1", f.SequenceNumber)
	}
	s.tr.OnAckFrequencyAcked(0)
	want("an obsolete request", 26*ms)
	s.tr.OnAckFrequencyLost(0) // has no effect
	if s.tr.AckFrequencyDue() {
		t.Error("an obsolete request is repeated")
	}
	s.tr.OnAckFrequencyAcked(1)
	want("an acknowledged request", 10*ms)
	c.window = 2 * testMTU
	s.nextReview()
	s.sendRequest()
	want("a longer delay in flight", 26*ms)
	s.tr.OnAckFrequencyAcked(2)
	want("the old delay again", 26*ms)
}

// A request that was taken for lost but has arrived is not repeated.
func TestLateAckFrequency(t *testing.T) {
	s, _ := requestScene(t, 100, 40*ms)
	s.sendRequest()
	s.tr.OnAckFrequencyLost(0)
	s.tr.OnAckFrequencyAcked(0)
	if s.tr.AckFrequencyDue() || s.tr.rtt.maxAckDelay != 10*ms {
		t.Errorf("due = %t, max_ack_delay = %v", s.tr.AckFrequencyDue(), s.tr.rtt.maxAckDelay)
	}
}

// draft-ietf-quic-ack-frequency-12, Section 8.4.
func TestAckFrequencyOnNewPath(t *testing.T) {
	s, _ := requestScene(t, 100, 40*ms)
	s.tr.ResetPath(s.now, testMTU)
	if s.tr.AckFrequencyDue() {
		t.Error("a request is due though there was none before")
	}
	s.rtt(app, 40*ms)
	s.sendRequest()
	s.tr.OnAckFrequencyAcked(0)
	s.tr.ResetPath(s.now, testMTU)
	if f := s.sendRequest(); f.AckElicitingThreshold != 1 || f.RequestMaxAckDelay != 26*ms || f.SequenceNumber != 1 {
		t.Errorf("frame = %+v", f)
	}
}

// draft-ietf-quic-ack-frequency-12, Section 8.1.1.
func TestPromptBeforePause(t *testing.T) {
	s, _ := requestScene(t, 100, 40*ms)
	s.send(app, 50)
	if s.tr.PromptDue(s.now) {
		t.Error("an IMMEDIATE_ACK frame is due though the peer acknowledges every other packet")
	}
	s.ack(app, 0, s.tr.LargestSent(app))
	s.sendRequest()
	s.send(app, 8)
	if s.tr.PromptDue(s.now) {
		t.Error("an IMMEDIATE_ACK frame is due after few packets")
	}
	s.send(app, 1)
	if !s.tr.PromptDue(s.now) {
		t.Error("no IMMEDIATE_ACK frame is due")
	}
	s.tr.OnPrompted(s.now)
	s.send(app, 20)
	if s.tr.PromptDue(s.now) {
		t.Error("a second IMMEDIATE_ACK frame is due in the same round trip")
	}
	s.wait(40 * ms)
	if !s.tr.PromptDue(s.now) {
		t.Error("no IMMEDIATE_ACK frame is due a round trip later")
	}
}
