package recovery

import (
	"testing"

	"github.com/quic-go/quic-go/internal/congestion"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/wire"
)

func (s *scene) wantECN(want ECNState) {
	s.Helper()
	if got := s.tr.ECNState(); got != want {
		s.Errorf("ECN state = %v, want %v", got, want)
	}
	codepoint := protocol.ECNNon
	if want == ECNTesting || want == ECNCapable {
		codepoint = protocol.ECT0
	}
	if got := s.tr.ECN(); got != codepoint {
		s.Errorf("ECN() = %v in state %v, want %v", got, want, codepoint)
	}
}

// ackECN receives an ACK frame with counts for pairs of first and last number, ascending.
func (s *scene) ackECN(ect0, ect1, ce uint64, numbers ...protocol.PacketNumber) {
	s.Helper()
	s.ackFrame(app, &wire.Ack{Ranges: ranges(numbers...), HasECN: true, ECT0: ect0, ECT1: ect1, CE: ce})
}

// RFC 9000, Section 13.4.2: "the endpoint could set an ECT codepoint for only the first ten outgoing packets on a
// path", "Upon successful validation, an endpoint MAY continue to set an ECT codepoint" (Section 13.4.2.2).
func TestECNTesting(t *testing.T) {
	s := confirmedScene(t, withECN)
	for range 10 {
		s.wantECN(ECNTesting)
		s.send(app, 1)
	}
	s.wantECN(ECNUnknown)
	s.send(app, 1)
	s.ackECN(8, 0, 0, 0, 7)
	s.wantECN(ECNCapable)
	s.send(app, 1)
	s.ackECN(11, 0, 0, 0, 11) // 8 and 9, then 10 without mark, then 11
	s.wantECN(ECNCapable)
}

// Packets that another path carried, or that were not marked, prove nothing.
func TestECNOfOtherPackets(t *testing.T) {
	s := confirmedScene(t, withECN)
	s.send(app, 10)
	s.tr.ResetPath(s.now, testMTU)
	s.ctrl, _ = s.tr.Controller().(*testController)
	s.ackECN(2, 0, 0, 0, 1)
	s.wantECN(ECNTesting)
	s.send(app, 10) // 10 to 19
	s.wantECN(ECNUnknown)
	s.send(app, 1)
	s.wait(10 * ms)
	s.ackECN(2, 0, 1, 20, 20)
	s.wantLost(2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17)
	s.wantECN(ECNUnknown)
	if s.res.ECNCE {
		t.Error("reaction to CE on a path that is not validated")
	}
	s.wantSignals(congestion.Loss)
	s.ackECN(3, 0, 1, 18, 18, 20, 20)
	s.wantECN(ECNUnknown)
	s.send(app, 1)
	s.ackECN(3, 0, 2, 18, 21)
	s.wantECN(ECNCapable)

	s = confirmedScene(t, withECN)
	s.send(app, 13)
	s.tr.ResetPath(s.now, testMTU)
	s.send(app, 10)
	s.ack(app, 12, 12) // the ten of the old path are lost
	s.wantLost(0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
	s.wantECN(ECNUnknown)
}

// Without EnableECN no packet is marked, and counts are ignored.
func TestECNDisabled(t *testing.T) {
	s := confirmedScene(t)
	s.send(app, 1)
	s.wantECN(ECNDisabled)
	s.ackECN(1, 0, 1, 0, 0)
	s.wantECN(ECNDisabled)
	s.wantSignals()
	s.tr.ResetPath(s.now, testMTU)
	s.wantECN(ECNDisabled)
}

// RFC 9000, Section 13.4.2.2: "If validation fails, then the endpoint MUST disable ECN." T-131
func TestECNValidationFails(t *testing.T) {
	const big = 1<<62 - 1
	for _, tt := range []struct {
		name string
		ack  wire.Ack // after an ACK of packet 0 with ECT(0) = 1; packets 0 to 3 were sent
	}{
		{"\"the corresponding ECN counts are not present in the ACK frame\"", wire.Ack{}},
		{"\"the sum of the increase in ECT(0) and ECN-CE counts is less than the number of newly acknowledged packets\"",
			wire.Ack{HasECN: true, ECT0: 3}},
		{"ECT(0) decreases", wire.Ack{HasECN: true, ECT0: 0, CE: 4}},
		{"\"a non-zero ECN count corresponding to an ECT codepoint that it never applied\"",
			wire.Ack{HasECN: true, ECT0: 4, ECT1: 1}},
		{"\"exceeds the total number of packets sent with each corresponding ECT codepoint\"",
			wire.Ack{HasECN: true, ECT0: 5}},
		{"more CE marks than packets", wire.Ack{HasECN: true, ECT0: 1, CE: 4}},
		{"huge counts", wire.Ack{HasECN: true, ECT0: big, ECT1: big, CE: big}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := confirmedScene(t, withECN)
			s.send(app, 4)
			s.ackECN(1, 0, 0, 0, 0)
			s.wantECN(ECNCapable)
			tt.ack.Ranges = ranges(0, 3)
			s.ackFrame(app, &tt.ack)
			s.wantECN(ECNFailed)
			s.wantSignals()
			s.wantAcked(1, 2, 3)
			s.send(app, 1)
			s.ackECN(4, 0, 0, 0, 4)
			s.wantECN(ECNFailed)
		})
	}
}

// RFC 9000, Section 13.4.2.1: "An endpoint MUST NOT fail ECN validation as a result of processing an ACK frame that
// does not increase the largest acknowledged packet number." T-132
func TestECNReorderedAck(t *testing.T) {
	s := confirmedScene(t, withECN)
	s.send(app, 4)
	s.ackECN(2, 0, 0, 1, 1, 3, 3)
	s.wantECN(ECNCapable)
	s.ackECN(1, 0, 0, 0, 1)
	s.wantAcked(0)
	s.wantECN(ECNCapable)
	s.ackFrame(app, &wire.Ack{Ranges: ranges(2, 2)})
	s.wantAcked(2)
	s.wantECN(ECNCapable)
}

// RFC 9000, Section 13.4.2: "If all packets marked with non-zero ECN codepoints are subsequently lost, it can
// disable marking on the assumption that the marking caused the loss."
func TestECNAllMarkedPacketsLost(t *testing.T) {
	s := confirmedScene(t, withECN)
	s.send(app, 13) // 10, 11, 12 are not marked
	s.ack(app, 11, 11)
	s.wantLost(0, 1, 2, 3, 4, 5, 6, 7, 8)
	s.wantECN(ECNUnknown)
	s.ack(app, 12, 12)
	s.wantLost(9)
	s.wantECN(ECNFailed)
}

// One lost packet is no verdict.
func TestECNFirstMarkedPacketLost(t *testing.T) {
	s := confirmedScene(t, withECN)
	s.send(app, 1)
	for range 3 {
		s.sendWith(app, func(p *Sent) { p.ECN = protocol.ECNNon })
	}
	s.ack(app, 3, 3)
	s.wantLost(0)
	s.wantECN(ECNTesting)
}

// RFC 9000, Section 13.4.2: "or for a period of three PTOs": we mark the first packets and one set of probes.
func TestECNTestEndsWithPTOs(t *testing.T) {
	s := newScene(t, asClient, withECN)
	s.send(ini, 1)
	s.timeout()
	s.wantECN(ECNTesting)
	s.send(ini, 1)
	s.timeout()
	s.wantECN(ECNUnknown)
	s.send(ini, 1)
	s.wait(10 * ms)
	s.ackFrame(ini, &wire.Ack{Ranges: ranges(2, 2)}) // only what was not marked came through
	s.wantLost(0, 1)
	s.wantECN(ECNFailed)

	s = newScene(t, asClient, withECN)
	s.send(ini, 1)
	s.timeout()
	s.timeout()
	s.wantECN(ECNUnknown)
	s.ackFrame(ini, &wire.Ack{Ranges: ranges(0, 0), HasECN: true, ECT0: 1}) // the peer was slow
	s.wantECN(ECNCapable)
}

// RFC 9000, Section 13.4.1: "Each packet number space maintains separate acknowledgment state and separate ECN
// counts."
func TestECNCountsPerSpace(t *testing.T) {
	s := newScene(t, withECN)
	s.send(ini, 2)
	s.send(hs, 2)
	s.ackFrame(ini, &wire.Ack{Ranges: ranges(0, 1), HasECN: true, ECT0: 2})
	s.ackFrame(hs, &wire.Ack{Ranges: ranges(0, 1), HasECN: true, ECT0: 1, CE: 1})
	s.wantECN(ECNCapable)
	s.wantSignals(congestion.ECN)
}

// RFC 9000, Section 13.4.1: "the endpoint MUST provide feedback about ECN markings it receives", "ECN counts are only
// incremented when QUIC packets from the received IP packet are processed."
func TestECNFeedback(t *testing.T) {
	s := newScene(t)
	s.receive(app, 0)
	if ack := s.acknowledge(app); ack.HasECN {
		t.Error("counts without marks")
	}
	for i, ecn := range []protocol.ECN{protocol.ECT0, protocol.ECT0, protocol.ECT1, protocol.ECNCE, protocol.ECNCE, protocol.ECNCE} {
		s.tr.OnReceived(s.now, app, protocol.PacketNumber(i+1), ecn, true)
	}
	if ack := s.acknowledge(app); !ack.HasECN || ack.ECT0 != 2 || ack.ECT1 != 1 || ack.CE != 3 {
		t.Errorf("counts = %d, %d, %d, want 2, 1, 3", ack.ECT0, ack.ECT1, ack.CE)
	}
	s.receive(hs, 0)
	if ack := s.acknowledge(hs); ack.HasECN {
		t.Error("counts of another space")
	}
}

func TestECNStateString(t *testing.T) {
	want := []string{"disabled", "testing", "unknown", "capable", "failed", "invalid ECN state"}
	for i, w := range want {
		if got := ECNState(i).String(); got != w {
			t.Errorf("ECNState(%d) = %q, want %q", i, got, w)
		}
	}
}
