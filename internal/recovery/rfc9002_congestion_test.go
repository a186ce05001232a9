package recovery

import (
	"reflect"
	"testing"
	"time"

	"github.com/quic-go/quic-go/internal/congestion"
	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/wire"
)

// RFC 9002, Section 7: "packets containing only ACK frames do not count toward bytes in flight and are not
// congestion controlled."
func TestAckOnlyPacketsAreNotInFlight(t *testing.T) {
	s := confirmedScene(t)
	s.sendWith(app, ackOnly)
	s.wantInFlight(0)
	if s.ctrl.sent != 0 {
		t.Error("the controller was told of an ACK")
	}
	s.send(app, 1)
	s.wait(10 * ms)
	s.ack(app, 0, 0)
	if len(s.ctrl.acked) != 0 {
		t.Error("the controller was told that an ACK was acknowledged")
	}
	s.sendWith(app, func(p *Sent) { p.AckEliciting = false }) // padded
	s.wantInFlight(2 * testMTU)
}

// RFC 9002, Section 7: "The congestion controller is per path, so packets sent on other paths do not alter
// the current path's congestion controller".
func TestPathChange(t *testing.T) {
	s := confirmedScene(t, withECN)
	s.rtt(app, 100*ms)
	s.send(app, 1) // 1
	s.timeout()
	s.send(app, 7) // 2 to 8
	s.ack(app, 8, 8)
	s.wantLost(1, 2, 3, 4, 5)
	s.send(app, 4) // 9 to 12
	s.tr.ResetPath(s.now, 1300)
	old := s.ctrl
	old.signals = nil
	s.ctrl, _ = s.tr.Controller().(*testController)
	s.wantInFlight(0)
	if s.tr.RTT().HasSample() || s.tr.ECNState() != ECNTesting {
		t.Error("the new path does not start over")
	}
	s.wait(10 * ms)
	s.ack(app, 12, 12)
	s.wantLost(6, 7, 9)
	if s.res.RTTUpdated || s.tr.RTT().HasSample() {
		t.Error("a packet of the old path gave an RTT sample")
	}
	if len(old.signals) != 0 || len(s.ctrl.signals) != 0 || len(s.ctrl.acked) != 0 {
		t.Error("a packet of the old path concerned the controller")
	}
	s.ack(app, 1, 12) // 1 was lost on the old path, 6 on the new one
	s.wantAcked(6, 7, 9, 10, 11)
	if s.res.Spurious != 3 || len(s.ctrl.spurious) != 0 {
		t.Errorf("spurious = %d, controller was told %d times, want 3, 0", s.res.Spurious, len(s.ctrl.spurious))
	}
	s.send(app, 1) // 13
	s.wait(20 * ms)
	s.ack(app, 13, 13)
	if got := s.tr.RTT().Latest(); got != 20*ms {
		t.Errorf("sample of the new path = %v, want 20ms", got)
	}
	if len(s.ctrl.acked) != 1 || s.ctrl.acked[0].Bytes != testMTU {
		t.Errorf("acked = %+v, want one packet", s.ctrl.acked)
	}
	s.check()

	s.send(app, 1)
	s.timeout()
	s.tr.ResetPath(s.now, 1300)
	if s.wantProbes(app, 0); s.tr.PTOCount() != 0 {
		t.Errorf("PTO count on a new path = %d, want 0", s.tr.PTOCount())
	}
}

// RFC 9002, Section 7: "An endpoint MUST NOT send a packet if it would cause bytes_in_flight (see
// Appendix B.2) to be larger than the congestion window, unless the packet is sent on a PTO timer
// expiration (see Section 6.2) or when entering recovery". T-303
func TestWindowFull(t *testing.T) {
	s := confirmedScene(t)
	s.ctrl.window = 3*testMTU + 100
	for range 3 {
		s.wantMode(ModeAny)
		s.send(app, 1)
	}
	s.wantMode(ModeAck)
	s.timeout()
	s.wantMode(ModeProbe)
	s.send(app, 2)
	s.wantMode(ModeAck)
	s.wait(10 * ms)
	s.ack(app, 0, 4)
	s.wantMode(ModeAny)
}

// RFC 9002, Section 7.1: "If a path has been validated to support Explicit Congestion Notification (ECN),
// QUIC treats a Congestion Experienced (CE) codepoint in the IP header as a signal of congestion."
func TestCongestionExperienced(t *testing.T) {
	s := confirmedScene(t, withECN)
	s.send(app, 1)
	s.wait(10 * ms)
	s.send(app, 1)
	sent := s.now
	s.wait(90 * ms)
	s.ackFrame(app, &wire.Ack{Ranges: ranges(0, 1), HasECN: true, ECT0: 1, CE: 1})
	s.wantSignals(congestion.ECN)
	if c := s.ctrl.signals[0]; !s.res.ECNCE || c.SentAt != sent || c.Now != s.now || c.LostPackets != 0 {
		t.Errorf("signal = %+v, ECNCE = %t", c, s.res.ECNCE)
	}
	if a := s.ctrl.last(); a.ECT0 != 1 || a.CE != 1 {
		t.Errorf("batch = %+v, want the increases 1, 1", a)
	}
	s.send(app, 1)
	s.wait(90 * ms)
	s.ackFrame(app, &wire.Ack{Ranges: ranges(0, 2), HasECN: true, ECT0: 2, CE: 1})
	s.wantSignals(congestion.ECN) // the count did not rise
	// With no packet lost there is none to be sent again in a hurry.
	s.ctrl.window, s.ctrl.onLoss = 4*testMTU, 2*testMTU
	s.send(app, 4)
	s.ackFrame(app, &wire.Ack{Ranges: ranges(3, 3), HasECN: true, ECT0: 2, CE: 2})
	s.wantMode(ModeAck)
}

// RFC 9002, Section 7.2: "The RECOMMENDED value is 2 * max_datagram_size", in the tracker's words: the
// controller learns of another size.
func TestSetMTU(t *testing.T) {
	s := confirmedScene(t)
	s.ctrl.window = 2 * testMTU
	s.send(app, 1)
	s.wantMode(ModeAny)
	s.tr.SetMTU(testMTU + 1)
	if s.ctrl.mtu != testMTU+1 {
		t.Errorf("mtu = %d", s.ctrl.mtu)
	}
	s.wantMode(ModeAck)
}

// RFC 9002, Section 7.3.1: "While a sender is in slow start, the congestion window increases by the number of
// bytes acknowledged when each acknowledgment is processed."
func TestAckedBatch(t *testing.T) {
	s := confirmedScene(t)
	s.rtt(app, 100*ms)
	s.send(app, 2)
	s.wait(10 * ms)
	sent := s.now
	s.sendWith(app, func(p *Sent) { p.IsApplicationLimited = true })
	s.sendWith(app, ackOnly)
	s.wait(90 * ms)
	s.ack(app, 1, 4)
	got := s.ctrl.last()
	want := congestion.AckedBatch{
		Now: s.now, Bytes: 3 * testMTU, LargestSentAt: sent, InFlightBefore: 3 * testMTU,
		MinRTT: 90 * ms, SmoothedRTT: 98750 * time.Microsecond, RTT: 90 * ms, AppLimited: true,
		PriorDelivered: testMTU, Delivered: 4 * testMTU, DeliveryInterval: 100 * ms, SentInFlight: 3 * testMTU,
	}
	if got != want {
		t.Errorf("batch\n%+v, want\n%+v", got, want)
	}
}

// The delivery rate of a steady flow is what it sends: draft-ietf-ccwg-bbr, Section 4.1.
func TestDeliveryRate(t *testing.T) {
	s := confirmedScene(t)
	const interval = 10 * ms // one packet each, acknowledged 50 ms later
	for i := range protocol.PacketNumber(20) {
		s.send(app, 1)
		if i >= 5 {
			s.ack(app, 0, i-5)
		}
		s.wait(interval)
	}
	a := s.ctrl.last()
	if got := a.DeliveryInterval / time.Duration((a.Delivered-a.PriorDelivered)/testMTU); got != interval {
		t.Errorf("one packet in %v, want %v: %+v", got, interval, a)
	}
	s.send(app, 8)
	s.wait(interval)
	s.ack(app, 0, 10, 27, 27)
	if a := s.ctrl.last(); a.NewlyLost == 0 || a.LostSinceSent != a.NewlyLost {
		t.Errorf("newly lost = %d, lost since sent = %d", a.NewlyLost, a.LostSinceSent)
	}
}

// RFC 9002, Section 7.3.2: "If the congestion window is reduced immediately, a single packet can be sent prior
// to reduction."
func TestOnePacketOnEnteringRecovery(t *testing.T) {
	s := confirmedScene(t)
	s.ctrl.window, s.ctrl.onLoss = 10*testMTU, 5*testMTU
	s.send(app, 10)
	s.wait(10 * ms)
	s.ack(app, 3, 3)
	s.wantLost(0)
	s.wantInFlight(8 * testMTU)
	s.wantMode(ModeAny)
	s.send(app, 1)
	s.wantMode(ModeAck)
	s.ack(app, 4, 4) // another loss in the same recovery period
	s.wantMode(ModeAck)
}

// RFC 9002, Section 7.3.2: "A NewReno sender enters a recovery period when it detects the loss of a packet":
// losses go to the controller before what the same ACK frame acknowledges.
func TestLossIsToldFirst(t *testing.T) {
	s := confirmedScene(t, withNewReno)
	window := s.tr.Controller().Window()
	s.send(app, 10)
	s.wait(10 * ms)
	s.ack(app, 5, 9)
	if got := s.tr.Controller().Window(); got != window/2 {
		t.Errorf("window = %d, want %d", got, window/2)
	}
}

// RFC 9002, Section 7.3.3: "The sender exits congestion avoidance and enters a recovery period when a packet is
// lost": one signal names all losses of an ACK frame and the newest of them.
func TestLossSignal(t *testing.T) {
	s := confirmedScene(t)
	s.send(app, 3)
	s.wait(10 * ms)
	newest := s.now
	s.send(app, 1)
	s.wait(10 * ms)
	s.send(app, 4)
	s.wait(10 * ms)
	s.ack(app, 6, 7)
	s.wantLost(0, 1, 2, 3, 4)
	want := congestion.Congestion{
		Kind: congestion.Loss, Now: s.now, SentAt: newest.Add(10 * ms), LostPackets: 5, LostBytes: 5 * testMTU,
		InFlight: 6 * testMTU, Delivered: 2 * testMTU, LostRanges: 1,
	}
	for i := range protocol.ByteCount(5) {
		want.Lost = append(want.Lost, congestion.LostPacket{
			Size: testMTU, SentInFlight: (i + 1) * testMTU, LostSinceSent: (i + 1) * testMTU,
		})
	}
	if len(s.ctrl.signals) != 1 || !reflect.DeepEqual(s.ctrl.signals[0], want) {
		t.Errorf("signals = %+v, want %+v", s.ctrl.signals, want)
	}
}

// RFC 9002, Section 7.4: "Endpoints MUST NOT ignore the loss of packets that were sent after the earliest
// acknowledged packet in a given packet number space." We ignore none.
func TestLossOfEarlyPackets(t *testing.T) {
	s := newScene(t, asClient)
	for range 4 {
		s.sendWith(app, earlyData)
	}
	s.wait(100 * ms)
	s.ack(app, 3, 3)
	s.wantLost(0)
	s.wantSignals(congestion.Loss)
}

// RFC 9002, Section 7.5: "Probe packets MUST NOT be blocked by the congestion controller. A sender MUST however
// count these packets as being additionally in flight".
func TestProbesAreInFlight(t *testing.T) {
	s := confirmedScene(t)
	s.ctrl.window = 2 * testMTU
	s.send(app, 2)
	s.timeout()
	s.wantMode(ModeProbe)
	s.send(app, 2)
	s.wantInFlight(4 * testMTU)
	s.wantMode(ModeAck)
}

// RFC 9002, Section 7.6.1: "The RECOMMENDED value for kPersistentCongestionThreshold is 3".
// Section 7.6.2: "the duration between the send times of these two packets exceeds the persistent congestion
// duration (Section 7.6.1)". T-302
func TestPersistentCongestionDuration(t *testing.T) {
	for _, tt := range []struct {
		name string
		last time.Duration // send time of the last lost packet after the first
		want bool
	}{
		{"as long", persistence, false},
		{"longer", persistence + 1, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := confirmedScene(t)
			s.rtt(app, 100*ms)
			s.send(app, 1) // 1
			s.wait(tt.last)
			s.send(app, 1) // 2
			s.wait(400 * ms)
			s.send(app, 1) // 3
			s.wait(100 * ms)
			s.ack(app, 3, 3)
			s.wantLost(1, 2)
			if s.res.PersistentCongestion != tt.want {
				t.Errorf("persistent congestion = %t, want %t", s.res.PersistentCongestion, tt.want)
			}
			want := congestion.Loss
			if tt.want {
				want = congestion.Persistent
			}
			s.wantSignals(want)
		})
	}
}

// RFC 9002, Section 7.6.3, Table 1.
func TestPersistentCongestionExample(t *testing.T) {
	s := confirmedScene(t, withNewReno)
	sec := func(f float64) { s.at(time.Duration(f * float64(time.Second))) }
	// smoothed_rtt + max(4*rttvar, kGranularity) + max_ack_delay = 2
	s.rtt(app, 200*ms)
	s.tr.SetPeerMaxAckDelay(2*time.Second - s.tr.RTT().PTO(false))
	fixed := s.tr.rtt
	s.at(0)
	s.send(app, 1) // #1
	s.at(time.Second)
	s.send(app, 1) // #2
	sec(1.2)
	s.ack(app, 1, 1)
	s.tr.rtt = fixed // the example keeps it at 2
	for i := 2; i <= 6; i++ {
		s.at(time.Duration(i) * time.Second)
		s.send(app, 1) // #3 to #7
	}
	s.timeout()
	if got := s.now.Sub(start); got != 8*time.Second {
		t.Errorf("PTO 1 at %v, want 8s", got)
	}
	s.send(app, 1) // #8
	s.timeout()
	if got := s.now.Sub(start); got != 12*time.Second {
		t.Errorf("PTO 2 at %v, want 12s", got)
	}
	s.send(app, 1) // #9
	sec(12.2)
	s.tr.rtt = fixed
	s.ack(app, 1, 1, 9, 9)
	s.wantLost(2, 3, 4, 5, 6, 7, 8)
	if !s.res.PersistentCongestion {
		t.Error("no persistent congestion")
	}
	// "When persistent congestion is declared, the sender's congestion window MUST be reduced to the
	// minimum congestion window (kMinimumWindow)". From there #9 opens it by a packet (Appendix A.7).
	if got := s.tr.Controller().Window(); got != 3*testMTU {
		t.Errorf("window = %d, want %d", got, 3*testMTU)
	}
}

// RFC 9002, Section 5.2: "Endpoints SHOULD set the min_rtt to the newest RTT sample after persistent congestion is
// established."
func TestMinRTTAfterPersistentCongestion(t *testing.T) {
	s := confirmedScene(t)
	s.rtt(app, 100*ms)
	s.send(app, 1)
	s.wait(10 * time.Second)
	s.send(app, 1)
	s.wait(time.Second)
	s.send(app, 1)
	s.wait(150 * ms)
	s.ack(app, 3, 3)
	if !s.res.PersistentCongestion || s.tr.RTT().Min() != 150*ms {
		t.Errorf("persistent congestion = %t, min = %v, want true, 150ms", s.res.PersistentCongestion, s.tr.RTT().Min())
	}
}

// RFC 9002, Section 7.6.2: what does not establish persistent congestion, each case with losses that are far
// enough apart.
func TestNoPersistentCongestion(t *testing.T) {
	const far = persistence + time.Second
	for _, tt := range []struct {
		name string
		play func(s *scene)
	}{
		{"\"a prior RTT sample existed when these two packets were sent\"", func(s *scene) {
			s.send(app, 2) // 0, 1
			s.wait(100 * ms)
			s.ack(app, 0, 0)
			s.wait(far)
			s.send(app, 2) // 2, 3
			s.wait(200 * ms)
			s.send(app, 3)
			s.wait(100 * ms)
			s.ack(app, 0, 0, 6, 6)
		}},
		{"\"none of the packets sent between the send times of these two packets are acknowledged\"", func(s *scene) {
			s.rtt(app, 100*ms)
			s.send(app, 1) // 1
			s.wait(far / 2)
			s.send(app, 1) // 2
			s.wait(far / 2)
			s.send(app, 1) // 3
			s.wait(200 * ms)
			s.send(app, 1) // 4
			s.wait(100 * ms)
			s.ack(app, 2, 2, 4, 4)
		}},
		{"an acknowledged packet of the same moment, but sent later", func(s *scene) {
			s.rtt(app, 100*ms)
			s.send(app, 2) // 1, 2
			s.wait(far)
			s.send(app, 1) // 3
			s.wait(200 * ms)
			s.send(app, 1) // 4
			s.wait(100 * ms)
			s.ack(app, 2, 2, 4, 4)
		}},
		{"\"These two packets MUST be ack-eliciting\"", func(s *scene) {
			s.rtt(app, 100*ms)
			s.sendWith(app, func(p *Sent) { p.AckEliciting = false })
			s.wait(far)
			s.send(app, 1)
			s.wait(200 * ms)
			s.send(app, 1)
			s.wait(100 * ms)
			s.ack(app, 3, 3)
		}},
		{"an MTU probe at the end", func(s *scene) {
			s.rtt(app, 100*ms)
			s.send(app, 1)
			s.wait(far)
			s.sendWith(app, mtuProbe)
			s.wait(200 * ms)
			s.send(app, 1)
			s.wait(100 * ms)
			s.ack(app, 3, 3)
		}},
		{"\"across all packet number spaces\": another space was acknowledged in between", func(s *scene) {
			s.rtt(hs, 100*ms)
			s.send(app, 1)
			s.wait(far / 2)
			s.rtt(hs, 100*ms)
			s.wait(far / 2)
			s.send(app, 1)
			s.wait(400 * ms)
			s.send(app, 1)
			s.wait(100 * ms)
			s.ack(app, 2, 2)
		}},
		{"an acknowledged packet of another space ends a run of losses", func(s *scene) {
			s.rtt(hs, 100*ms)
			s.send(app, 1) // 0
			s.wait(far / 2)
			s.send(hs, 1)
			s.wait(far / 2)
			s.send(app, 3) // 1 to 3
			s.wait(10 * ms)
			s.ack(app, 3, 3)
			s.wantLost(0)
			s.ack(hs, 1, 1)
			s.timeout() // too early: the RTT has grown in the meantime
			s.wantLost()
			s.timeout()
			s.wantLost(1, 2)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newScene(t)
			s.tr.SetHandshakeConfirmed()
			tt.play(s)
			for _, c := range s.ctrl.signals {
				if c.Kind == congestion.Persistent {
					t.Error("persistent congestion")
				}
			}
			if s.tr.Stats().PacketsLost == 0 {
				t.Error("the case lost nothing")
			}
		})
	}
}

// RFC 9002, Section 7.6.2: "persistent congestion SHOULD consider packets sent across packet number spaces."
func TestPersistentCongestionAcrossSpaces(t *testing.T) {
	s := newScene(t)
	s.tr.SetHandshakeConfirmed()
	s.rtt(hs, 100*ms)
	s.send(hs, 1)
	s.wait(ms)
	s.send(hs, 1)
	s.wait(persistence)
	s.send(app, 3) // 0 to 2
	s.wait(200 * ms)
	s.send(hs, 3)
	s.send(app, 3)
	s.wait(100 * ms)
	s.ack(hs, 5, 5)
	s.wantLost(1, 2)
	s.ack(app, 5, 5)
	s.wantSignals(congestion.Loss, congestion.Persistent)
}

// RFC 9002, Section 7.7: "A sender SHOULD pace sending of all in-flight packets", "packets containing only ACK
// frames SHOULD therefore not be paced." T-304
func TestPacing(t *testing.T) {
	s := confirmedScene(t)
	s.ctrl.rate = 1_200_000 // a packet per millisecond
	burst := 0
	for s.tr.SendMode(s.now) == ModeAny {
		s.send(app, 1)
		burst++
	}
	// "Senders SHOULD limit bursts to the initial congestion window".
	if burst != 10 {
		t.Errorf("burst = %d packets, want 10", burst)
	}
	s.wantMode(ModePacingLimited)
	next := s.tr.PacingDeadline()
	if d := next.Sub(s.now); d <= 0 || d > 2*ms {
		t.Errorf("next packet in %v, want 1ms", d)
	}
	s.sendWith(app, ackOnly)
	if s.wantMode(ModePacingLimited); s.tr.PacingDeadline() != next {
		t.Error("an ACK was paced")
	}
	s.now = next
	s.wantMode(ModeAny)
	if !s.tr.PacingDeadline().IsZero() {
		t.Error("there still is a pacing deadline")
	}
	// The window goes first: waiting for the pacer would not help.
	for s.tr.SendMode(s.now) == ModeAny {
		s.send(app, 1)
	}
	s.wantMode(ModePacingLimited)
	s.ctrl.window = testMTU
	s.wantMode(ModeAck)
	if !s.tr.PacingDeadline().IsZero() {
		t.Error("pacing deadline while the window is full")
	}
}

// RFC 9002, Section 7.8: "When bytes in flight is smaller than the congestion window and sending is not pacing
// limited, the congestion window is underutilized. [...] When this occurs, the congestion window SHOULD NOT be
// increased in either slow start or congestion avoidance."
func TestUnderutilizedWindow(t *testing.T) {
	grown := func(limited bool) bool {
		s := confirmedScene(t, withNewReno)
		before := s.tr.Controller().Window()
		for range 9 {
			s.sendWith(app, func(p *Sent) { p.IsApplicationLimited = limited })
		}
		s.wait(10 * ms)
		s.ack(app, 0, 8)
		return s.tr.Controller().Window() > before
	}
	if grown(true) || !grown(false) {
		t.Error("the window must grow if, and only if, it was used")
	}
}

// RFC 9002, Section 6.1: "Implementations can detect spurious retransmissions".
func TestSpuriousLoss(t *testing.T) {
	s := confirmedScene(t)
	s.rtt(app, 100*ms)
	var sent []monotime.Time
	for range 6 {
		s.wait(ms)
		sent = append(sent, s.now)
		s.send(app, 1) // 1 to 6
	}
	s.wait(100 * ms)
	s.ack(app, 5, 6)
	s.wantLost(1, 2, 3)
	s.ack(app, 2, 2, 4, 6)
	s.wantAcked(2, 4)
	if s.res.Spurious != 1 || len(s.ctrl.spurious) != 1 || s.ctrl.spurious[0] != sent[1] {
		t.Errorf("spurious = %d, %v, want 1, [%v]", s.res.Spurious, s.ctrl.spurious, sent[1])
	}
	s.ack(app, 1, 6)
	s.wantAcked(1, 3)
	s.ack(app, 1, 6)
	s.wantAcked()
	if s.res.Spurious != 0 || len(s.ctrl.spurious) != 3 {
		t.Errorf("spurious = %d, %d in total, want 0, 3", s.res.Spurious, len(s.ctrl.spurious))
	}
	// After some PTOs the loss is forgotten.
	s.send(app, 4) // 7 to 10
	s.wait(100 * ms)
	s.ack(app, 10, 10)
	s.wantLost(7)
	s.wait(rememberedPTOs*s.tr.RTT().PTO(true) + 1)
	s.ack(app, 7, 7)
	s.wantAcked()
}
