package recovery

import (
	"testing"
	"time"

	"github.com/quic-go/quic-go/internal/congestion"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/wire"
)

// receive receives ack-eliciting packets.
func (s *scene) receive(space protocol.PacketNumberSpace, numbers ...protocol.PacketNumber) {
	for _, pn := range numbers {
		s.tr.OnReceived(s.now, space, pn, protocol.ECNNon, true)
	}
}

func (s *scene) receivePlain(space protocol.PacketNumberSpace, numbers ...protocol.PacketNumber) {
	for _, pn := range numbers {
		s.tr.OnReceived(s.now, space, pn, protocol.ECNNon, false)
	}
}

// acknowledge sends an ACK frame in a packet of its own and returns what it says.
func (s *scene) acknowledge(space protocol.PacketNumberSpace) wire.Ack {
	s.Helper()
	b, largest := s.tr.AppendAck(s.now, space, nil, 1200)
	if largest < 0 {
		s.Fatal("no ACK frame")
	}
	s.sendWith(space, func(p *Sent) {
		ackOnly(p)
		p.AckedUpTo = largest
	})
	var d wire.Decoded
	parser := wire.Parser{AckDelayExponent: protocol.AckDelayExponent}
	if n, err := parser.Next(b, levelOf(space), &d); err != nil || n != len(b) {
		s.Fatalf("ACK frame %x: %d bytes, %v", b, n, err)
	}
	return d.Ack
}

func (s *scene) wantAckDue(space protocol.PacketNumberSpace, want bool) {
	s.Helper()
	if got := s.tr.AckDue(s.now, space); got != want {
		s.Errorf("AckDue = %t, want %t", got, want)
	}
}

func (s *scene) wantAckDeadline(want time.Duration) {
	s.Helper()
	got := none
	if d := s.tr.AckDeadline(); !d.IsZero() {
		got = d.Sub(start)
	}
	if got != want {
		s.Errorf("AckDeadline = %v, want %v", got, want)
	}
}

func (s *scene) wantRanges(ack wire.Ack, numbers ...protocol.PacketNumber) {
	s.Helper()
	want := ranges(numbers...)
	if len(ack.Ranges) != len(want) {
		s.Fatalf("ranges = %v, want %v", ack.Ranges, want)
	}
	for i := range want {
		if ack.Ranges[i] != want[i] {
			s.Fatalf("ranges = %v, want %v", ack.Ranges, want)
		}
	}
}

// RFC 9000, Section 8.1: "Prior to validating the client address, servers MUST NOT send more than three times
// as many bytes as the number of bytes they have received."
func TestAmplificationLimit(t *testing.T) {
	s := newScene(t, unvalidated)
	s.wantMode(ModeNone)
	s.tr.OnDatagramReceived(s.now, 1200)
	if got := s.tr.AmplificationBudget(); got != 3600 {
		t.Errorf("budget = %d, want 3600", got)
	}
	s.wantMode(ModeAny)
	s.send(ini, 2)
	s.sendWith(hs, func(p *Sent) { p.Size = 1150 })
	if got := s.tr.AmplificationBudget(); got != 50 {
		t.Errorf("budget = %d, want 50", got)
	}
	s.wantMode(ModeNone) // too little for a packet
	s.sendWith(hs, func(p *Sent) { p.Size = 60 })
	if got := s.tr.AmplificationBudget(); got != 0 {
		t.Errorf("budget = %d, want 0", got)
	}
	s.tr.SetAddressValidated()
	s.wantMode(ModeAny)
	// RFC 9000, Section 9.3.1: "Until a peer's address is deemed valid, an endpoint limits the amount of data
	// it sends to that address".
	s.tr.SetAddressUnvalidated(500, 300)
	if got := s.tr.AmplificationBudget(); got != 1200 {
		t.Errorf("budget on a new address = %d, want 1200", got)
	}
}

// RFC 9000, Section 8.1: a client is free to send.
func TestClientHasNoAmplificationLimit(t *testing.T) {
	s := newScene(t, asClient, unvalidated)
	s.wantMode(ModeAny)
}

// RFC 9000, Section 13.1: "An endpoint SHOULD treat receipt of an acknowledgment for a packet it did not send as
// a connection error of type PROTOCOL_VIOLATION". T-125, T-128
func TestAckOfUnsentPacket(t *testing.T) {
	s := newScene(t)
	s.wantViolation(ini, 0, 0)
	s.send(ini, 2)
	s.send(app, 5)
	s.wantViolation(ini, 0, 2)
	s.wantViolation(hs, 0, 0) // a number of another space
	s.wantViolation(ini, 0, protocol.MaxPacketNumber)
	s.ack(ini, 0, 1)
}

// RFC 9000, Section 21.4: "An endpoint acknowledging packets it did not receive might cause a congestion
// controller to permit sending at rates beyond what the network supports. An endpoint MAY skip packet
// numbers when sending packets to detect this behavior." T-126
func TestAckOfSkippedPacket(t *testing.T) {
	s := confirmedScene(t, withSkips)
	s.send(app, 33)
	if pn, _ := s.tr.NextNumber(app); pn != 34 {
		t.Fatalf("next number = %d, want 34", pn)
	}
	if got := s.tr.LargestSent(app); got != 32 {
		t.Errorf("largest sent = %d, want 32", got)
	}
	s.wantViolation(app, 0, 33) // the last number is the skipped one
	s.send(app, 40)             // 67 is skipped
	s.wantViolation(app, 10, 40)
	s.wantViolation(app, 33, 33)
	s.wantViolation(app, 0, 32, 34, 70)
	s.ack(app, 0, 32, 34, 66, 68, 70)
	s.wantViolation(app, 0, 70) // still known after the packets around it are settled
	s.check()
}

// RFC 9000, Section 21.4: a peer cannot guess the acknowledgement of a window; reliability.md, A-12.
func TestSkipPeriod(t *testing.T) {
	for _, window := range []protocol.ByteCount{10, 1000} {
		s := confirmedScene(t, func(p *Params) {
			n := 0
			p.Skip = func() int { n = (n*1103515245 + 12345) & (1<<31 - 1); return -n } // negative: be robust
			p.NewController = func(protocol.ByteCount) congestion.Controller {
				return &testController{window: window * testMTU}
			}
		})
		longest, last := protocol.PacketNumber(0), protocol.PacketNumber(-1)
		for range 10000 {
			before, _ := s.tr.NextNumber(app)
			s.send(app, 1)
			if after, _ := s.tr.NextNumber(app); after == before+2 {
				longest, last = max(longest, before-last), before+1
			}
			s.ack(app, before, before)
		}
		limit := max(protocol.PacketNumber(window/2), 64)
		if longest == 0 || longest > limit {
			t.Errorf("window %d: up to %d packets between skipped numbers, want at most %d", window, longest, limit)
		}
	}
}

// RFC 9000, Section 13.1: ranges of packets that are settled or were never tracked are ignored. T-127
func TestAckOfSettledPackets(t *testing.T) {
	s := confirmedScene(t)
	s.send(app, 10)
	s.wait(10 * ms)
	s.ack(app, 0, 9)
	s.wantAcked(0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
	s.wait(10 * ms)
	s.ack(app, 0, 9)
	s.wantAcked()
	if s.res.NewlyAckedLargest != -1 || s.res.RTTUpdated || len(s.ctrl.acked) != 1 {
		t.Errorf("result = %+v", s.res)
	}
}

// RFC 9000, Section 13.2.1: "An endpoint MUST acknowledge all ack-eliciting Initial and Handshake packets
// immediately". T-292
func TestAckInitialAndHandshakeAtOnce(t *testing.T) {
	for _, space := range []protocol.PacketNumberSpace{ini, hs} {
		s := newScene(t)
		s.wantAckDue(space, false)
		s.receive(space, 0)
		s.wantAckDue(space, true)
		s.wantRanges(s.acknowledge(space), 0, 0)
		s.wantAckDue(space, false)
	}
}

// RFC 9000, Section 13.2.1: "all ack-eliciting 0-RTT and 1-RTT packets within its advertised max_ack_delay".
// T-293
func TestAckDelay(t *testing.T) {
	s := confirmedScene(t)
	s.wantAckDeadline(none)
	s.receive(app, 0)
	s.wantAckDue(app, false)
	if !s.tr.AckWanted(app) {
		t.Error("nothing to add to a packet that is sent anyway")
	}
	s.wantAckDeadline(25 * ms)
	s.wait(10 * ms)
	s.receivePlain(app, 1)
	s.wantAckDeadline(25 * ms)
	s.at(25*ms - 1)
	s.wantAckDue(app, false)
	s.at(25 * ms)
	s.wantAckDue(app, true)
	s.acknowledge(app)
	s.wantAckDeadline(none)
	if s.tr.AckWanted(app) {
		t.Error("an ACK is still wanted")
	}
}

// RFC 9000, Section 13.2.2: "A receiver SHOULD send an ACK frame after receiving at least two ack-eliciting
// packets."
func TestAckEverySecondPacket(t *testing.T) {
	s := confirmedScene(t)
	for pn := protocol.PacketNumber(0); pn < 10; pn += 2 {
		s.receive(app, pn)
		s.wantAckDue(app, false)
		s.receive(app, pn+1)
		s.wantAckDue(app, true)
		s.wantAckDeadline(none)
		s.wantRanges(s.acknowledge(app), 0, pn+1)
	}
}

// RFC 9000, Section 13.2.1: "an endpoint MUST NOT send a non-ack-eliciting packet in response to a
// non-ack-eliciting packet, even if there are packet gaps that precede the received packet." T-294
func TestNoAckOfPlainPackets(t *testing.T) {
	s := newScene(t)
	for i := range protocol.PacketNumber(100) {
		s.receivePlain(ini, 2*i)
		s.receivePlain(app, 2*i)
	}
	s.wait(time.Minute)
	s.wantAckDue(ini, false)
	s.wantAckDue(app, false)
	s.wantAckDeadline(none)
	if !s.tr.AckWanted(app) {
		t.Error("many packets are not worth an ACK in a packet that is sent anyway")
	}
	s.acknowledge(app)
	s.receivePlain(app, 300)
	if s.tr.AckWanted(app) {
		t.Error("one packet is worth an ACK")
	}
}

// RFC 9000, Section 13.2.1: "an endpoint SHOULD generate and send an ACK frame without delay when it receives an
// ack-eliciting packet either: [...]", "packets marked with the ECN Congestion Experienced (CE) codepoint in
// the IP header SHOULD be acknowledged immediately".
func TestAckWithoutDelay(t *testing.T) {
	for _, tt := range []struct {
		name string
		play func(s *scene)
		want bool
	}{
		{"in order", func(s *scene) { s.receive(app, 4) }, false},
		{"a gap below", func(s *scene) { s.receive(app, 5) }, true},
		{"a gap filled by a packet that is not ack-eliciting", func(s *scene) { s.receivePlain(app, 4); s.receive(app, 5) }, false},
		{"a gap below a packet that is not ack-eliciting", func(s *scene) { s.receivePlain(app, 5) }, false},
		{"after a gap that was reported", func(s *scene) { s.receive(app, 6); s.acknowledge(app); s.receive(app, 7) }, false},
		{"less than another", func(s *scene) { s.receive(app, 6); s.acknowledge(app); s.receive(app, 5) }, true},
		{"CE", func(s *scene) { s.tr.OnReceived(s.now, app, 4, protocol.ECNCE, true) }, true},
		{"ECT(0)", func(s *scene) { s.tr.OnReceived(s.now, app, 4, protocol.ECT0, true) }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := confirmedScene(t)
			s.receive(app, 0, 1, 2, 3)
			s.acknowledge(app)
			tt.play(s)
			s.wantAckDue(app, tt.want)
		})
	}
}

// RFC 9000, Section 13.2.1: the first packet of all has a gap below it, unless its number is 0.
func TestAckOfFirstPacket(t *testing.T) {
	s := confirmedScene(t)
	s.receive(app, 1)
	s.wantAckDue(app, true)
}

// RFC 9000, Section 13.2.3: "A receiver limits the number of ACK Ranges (Section 19.3.1) it remembers", "they
// MUST retain the largest packet number", "A receiver MUST retain an ACK Range unless it can ensure that it will
// not subsequently accept packets with numbers in that range." T-307
func TestAckRangesAreBounded(t *testing.T) {
	s := confirmedScene(t)
	const n = 1_000_000
	for pn := protocol.PacketNumber(0); pn < n; pn++ {
		s.receive(app, 2*pn)
	}
	r := &s.tr.spaces[app].received
	if got := r.ranges.Len(); got != protocol.MaxAckRanges {
		t.Errorf("%d ranges, want %d", got, protocol.MaxAckRanges)
	}
	if got := s.tr.LargestReceived(app); got != 2*n-2 {
		t.Errorf("largest = %d, want %d", got, 2*n-2)
	}
	if !s.tr.IsDuplicate(app, 0) || !s.tr.IsDuplicate(app, 1) || !s.tr.IsDuplicate(app, n) {
		t.Error("a number below the remembered ones is accepted")
	}
	if s.tr.IsDuplicate(app, 2*n-3) || s.tr.IsDuplicate(app, 2*n) || !s.tr.IsDuplicate(app, 2*n-2) {
		t.Error("duplicates of recent numbers are mistaken")
	}
	if ack := s.acknowledge(app); ack.Ranges[0].Largest != 2*n-2 || len(ack.Ranges) != protocol.MaxAckRanges {
		t.Errorf("%d ranges from %d on", len(ack.Ranges), ack.Ranges[0].Largest)
	}
}

// RFC 9000, Section 12.3: "A receiver MUST discard a newly unprotected packet unless it is certain that it has
// not processed another packet with the same packet number from the same packet number space."
func TestDuplicates(t *testing.T) {
	s := newScene(t)
	s.receive(ini, 0, 2)
	for pn, want := range []bool{true, false, true, false} {
		if got := s.tr.IsDuplicate(ini, protocol.PacketNumber(pn)); got != want {
			t.Errorf("IsDuplicate(%d) = %t, want %t", pn, got, want)
		}
	}
	if s.tr.IsDuplicate(hs, 0) {
		t.Error("a packet of another space is a duplicate")
	}
	if got := s.tr.Stats().PacketsReceived; got != 2 {
		t.Errorf("%d packets received, want 2", got)
	}
}

// RFC 9000, Section 13.2.4: "When a packet containing an ACK frame is acknowledged, the receiver can stop
// acknowledging packets less than or equal to the Largest Acknowledged field in the sent ACK frame."
func TestForgetReportedRanges(t *testing.T) {
	s := confirmedScene(t)
	s.receive(app, 0, 1, 3, 5, 6)
	s.wantRanges(s.acknowledge(app), 0, 1, 3, 3, 5, 6) // in packet 0
	s.receive(app, 8)
	s.wantRanges(s.acknowledge(app), 0, 1, 3, 3, 5, 6, 8, 8)
	s.ack(app, 0, 0)
	s.receive(app, 10)
	s.wantRanges(s.acknowledge(app), 8, 8, 10, 10)
	for pn, want := range map[protocol.PacketNumber]bool{2: true, 6: true, 7: false, 8: true, 9: false} {
		if got := s.tr.IsDuplicate(app, pn); got != want {
			t.Errorf("IsDuplicate(%d) = %t, want %t", pn, got, want)
		}
	}
	// Section 13.2.3: "A receiver SHOULD include an ACK Range containing the largest received packet number in
	// every ACK frame."
	s.ack(app, 0, 2)
	s.receive(app, 9)
	s.wantRanges(s.acknowledge(app), 9, 10)
}

// RFC 9000, Section 13.2.4: "a receiver could send a PING or other small ack-eliciting frame occasionally, such
// as once per round trip, to elicit an ACK from the peer." T-295
func TestPingDue(t *testing.T) {
	s := confirmedScene(t)
	s.rtt(app, 50*ms)
	pings := 0
	for i := range 1000 {
		s.wait(ms)
		s.sendWith(app, func(p *Sent) {
			if !s.tr.PingDue(s.now) {
				ackOnly(p)
				return
			}
			pings++
		})
		if i%100 == 99 {
			pn := s.tr.LargestSent(app)
			s.ack(app, pn-50, pn)
		}
	}
	if pings == 0 || pings > 1000/50 {
		t.Errorf("%d PINGs in 20 round trips, want one per round trip at most", pings)
	}

	s = confirmedScene(t)
	s.rtt(app, 100*ms)
	for range maxPlainSent {
		s.sendWith(app, ackOnly)
	}
	if !s.tr.PingDue(s.now) {
		t.Error("no PING after many packets that only acknowledge")
	}
	s.send(app, 1)
	for range maxPlainSent {
		s.sendWith(app, ackOnly)
	}
	pn := s.tr.LargestSent(app)
	s.ack(app, pn, pn)
	s.ack(app, 0, pn) // no RTT sample: it is for an ACK
	if s.wait(100*ms - 1); s.tr.PingDue(s.now) {
		t.Error("another PING in the same round trip")
	}
	if s.wait(1); !s.tr.PingDue(s.now) {
		t.Error("no PING after a round trip")
	}
}

// RFC 9000, Section 13.2.5: "An endpoint measures the delays intentionally introduced between the time the
// packet with the largest packet number is received and the time an acknowledgment is sent."
func TestAckDelayField(t *testing.T) {
	s := confirmedScene(t)
	s.receive(app, 0, 1)
	s.wait(16 * ms)
	s.receive(app, 3)
	s.wait(8 * ms)
	s.receive(app, 2)
	if got := s.acknowledge(app).Delay; got != 8*ms {
		t.Errorf("delay = %v, want 8ms", got)
	}
}

// RFC 9000, Section 13.2.6: "ACK frames MUST only be carried in a packet that has the same packet number space as
// the packet being acknowledged".
func TestAckPerSpace(t *testing.T) {
	s := newScene(t)
	s.receive(ini, 3)
	s.receive(app, 7)
	s.wantRanges(s.acknowledge(ini), 3, 3)
	s.wantRanges(s.acknowledge(app), 7, 7)
	if b, largest := s.tr.AppendAck(s.now, hs, []byte{1}, 100); len(b) != 1 || largest != -1 {
		t.Errorf("AppendAck = %x, %d, want nothing new", b, largest)
	}
}

// AppendAck leaves the ACK due if there is no room.
func TestAckWithoutRoom(t *testing.T) {
	s := newScene(t)
	s.receive(ini, 3)
	if b, largest := s.tr.AppendAck(s.now, ini, nil, 3); len(b) != 0 || largest != -1 {
		t.Errorf("AppendAck = %x, %d, want nothing", b, largest)
	}
	s.wantAckDue(ini, true)
}

// RFC 9000, Section 14.4: "Loss of a QUIC packet that is carried in a PMTU probe is therefore not a reliable
// indication of congestion and SHOULD NOT trigger a congestion control reaction".
func TestMTUProbe(t *testing.T) {
	s := confirmedScene(t)
	s.sendWith(app, mtuProbe)
	s.send(app, 3)
	s.wantInFlight(1400 + 3*testMTU)
	s.wait(10 * ms)
	s.ack(app, 1, 3)
	if s.res.MTUProbeLost != 1400 || s.res.LostPackets != 0 {
		t.Errorf("probe lost = %d, packets lost = %d, want 1400, 0", s.res.MTUProbeLost, s.res.LostPackets)
	}
	s.wantLost(0)
	s.wantSignals()
	s.wantInFlight(0)
	s.sendWith(app, mtuProbe)
	s.ack(app, 4, 4)
	if s.res.MTUProbeAcked != 1400 || s.res.MTUProbeLost != 0 {
		t.Errorf("probe acked = %d, lost = %d, want 1400, 0", s.res.MTUProbeAcked, s.res.MTUProbeLost)
	}
}
