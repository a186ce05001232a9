package recovery

import (
	"testing"
	"time"

	"github.com/quic-go/quic-go/internal/congestion"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/wire"
)

// After scene.rtt(space, 100ms): smoothed_rtt 100 ms, rttvar 50 ms, so that
const (
	ptoLong   = 300 * ms                  // Initial and Handshake
	ptoApp    = 325 * ms                  // with the default max_ack_delay of 25 ms
	lossDelay = 112500 * time.Microsecond // 9/8 * smoothed_rtt
	// once a second sample of 100 ms has come in
	persistence = 3 * (100*ms + 4*37500*time.Microsecond + 25*ms)
)

// RFC 9002, Section 5.1: "An RTT sample MUST NOT be generated on receiving an ACK frame that does not
// newly acknowledge at least one ack-eliciting packet." T-296
func TestRTTSampleNeedsAckEliciting(t *testing.T) {
	s := confirmedScene(t)
	s.sendWith(app, ackOnly)
	s.wait(50 * ms)
	s.ack(app, 0, 0)
	if s.res.RTTUpdated || s.tr.RTT().HasSample() {
		t.Error("sample from a packet that is not ack-eliciting")
	}
	// The largest packet need not be the ack-eliciting one.
	s.send(app, 1)
	s.sendWith(app, ackOnly)
	s.wait(60 * ms)
	s.ack(app, 0, 2)
	if got := s.tr.RTT().Latest(); got != 60*ms {
		t.Errorf("sample = %v, want 60ms", got)
	}
}

// RFC 9002, Section 5.1: "To avoid generating multiple RTT samples for a single packet, an ACK frame
// SHOULD NOT be used to update RTT estimates if it does not newly acknowledge the largest
// acknowledged packet."
func TestRTTSampleNeedsNewLargest(t *testing.T) {
	s := confirmedScene(t)
	s.send(app, 3)
	s.wait(40 * ms)
	s.ack(app, 2, 2)
	s.wait(40 * ms)
	s.ack(app, 1, 2)
	if s.res.RTTUpdated || s.tr.RTT().Latest() != 40*ms {
		t.Errorf("latest = %v, want the first sample, 40ms", s.tr.RTT().Latest())
	}
	s.wantAcked(1)
}

// RFC 9002, Section 5.2: "min_rtt MUST be set to the lesser of min_rtt and latest_rtt (Section 5.1) on all
// other samples."
func TestMinRTT(t *testing.T) {
	s := confirmedScene(t)
	for _, tt := range []struct{ sample, min time.Duration }{{80 * ms, 80 * ms}, {120 * ms, 80 * ms}, {30 * ms, 30 * ms}} {
		s.rtt(app, tt.sample)
		if got := s.tr.RTT().Min(); got != tt.min {
			t.Errorf("after sample %v: min = %v, want %v", tt.sample, got, tt.min)
		}
	}
}

// RFC 9002, Section 5.3, with erratum 7539: the deviation is taken from the old smoothed_rtt. T-297
func TestSmoothedRTT(t *testing.T) {
	type sample struct {
		space     protocol.PacketNumberSpace
		rtt       time.Duration
		delay     time.Duration
		confirmed bool
	}
	for _, tt := range []struct {
		name          string
		second        sample
		smoothed, dev time.Duration
	}{
		{"no delay", sample{hs, 180 * ms, 0, false}, 110 * ms, 57500 * time.Microsecond},
		{"the delay is subtracted", sample{hs, 180 * ms, 40 * ms, false}, 105 * ms, 47500 * time.Microsecond},
		{"of Initial packets it is ignored", sample{ini, 180 * ms, 40 * ms, false}, 110 * ms, 57500 * time.Microsecond},
		{"not below min_rtt", sample{hs, 120 * ms, 40 * ms, false}, 102500 * time.Microsecond, 42500 * time.Microsecond},
		{"not above max_ack_delay once confirmed", sample{app, 180 * ms, 80 * ms, true}, (700 + 155) * ms / 8, (150 + 55) * ms / 4},
		{"above max_ack_delay before", sample{app, 180 * ms, 80 * ms, false}, 100 * ms, 37500 * time.Microsecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newScene(t)
			s.rtt(tt.second.space, 100*ms)
			if got := s.tr.RTT(); got.Smoothed() != 100*ms || got.MeanDeviation() != 50*ms {
				t.Fatalf("after the first sample: %v, %v, want 100ms, 50ms", got.Smoothed(), got.MeanDeviation())
			}
			if tt.second.confirmed {
				s.tr.SetHandshakeConfirmed()
			}
			s.send(tt.second.space, 1)
			s.wait(tt.second.rtt)
			s.ackFrame(tt.second.space, &wire.Ack{Ranges: ranges(1, 1), Delay: tt.second.delay})
			if got := s.tr.RTT(); got.Smoothed() != tt.smoothed || got.MeanDeviation() != tt.dev {
				t.Errorf("smoothed, deviation = %v, %v, want %v, %v", got.Smoothed(), got.MeanDeviation(), tt.smoothed, tt.dev)
			}
		})
	}
}

// RFC 9002, Section 6.1: "The packet is unacknowledged, in flight, and was sent prior to an acknowledged
// packet."
func TestLossNeedsLaterAck(t *testing.T) {
	s := confirmedScene(t)
	s.rtt(app, 100*ms)
	s.send(app, 5) // 1 to 5
	s.wait(10 * time.Second)
	s.ack(app, 1, 1)
	s.wantLost()
	s.wantInFlight(4 * testMTU)
	// A packet that is not in flight is no loss.
	s = confirmedScene(t)
	s.sendWith(app, ackOnly)
	s.send(app, 4)
	s.wait(100 * ms)
	s.ack(app, 4, 4)
	s.wantLost(1)
	if s.res.LostPackets != 1 || s.tr.Stats().PacketsLost != 1 {
		t.Errorf("%d packets lost, want 1", s.res.LostPackets)
	}
}

// RFC 9002, Section 6.1.1: "The RECOMMENDED initial value for the packet reordering threshold
// (kPacketThreshold) is 3".
func TestPacketThreshold(t *testing.T) {
	s := confirmedScene(t)
	s.send(app, 6) // 0 to 5
	s.wait(50 * ms)
	s.ack(app, 2, 2)
	s.wantLost()
	s.ack(app, 3, 3)
	s.wantLost(0)
	s.ack(app, 5, 5)
	s.wantLost(1)
	if d := s.res.LostDetails; len(d) != 1 || d[0] != (LostPacket{protocol.Encryption1RTT, 1, testMTU, s.now.Add(-50 * ms), PacketThreshold}) {
		t.Errorf("details = %+v", d)
	}
	s.wantInFlight(testMTU) // 4
	s.wantSignals(congestion.Loss, congestion.Loss)
}

// RFC 8899, Section 4.3: to find a path that swallows large packets, the size of those that arrive has to be known.
func TestLargestAckedSize(t *testing.T) {
	s := confirmedScene(t)
	start := s.now
	s.send(app, 1)
	s.wait(ms)
	s.send(app, 1)
	s.wait(ms)
	s.sendWith(app, func(p *Sent) { p.Size = testMTU / 2 })
	s.sendWith(app, ackOnly)
	s.ack(app, 0, 3)
	if size, at := s.res.LargestAckedSize, s.res.LargestAckedSentAt; size != testMTU || at != start.Add(ms) {
		t.Errorf("largest is of %d bytes, sent at %d, want %d, %d", size, at, testMTU, start.Add(ms))
	}
	s.sendWith(app, ackOnly)
	s.ack(app, 4, 4)
	if size := s.res.LargestAckedSize; size != 0 {
		t.Errorf("largest is of %d bytes, want 0: the packet is not in flight", size)
	}
}

// RFC 9002, Appendix A.10: "Note: The use of kPacketThreshold here assumes that there were no
// sender-induced gaps in the packet number space." We do not assume it.
func TestPacketThresholdIgnoresSkippedNumbers(t *testing.T) {
	s := confirmedScene(t, withSkips)
	s.send(app, 33)
	s.ack(app, 3, 3)
	s.wantLost(0)     // 33, which is skipped, does not concern it
	s.ack(app, 1, 30) // the 33rd packet is the last before a gap
	s.send(app, 3)    // 34 to 36: 33 is skipped
	s.wait(50 * ms)
	s.ack(app, 34, 34)
	s.wantLost()
	s.ack(app, 35, 35) // three above 32, but only two packets after it
	s.wantLost(31)
	s.ack(app, 36, 36)
	s.wantLost(32)
}

// RFC 9002, Section 6.1.2: "max(kTimeThreshold * max(smoothed_rtt, latest_rtt), kGranularity)", "If
// packets sent prior to the largest acknowledged packet cannot yet be declared lost, then a timer
// SHOULD be set for the remaining time."
func TestTimeThreshold(t *testing.T) {
	s := confirmedScene(t)
	s.rtt(app, 100*ms) // now 100 ms
	s.send(app, 1)     // 1
	s.wait(20 * ms)
	s.send(app, 1) // 2
	s.wait(80 * ms)
	s.ack(app, 2, 2)
	s.wantLost()
	// smoothed_rtt = 7/8 * 100 + 1/8 * 80 = 97.5, latest_rtt 80
	due := 100*ms + 97500*time.Microsecond*9/8
	s.wantDeadline(due)
	s.timeout()
	s.wantLost(1)
	if s.res.LostDetails[0].Reason != TimeThreshold || s.res.PTO {
		t.Errorf("result = %+v", s.res)
	}
	s.wantDeadline(none)
	s.wantInFlight(0)
}

// RFC 9002, Section 6.1.2: "To avoid declaring packets as lost too early, this time threshold MUST be set
// to at least the local timer granularity, as indicated by the kGranularity constant."
func TestTimeThresholdGranularity(t *testing.T) {
	s := confirmedScene(t)
	s.rtt(app, 10*time.Microsecond)
	sent := s.now.Sub(start)
	s.send(app, 2)
	s.wait(20 * time.Microsecond)
	s.ack(app, 2, 2)
	s.wantDeadline(sent + ms)
}

// RFC 9002, Section 6.1.2: a late ACK frame finds packets that are overdue already; an early timeout
// does nothing.
func TestTimeThresholdOnAckAndEarlyTimeout(t *testing.T) {
	s := confirmedScene(t)
	s.rtt(app, 100*ms)
	s.send(app, 1)
	s.wait(50 * ms)
	s.send(app, 1)
	s.wait(100 * ms) // the second is acknowledged 150 ms after the first was sent
	s.ack(app, 2, 2)
	s.wantLost(1)

	s.send(app, 2) // 3, 4
	s.wait(90 * ms)
	s.ack(app, 4, 4)
	s.tr.OnTimeout(s.now, &s.res)
	s.wantLost()
	s.timeout()
	s.wantLost(3)
}

// RFC 9002, Section 6.2: "A PTO timer expiration event does not indicate packet loss and MUST NOT cause
// prior unacknowledged packets to be marked as lost." T-298
func TestPTOIsNoLoss(t *testing.T) {
	s := confirmedScene(t)
	s.rtt(app, 100*ms)
	s.send(app, 5)
	s.timeout()
	s.wantLost()
	s.wantInFlight(5 * testMTU)
	s.wantProbe(1, 2)
	s.wantSignals()
	if !s.res.PTO || s.tr.PTOCount() != 1 {
		t.Errorf("PTO = %t, count = %d, want true, 1", s.res.PTO, s.tr.PTOCount())
	}
}

// RFC 9002, Section 6.2.1: "PTO = smoothed_rtt + max(4*rttvar, kGranularity) + max_ack_delay", "When the
// PTO is armed for Initial or Handshake packet number spaces, the max_ack_delay in the PTO period
// computation is set to 0".
func TestPTOPeriod(t *testing.T) {
	s := newScene(t)
	s.rtt(ini, 100*ms)
	sent := s.now.Sub(start)
	s.send(ini, 1)
	s.wantDeadline(sent + ptoLong)
	s.ack(ini, 1, 1) // no sample: nothing else changed
	s.wantDeadline(none)

	s = confirmedScene(t)
	s.tr.SetPeerMaxAckDelay(70 * ms)
	s.rtt(app, 100*ms)
	s.send(app, 1)
	s.wantDeadline(100*ms + ptoLong + 70*ms)
}

// RFC 9002, Section 6.2.1: "The PTO period MUST be at least kGranularity to avoid the timer expiring
// immediately."
func TestPTOGranularity(t *testing.T) {
	r := newRTT(0)
	for range 100 {
		r.update(1, 0)
	}
	if got := r.PTO(false); got < ms {
		t.Errorf("PTO = %v, want 1ms at least", got)
	}
}

// RFC 9002, Section 6.2.1: "When ack-eliciting packets in multiple packet number spaces are in flight, the
// timer MUST be set to the earlier value of the Initial and Handshake packet number spaces."
func TestPTOEarliestSpace(t *testing.T) {
	s := newScene(t)
	s.rtt(ini, 100*ms)
	s.send(hs, 1)
	s.wait(10 * ms)
	s.send(ini, 1)
	s.wantDeadline(100*ms + ptoLong)
	s.timeout()
	s.wantProbes(hs, 1)
}

// RFC 9002, Section 6.2.1: "An endpoint MUST NOT set its PTO timer for the Application Data packet number
// space until the handshake is confirmed." T-299
func TestNoPTOForAppDataBeforeConfirmation(t *testing.T) {
	s := newScene(t)
	s.send(app, 1)
	s.wantDeadline(none)
	s.tr.SetHandshakeComplete()
	s.wantDeadline(none)
	s.tr.SetHandshakeConfirmed()
	s.wantDeadline(333*ms + 4*333*ms/2 + 25*ms)
	// Loss by time is not held back.
	s = newScene(t)
	s.send(app, 2)
	s.wait(100 * ms)
	s.ack(app, 1, 1)
	s.wantDeadline(lossDelay)
}

// RFC 9002, Section 6.2.1: "A sender SHOULD restart its PTO timer every time an ack-eliciting packet is
// sent or acknowledged, or when Initial or Handshake keys are discarded".
func TestPTORestart(t *testing.T) {
	s := confirmedScene(t)
	s.rtt(app, 100*ms)
	s.send(app, 1)
	s.wait(50 * ms)
	s.send(app, 1)
	s.wantDeadline(150*ms + ptoApp)
	s.wait(10 * ms)
	s.sendWith(app, ackOnly)
	s.wantDeadline(150*ms + ptoApp)
	s.wait(50 * ms)
	s.ack(app, 1, 1)
	s.wantDeadline(150*ms + s.tr.RTT().PTO(true))
}

// RFC 9002, Section 6.2.1: "When a PTO timer expires, the PTO backoff MUST be increased, resulting in the
// PTO period being set to twice its current value. The PTO backoff factor is reset when an
// acknowledgment is received".
func TestPTOBackoff(t *testing.T) {
	s := confirmedScene(t)
	s.rtt(app, 100*ms)
	s.send(app, 1)
	sent := s.now.Sub(start)
	for i := range 4 {
		s.wantDeadline(sent + ptoApp<<i)
		s.timeout()
		s.send(app, 1) // the probe
		sent = s.now.Sub(start)
	}
	s.wait(10 * ms)
	s.ack(app, 5, 5)
	s.send(app, 1)
	if got := s.tr.Deadline().Sub(s.now); got > s.tr.RTT().PTO(true) || s.tr.PTOCount() != 0 {
		t.Errorf("PTO after an acknowledgement = %v, count %d, want no back-off", got, s.tr.PTOCount())
	}
}

// RFC 9002, Section 6.2.1: back-off does not overflow, however often it doubles.
func TestPTOBackoffIsBounded(t *testing.T) {
	s := confirmedScene(t)
	s.rtt(app, time.Minute)
	s.send(app, 1)
	for range 100 {
		s.tr.pto.count++
		if d := s.tr.Deadline(); d < s.now {
			t.Fatalf("deadline %v after %d PTOs", d, s.tr.pto.count)
		}
	}
}

// RFC 9002, Section 6.2.1: "a client does not reset the PTO backoff factor on receiving acknowledgments in
// Initial packets." T-300
func TestClientKeepsBackoffOnInitialAck(t *testing.T) {
	s := newScene(t, asClient)
	s.send(ini, 1)
	s.timeout()
	s.send(ini, 1)
	s.wait(10 * ms)
	s.ack(ini, 1, 1)
	if got := s.tr.PTOCount(); got != 1 {
		t.Errorf("PTO count after an ACK of an Initial = %d, want 1", got)
	}
	s.send(hs, 1)
	s.wait(10 * ms)
	s.ack(hs, 0, 0)
	if got := s.tr.PTOCount(); got != 0 {
		t.Errorf("PTO count after an ACK of a Handshake packet = %d, want 0", got)
	}
}

// RFC 9002, Section 6.2.1: "a timeout in the Initial packet number space doubles the length of the timeout
// in the Handshake packet number space."
func TestBackoffSpansSpaces(t *testing.T) {
	s := newScene(t)
	s.rtt(ini, 100*ms)
	s.send(ini, 1)
	s.wait(10 * ms)
	s.send(hs, 1)
	s.timeout()
	s.wantProbes(ini, 1)
	s.send(ini, 1)
	s.wantDeadline(110*ms + 2*ptoLong)
}

// RFC 9002, Section 6.2.1: "The PTO timer MUST NOT be set if a timer is set for time threshold loss
// detection".
func TestLossTimerGoesFirst(t *testing.T) {
	s := newScene(t)
	s.rtt(ini, 100*ms)
	s.send(hs, 1)
	s.wait(200 * ms)
	s.send(ini, 2) // 1, 2 at 300 ms; the PTO of Handshake is due at 400 ms
	s.wait(99 * ms)
	s.ack(ini, 2, 2)
	s.wantDeadline(300*ms + s.tr.RTT().lossDelay())
	s.timeout()
	s.wantLost(1)
	s.timeout()
	s.wantProbes(hs, 1)
}

// RFC 9002, Section 6.2.2: "When no previous RTT is available, the initial RTT SHOULD be set to 333
// milliseconds. This results in handshakes starting with a PTO of 1 second".
func TestInitialPTO(t *testing.T) {
	s := newScene(t, asClient)
	s.wantDeadline(none)
	s.send(ini, 1)
	s.wantDeadline(999 * ms)
}

// RFC 9002, Section 6.2.2: "When Initial or Handshake keys are discarded, the PTO and loss detection
// timers MUST be reset". T-301
func TestDiscardingKeysResetsTimers(t *testing.T) {
	s := newScene(t)
	s.send(ini, 1)
	s.send(hs, 3)
	s.timeout()
	s.send(ini, 1)
	s.wait(100 * ms)
	s.ack(hs, 2, 2)
	s.wantInFlight(4 * testMTU)
	s.tr.DropSpace(s.now, hs)
	s.wantInFlight(2 * testMTU)
	if s.tr.PTOCount() != 0 {
		t.Errorf("PTO count = %d, want 0", s.tr.PTOCount())
	}
	if s.tr.earliestLoss() != nil {
		t.Error("the loss timer of the discarded space is armed")
	}
	s.tr.DropSpace(s.now, ini)
	s.tr.DropSpace(s.now, ini)
	s.wantInFlight(0)
	s.wantDeadline(none)
	s.check()
}

// RFC 9002, Section 6.2.2.1: "If no additional data can be sent, the server's PTO timer MUST NOT be armed
// until datagrams have been received from the client", "If the PTO timer is then set to a time in
// the past, it is executed immediately."
func TestPTOAtAmplificationLimit(t *testing.T) {
	s := newScene(t, unvalidated)
	s.tr.OnDatagramReceived(s.now, 1200)
	s.send(ini, 2)
	s.wantDeadline(999 * ms)
	s.send(hs, 1)
	s.wantDeadline(none)
	s.wantMode(ModeNone)
	s.wait(5 * time.Second)
	s.tr.OnTimeout(s.now, &s.res)
	if s.res.PTO {
		t.Error("PTO at the amplification limit")
	}
	s.tr.OnDatagramReceived(s.now, 1200)
	s.wantDeadline(999 * ms)
	s.timeout()
	s.wantProbes(ini, 2)
	s.wantProbe(0, 1, 0) // the Initials, and the Handshake packet to go with them
	s.wantMode(ModeProbe)
	s.tr.SetAddressValidated()
	if got := s.tr.AmplificationBudget(); got != protocol.MaxByteCount {
		t.Errorf("budget = %d, want no limit", got)
	}
}

// RFC 9002, Section 6.2.2.1: "the client MUST set the PTO timer if the client has not received an
// acknowledgment for any of its Handshake packets and the handshake is not confirmed [...], even if
// there are no packets in flight." T-300
func TestClientAntiDeadlock(t *testing.T) {
	s := newScene(t, asClient)
	s.send(ini, 1)
	s.wait(100 * ms)
	s.ack(ini, 0, 0)
	s.wantDeadline(100*ms + ptoLong)
	s.timeout()
	s.wantProbes(ini, 1)
	s.wantMode(ModeProbe)
	s.wantProbe()
	// "When the PTO fires, the client MUST send a Handshake packet if it has Handshake keys,
	// otherwise it MUST send an Initial packet".
	s.send(ini, 1)
	s.wantProbes(ini, 0)
	s.wait(10 * ms)
	s.ack(ini, 1, 1)
	s.tr.SetHandshakeKeys()
	s.timeout()
	s.wantProbes(hs, 1)
	// 0-RTT packets in flight do not change that.
	s.sendWith(app, earlyData)
	s.timeout()
	s.wantProbes(hs, 1)
	s.send(hs, 1)
	s.wait(10 * ms)
	s.ack(hs, 0, 0)
	s.wantDeadline(none)
}

// RFC 9002, Section 6.2.2.1: the client's PTO ends with the confirmation, and without Initial keys its
// probes are Handshake packets.
func TestClientAntiDeadlockEnds(t *testing.T) {
	s := newScene(t, asClient)
	s.send(ini, 1)
	s.wait(100 * ms)
	s.tr.DropSpace(s.now, ini)
	s.wantDeadline(100*ms + 999*ms)
	s.timeout()
	s.wantProbes(hs, 1)
	s.tr.SetHandshakeConfirmed()
	s.wantDeadline(none)
}

// All of the handshake that was in flight is lost or acknowledged, and 1-RTT packets, for which there is no PTO before
// the confirmation, leave no room in the window to repeat what was lost. Both sides probe then.
func TestPTOOfStuckHandshake(t *testing.T) {
	for name, options := range map[string][]func(*Params){"server": nil, "client": {asClient}} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, options...)
			s.tr.SetHandshakeKeys()
			s.tr.DropSpace(s.now, ini)
			s.tr.SetHandshakeComplete()
			s.ctrl.window = 10 * testMTU
			s.send(hs, 4)
			s.send(app, 10)
			s.wait(100 * ms)
			s.ack(hs, 3, 3)
			s.wait(lossDelay)
			s.timeout()
			s.wantLost(1, 2)
			s.wantMode(ModeAck)
			s.wantDeadline(100*ms + ptoLong)
			s.timeout()
			s.wantProbes(hs, 1)
			s.wantMode(ModeProbe)
			s.send(hs, 1)
			s.wantProbes(hs, 0)
			// There is none without need.
			s.ack(hs, 4, 4)
			s.ctrl.window = 12 * testMTU
			s.wantDeadline(none)
		})
	}
}

// RFC 9002, Section 6.2.4: "When a PTO timer expires, a sender MUST send at least one ack-eliciting packet
// in the packet number space as a probe. An endpoint MAY send up to two full-sized datagrams".
// "All probe packets sent on a PTO MUST be ack-eliciting." T-298
func TestProbes(t *testing.T) {
	s := confirmedScene(t)
	s.rtt(app, 100*ms)
	s.send(app, 3)
	s.timeout()
	s.wantProbes(app, 2)
	s.sendWith(app, ackOnly)
	s.wantProbes(app, 2)
	s.send(app, 1)
	s.wantProbes(app, 1)
	s.send(app, 1)
	s.wantProbes(app, 0)
	s.wantMode(ModeAny)
	s.timeout()
	s.wantProbe(1, 2)
	s.ack(app, 1, 1)
	s.wantProbes(app, 0) // no longer needed
}

// A probe of the path MTU has nothing to repeat: the data behind it must not wait for its acknowledgement.
func TestProbesPassOverMTUProbes(t *testing.T) {
	s := confirmedScene(t)
	s.rtt(app, 100*ms)
	s.send(app, 1)
	s.sendWith(app, mtuProbe)
	s.send(app, 2)
	s.timeout()
	s.wantProbe(1, 3)
}

// RFC 9002, Section 6.2.4: "the sender SHOULD send ack-eliciting packets from other packet number spaces
// with in-flight data, coalescing packets if possible."
func TestProbesOfOtherSpaces(t *testing.T) {
	s := newScene(t, asClient)
	s.send(ini, 3)
	s.sendWith(app, earlyData)
	s.timeout()
	s.wantProbe(0, 1) // 0-RTT cannot be told from what the server has no keys for

	s = newScene(t, asClient)
	s.send(hs, 1)
	s.send(app, 2)
	s.tr.SetHandshakeComplete()
	s.timeout()
	s.wantProbes(hs, 1)
	s.wantProbe(0, 0)
}

// RFC 9002, Section 6.3: "Clients that receive a Retry packet reset congestion control and loss recovery
// state, including resetting any pending timers."
// RFC 9000, Section 17.2.5.3: "A client MUST NOT reset the packet number for any packet number space
// after processing a Retry packet."
func TestRetry(t *testing.T) {
	s := newScene(t, asClient)
	s.send(ini, 2)
	s.sendWith(app, earlyData)
	s.timeout()
	s.tr.ResetInitial(s.now, &s.res)
	s.wantLost(0, 1, 0)
	s.wantInFlight(0)
	s.wantSignals()
	s.wantProbes(ini, 0)
	if s.tr.PTOCount() != 0 || s.res.LostPackets != 0 || s.tr.Stats().PacketsLost != 0 {
		t.Errorf("count %d, lost %d", s.tr.PTOCount(), s.res.LostPackets)
	}
	if got := s.tr.Deadline().Sub(s.now); got != 999*ms {
		t.Errorf("PTO after a Retry = %v, want 999ms", got)
	}
	for space, want := range map[protocol.PacketNumberSpace]protocol.PacketNumber{ini: 2, app: 1} {
		if pn, _ := s.tr.NextNumber(space); pn != want {
			t.Errorf("%v: next number = %d, want %d", space, pn, want)
		}
	}
	s.send(ini, 1)
	s.wait(30 * ms)
	s.ack(ini, 2, 2)
	s.wantAcked(2)
	s.check()
}

// RFC 9002, Section 6.4: "The sender MUST discard all recovery state associated with those packets and
// MUST remove them from the count of bytes in flight." T-301
func TestDiscardedSpace(t *testing.T) {
	s := newScene(t)
	s.send(ini, 3)
	s.tr.OnReceived(s.now, ini, 0, protocol.ECNNon, true)
	s.tr.DropSpace(s.now, ini)
	s.wantInFlight(0)
	s.ack(ini, 0, 2) // from a coalesced packet that was handled too late
	s.wantAcked()
	s.tr.OnReceived(s.now, ini, 1, protocol.ECNNon, true)
	if s.tr.AckDue(s.now, ini) || s.tr.AckWanted(ini) {
		t.Error("an ACK is due in a discarded space")
	}
	if _, largest := s.tr.AppendAck(s.now, ini, nil, 100); largest != -1 {
		t.Error("ACK frame for a discarded space")
	}
	if s.tr.spaces[ini].packets.buf != nil || s.tr.spaces[ini].records.buf != nil {
		t.Error("memory of the discarded space is kept")
	}
}

// RFC 9002, Section 6.4: "When 0-RTT is rejected, recovery state for all in-flight 0-RTT packets is
// discarded." RFC 9001, Section 4.6.2: "a client SHOULD treat receipt of an acknowledgment for a 0-RTT
// packet as a connection error of type PROTOCOL_VIOLATION". T-129
func TestRejectedEarlyData(t *testing.T) {
	s := newScene(t, asClient)
	s.send(ini, 1)
	for range 3 {
		s.sendWith(app, earlyData)
	}
	s.tr.RejectEarlyData(s.now, &s.res)
	s.wantLost(0, 1, 2)
	s.wantInFlight(testMTU)
	s.wantSignals()
	s.send(app, 2) // 3, 4
	s.wait(10 * ms)
	s.ack(app, 3, 4)
	s.wantAcked(3, 4)
	s.wantViolation(app, 2, 4)
	s.check()
}

// Skipped numbers among the 0-RTT packets are neither returned nor counted.
func TestRejectedEarlyDataWithSkippedNumber(t *testing.T) {
	s := newScene(t, asClient, withSkips)
	for range 40 {
		s.sendWith(app, earlyData)
	}
	s.tr.RejectEarlyData(s.now, &s.res)
	if got := len(s.res.Lost); got != 40 {
		t.Errorf("%d records, want 40", got)
	}
	s.wantInFlight(0)
	s.check()
}
