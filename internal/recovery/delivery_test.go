package recovery

import (
	"slices"
	"testing"
	"time"

	"github.com/quic-go/quic-go/internal/congestion"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/wire"
)

// controllers are all that there are, and by how many tenths each reduces its window.
var controllers = []struct {
	name string
	new  func(protocol.ByteCount) congestion.Controller
	beta protocol.ByteCount
}{
	{"NewReno", congestion.NewNewReno, 5},
	{"CUBIC", congestion.NewCubic, 7},
	{"BBRv3", func(mtu protocol.ByteCount) congestion.Controller {
		return congestion.NewBBR(mtu, func() int { return 1 })
	}, 10},
}

func forEachController(t *testing.T, test func(t *testing.T, s *scene, beta protocol.ByteCount)) {
	for _, c := range controllers {
		t.Run(c.name, func(t *testing.T) {
			test(t, confirmedScene(t, withECN, func(p *Params) { p.NewController = c.new }), c.beta)
		})
	}
}

// turn sends n packets in a turn of the sender, which then has nothing left.
func (s *scene) turn(n int) {
	s.tr.SendMode(s.now)
	s.send(app, n)
	s.tr.OnStarved(s.now)
}

// Draft-ietf-ccwg-bbr-06, Section 4.1.1.3: "any delivery rate sample obtained from this data packet, and any rate sample from a
// packet that follows it in the next round trip, is an application-limited sample".
func TestAppLimitedRate(t *testing.T) {
	s := confirmedScene(t)
	s.turn(1) // 0
	s.wait(10 * ms)
	s.turn(1) // 1 comes after a gap
	s.wait(10 * ms)
	s.tr.SendMode(s.now)
	s.send(app, 2) // 2 and 3 too
	var limited []bool
	note := func(pn protocol.PacketNumber) {
		s.wait(10 * ms)
		s.tr.SendMode(s.now)
		s.ack(app, pn, pn)
		limited = append(limited, s.ctrl.last().RateAppLimited)
	}
	note(0)
	note(1)
	s.send(app, 1) // 4: what was on its way in the last gap has just been acknowledged, nothing more
	note(2)
	s.send(app, 1) // 5: the gap is over
	for pn := range protocol.PacketNumber(3) {
		note(3 + pn)
	}
	if want := []bool{false, true, true, true, true, false}; !slices.Equal(limited, want) {
		t.Errorf("application limited: %v, want %v", limited, want)
	}
}

// The application limits the rate only when window and pacer would let a packet leave.
func TestNotAppLimited(t *testing.T) {
	for _, tc := range []struct {
		name    string
		starved bool // what the sender says at the end of its turn
		change  func(s *scene)
		after   time.Duration // the next turn
		want    bool
	}{
		{"nothing to send", true, func(*scene) {}, ms, true},
		{"more to send", false, func(*scene) {}, ms, false},
		{"the window is full", true, func(s *scene) { s.ctrl.window = 10*testMTU + 100 }, ms, false},
		{"the pacer would not let it", true, func(s *scene) { s.ctrl.rate = 1_200_000 }, ms, false},
		{"the pacer would have let it", true, func(s *scene) { s.ctrl.rate = 1_200_000 }, ms + 1, true},
		{"in the same instant", true, func(*scene) {}, 0, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := confirmedScene(t)
			tc.change(s)
			s.tr.SendMode(s.now)
			s.send(app, 10)
			if tc.starved {
				s.tr.OnStarved(s.now)
			}
			s.wait(tc.after)
			s.tr.SendMode(s.now)
			s.ctrl.window = 1 << 30
			s.send(app, 1)
			s.wait(ms)
			s.ack(app, 0, 10)
			if got := s.ctrl.last().RateAppLimited; got != tc.want {
				t.Errorf("application limited: %t, want %t", got, tc.want)
			}
		})
	}
}

// A turn in which the pacer held data back says that the application kept up.
func TestAppLimitedForgottenByTurn(t *testing.T) {
	s := confirmedScene(t)
	s.ctrl.rate = 1_200_000
	s.turn(10)
	s.wait(ms / 2)
	s.wantMode(ModePacingLimited) // there is data now
	s.wait(ms)
	s.tr.SendMode(s.now)
	s.send(app, 1)
	s.wait(ms)
	s.ack(app, 10, 10)
	if s.ctrl.last().RateAppLimited {
		t.Error("the rate counts as limited by the application")
	}
}

// Controllers learn of each lost packet how much was in flight and lost since it was sent, and in how many places
// packets were lost (draft-ietf-ccwg-bbr-06, Sections 5.3.1.3 and 5.5.10.2).
func TestLostPackets(t *testing.T) {
	s := confirmedScene(t)
	s.send(app, 4)
	s.turn(0)
	s.wait(10 * ms)
	s.tr.SendMode(s.now)
	s.send(app, 6) // 4 to 9
	s.wait(10 * ms)
	s.ack(app, 2, 3, 9, 9) // 0, 1, 4, 5 and 6 are lost
	want := []congestion.LostPacket{
		{Size: testMTU, SentInFlight: testMTU, LostSinceSent: testMTU},
		{Size: testMTU, SentInFlight: 2 * testMTU, LostSinceSent: 2 * testMTU},
		{Size: testMTU, SentInFlight: 5 * testMTU, LostSinceSent: 3 * testMTU, AppLimited: true},
		{Size: testMTU, SentInFlight: 6 * testMTU, LostSinceSent: 4 * testMTU, AppLimited: true},
		{Size: testMTU, SentInFlight: 7 * testMTU, LostSinceSent: 5 * testMTU, AppLimited: true},
	}
	c := s.ctrl.signals[0]
	if !slices.Equal(c.Lost, want) || c.LostRanges != 2 || c.Delivered != 3*testMTU {
		t.Errorf("signal = %+v, want losses %+v in two ranges", c, want)
	}
}

// Draft-ietf-ccwg-bbr-06, Section 2.2: C.delivered "SHOULD include spurious retransmissions that have been acknowledged as
// delivered".
func TestSpuriousLossIsDelivered(t *testing.T) {
	s := confirmedScene(t)
	s.send(app, 6)
	s.wait(10 * ms)
	s.ack(app, 5, 5)
	s.wantLost(0, 1, 2)
	s.ack(app, 0, 5)
	if a := s.ctrl.last(); a.Delivered != 6*testMTU || a.Bytes != 2*testMTU {
		t.Errorf("batch = %+v, want 6 packets delivered and 2 newly acknowledged", a)
	}
}

// RFC 9438, Section 4.9: when reordering was taken for loss, the window comes back.
func TestUndoAfterReordering(t *testing.T) {
	forEachController(t, func(t *testing.T, s *scene, beta protocol.ByteCount) {
		before := s.tr.Controller().Metrics()
		s.send(app, 10)
		s.wait(50 * ms)
		s.ack(app, 5, 9) // 0 to 4 come later
		s.wantLost(0, 1, 2, 3, 4)
		m := s.tr.Controller().Metrics()
		if reduced := before.Window * beta / 10; beta < 10 && m.Window != reduced || m.CongestionEvents != 1 {
			t.Fatalf("Metrics() = %+v after losses, want a window of %d", m, reduced)
		}
		s.wait(ms)
		s.ack(app, 0, 3, 5, 9)
		if s.res.Spurious != 4 || s.tr.Controller().Metrics().SpuriousEvents != 0 {
			t.Fatal("undone although a packet is still lost")
		}
		s.wait(ms)
		s.ack(app, 0, 9)
		m = s.tr.Controller().Metrics()
		if m.SpuriousEvents != 1 || m.Window < before.Window || m.State != congestion.SlowStart {
			t.Errorf("Metrics() = %+v, want the window of %d back in slow start", m, before.Window)
		}
	})
}

// RFC 9002, Section 7.1: every controller takes a rise of the ECN-CE count for congestion, once per round trip.
func TestReactionToCongestionExperienced(t *testing.T) {
	forEachController(t, func(t *testing.T, s *scene, beta protocol.ByteCount) {
		before := s.tr.Controller().Window()
		s.send(app, 10)
		s.wait(50 * ms)
		s.ackECN(1, 0, 1, 0, 1) // validates the path as well
		s.wantECN(ECNCapable)
		s.ackECN(1, 0, 3, 0, 3)
		m := s.tr.Controller().Metrics()
		if !s.res.ECNCE || m.CongestionEvents != 1 || beta < 10 && m.Window != before*beta/10 {
			t.Errorf("Metrics() = %+v after two rises in a round trip, want one event and a window of %d", m, before*beta/10)
		}
		s.wait(ms)
		s.send(app, 1)
		s.wait(50 * ms)
		s.ackECN(7, 0, 4, 0, 10)
		if m := s.tr.Controller().Metrics(); m.CongestionEvents != 2 {
			t.Errorf("Metrics() = %+v after the next round trip, want two events", m)
		}
	})
}

// Counts of a path that failed the validation are no signal.
func TestNoReactionToInvalidECN(t *testing.T) {
	forEachController(t, func(t *testing.T, s *scene, _ protocol.ByteCount) {
		s.send(app, 10)
		s.wait(50 * ms)
		s.ackFrame(app, &wire.Ack{Ranges: ranges(0, 9), HasECN: true, ECT0: 3, CE: 100})
		s.wantECN(ECNFailed)
		if m := s.tr.Controller().Metrics(); m.CongestionEvents != 0 || s.res.ECNCE {
			t.Errorf("Metrics() = %+v, want no congestion", m)
		}
	})
}
