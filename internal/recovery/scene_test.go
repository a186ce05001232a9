package recovery

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/quic-go/quic-go/internal/congestion"
	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
	"github.com/quic-go/quic-go/internal/wire"
)

const (
	ms      = time.Millisecond
	testMTU = protocol.ByteCount(1200)
	start   = monotime.Time(time.Hour)

	ini = protocol.SpaceInitial
	hs  = protocol.SpaceHandshake
	app = protocol.SpaceAppData
)

// A scene is a Tracker in the hands of a test: time moves by wait, packets are named by their
// numbers, and each packet carries one record whose Value is its number.
type scene struct {
	*testing.T
	tr   *Tracker
	now  monotime.Time
	ctrl *testController
	res  Result
}

// testController notes what it is told.
type testController struct {
	window   protocol.ByteCount
	rate     uint64
	acked    []congestion.AckedBatch
	signals  []congestion.Congestion
	spurious []monotime.Time
	mtu      protocol.ByteCount
	sent     protocol.ByteCount
	onLoss   protocol.ByteCount // the window after a signal, if not 0
}

func (c *testController) OnSent(s congestion.Sent)        { c.sent += s.Size }
func (c *testController) OnAcked(a congestion.AckedBatch) { c.acked = append(c.acked, a) }
func (c *testController) OnCongestion(s congestion.Congestion) {
	c.signals = append(c.signals, s)
	if c.onLoss != 0 {
		c.window = c.onLoss
	}
}
func (c *testController) OnSpurious(_, sentAt monotime.Time) { c.spurious = append(c.spurious, sentAt) }
func (c *testController) SetMTU(mtu protocol.ByteCount)      { c.mtu = mtu }
func (c *testController) Window() protocol.ByteCount         { return c.window }
func (c *testController) PacingRate(time.Duration) uint64    { return c.rate }
func (c *testController) Metrics() (m congestion.Metrics)    { return m }
func (c *testController) last() congestion.AckedBatch        { return c.acked[len(c.acked)-1] }
func newTestController(protocol.ByteCount) congestion.Controller {
	return &testController{window: 1 << 30}
}

// newScene returns a scene with a server that knows its client's address and whose handshake is
// not yet confirmed. Options change its parameters.
func newScene(t *testing.T, options ...func(*Params)) *scene {
	t.Helper()
	p := Params{
		Perspective: protocol.PerspectiveServer, MTU: testMTU, NewController: newTestController,
		AddressValidated: true,
	}
	for _, o := range options {
		o(&p)
	}
	s := &scene{T: t, tr: New(p), now: start}
	s.ctrl, _ = s.tr.controller.(*testController)
	return s
}

func asClient(p *Params)    { p.Perspective = protocol.PerspectiveClient }
func unvalidated(p *Params) { p.AddressValidated = false }
func withECN(p *Params)     { p.EnableECN = true }
func withNewReno(p *Params) { p.NewController = congestion.NewNewReno }

// withSkips makes the first skipped number 33, and every 34th after it: the window holds 64 packets.
func withSkips(p *Params) {
	p.Skip = func() int { return 0 }
	p.NewController = func(protocol.ByteCount) congestion.Controller {
		return &testController{window: 64 * testMTU}
	}
}
func tracking(n int) func(*Params) {
	return func(p *Params) { p.MaxTracked = n }
}

// confirmed is a scene whose handshake is over and forgotten.
func confirmedScene(t *testing.T, options ...func(*Params)) *scene {
	t.Helper()
	s := newScene(t, options...)
	s.tr.SetHandshakeConfirmed()
	s.tr.DropSpace(s.now, ini)
	s.tr.DropSpace(s.now, hs)
	return s
}

func (s *scene) wait(d time.Duration) { s.now = s.now.Add(d) }

// at moves to d after the start.
func (s *scene) at(d time.Duration) { s.now = start.Add(d) }

func levelOf(space protocol.PacketNumberSpace) protocol.EncryptionLevel {
	return [...]protocol.EncryptionLevel{protocol.EncryptionInitial, protocol.EncryptionHandshake, protocol.Encryption1RTT}[space]
}

// packet returns an ack-eliciting packet of full size with the next number.
func (s *scene) packet(space protocol.PacketNumberSpace) Sent {
	pn, _ := s.tr.NextNumber(space)
	return Sent{
		Space: space, Level: levelOf(space), PN: pn, Size: testMTU, AckEliciting: true, InFlight: true,
		ECN: s.tr.ECN(), AckedUpTo: -1, Records: []Record{{Kind: 1, Value: uint64(pn)}},
	}
}

// send sends n ack-eliciting packets.
func (s *scene) send(space protocol.PacketNumberSpace, n int) {
	for range n {
		p := s.packet(space)
		s.tr.OnSent(s.now, &p)
	}
}

// sendWith sends one packet that f has changed.
func (s *scene) sendWith(space protocol.PacketNumberSpace, f func(*Sent)) protocol.PacketNumber {
	p := s.packet(space)
	f(&p)
	s.tr.OnSent(s.now, &p)
	return p.PN
}

func ackOnly(p *Sent)   { p.AckEliciting, p.InFlight, p.Size, p.Records = false, false, 40, nil }
func mtuProbe(p *Sent)  { p.MTUProbe, p.Size = true, 1400 }
func earlyData(p *Sent) { p.Level = protocol.Encryption0RTT }

// ranges turns pairs of first and last number, ascending, into the ranges of an ACK frame.
func ranges(numbers ...protocol.PacketNumber) (rs []wire.AckRange) {
	for i := len(numbers) - 2; i >= 0; i -= 2 {
		rs = append(rs, wire.AckRange{Smallest: numbers[i], Largest: numbers[i+1]})
	}
	return rs
}

// ack receives an ACK frame for pairs of first and last number, ascending.
func (s *scene) ack(space protocol.PacketNumberSpace, numbers ...protocol.PacketNumber) {
	s.Helper()
	s.ackFrame(space, &wire.Ack{Ranges: ranges(numbers...)})
}

func (s *scene) ackFrame(space protocol.PacketNumberSpace, ack *wire.Ack) {
	s.Helper()
	if err := s.tr.OnAck(s.now, levelOf(space), ack, &s.res); err != nil {
		s.Fatalf("OnAck(%v) = %v", ack.Ranges, err)
	}
}

// rtt makes the RTT estimate exactly d, by a sample, and leaves nothing in flight.
func (s *scene) rtt(space protocol.PacketNumberSpace, d time.Duration) {
	s.Helper()
	pn, _ := s.tr.NextNumber(space)
	s.send(space, 1)
	s.wait(d)
	s.ack(space, pn, pn)
	if !s.res.RTTUpdated {
		s.Fatal("no RTT sample")
	}
}

// timeout lets the deadline pass.
func (s *scene) timeout() {
	s.Helper()
	if d := s.tr.Deadline(); d.IsZero() {
		s.Fatal("there is no deadline")
	} else {
		s.now = max(s.now, d)
	}
	s.tr.OnTimeout(s.now, &s.res)
}

func values(rs []Record) []uint64 {
	vs := []uint64{}
	for _, r := range rs {
		vs = append(vs, r.Value)
	}
	return vs
}

func (s *scene) wantRecords(what string, got []Record, want []uint64) {
	s.Helper()
	if g := values(got); !slices.Equal(g, want) {
		s.Errorf("%s: %v, want %v", what, g, want)
	}
}

func (s *scene) wantAcked(want ...uint64) { s.Helper(); s.wantRecords("acked", s.res.Acked, want) }
func (s *scene) wantLost(want ...uint64)  { s.Helper(); s.wantRecords("lost", s.res.Lost, want) }
func (s *scene) wantProbe(want ...uint64) { s.Helper(); s.wantRecords("probe", s.res.Probe, want) }

// wantDeadline checks the deadline, given as time from the start; negative means none.
func (s *scene) wantDeadline(want time.Duration) {
	s.Helper()
	got := time.Duration(-1)
	if d := s.tr.Deadline(); !d.IsZero() {
		got = d.Sub(start)
	}
	if got != max(want, -1) {
		s.Errorf("deadline = %v, want %v", got, want)
	}
}

const none = time.Duration(-1)

func (s *scene) wantInFlight(want protocol.ByteCount) {
	s.Helper()
	if got := s.tr.InFlight(); got != want {
		s.Errorf("in flight = %d, want %d", got, want)
	}
}

func (s *scene) wantMode(want Mode) {
	s.Helper()
	if got := s.tr.SendMode(s.now); got != want {
		s.Errorf("SendMode = %d, want %d", got, want)
	}
}

func (s *scene) wantProbes(space protocol.PacketNumberSpace, n int) {
	s.Helper()
	gotSpace, got := s.tr.Probes()
	if got != n || n > 0 && gotSpace != space {
		s.Errorf("Probes() = %v, %d, want %v, %d", gotSpace, got, space, n)
	}
}

// wantSignals checks the kinds of the congestion signals so far.
func (s *scene) wantSignals(want ...congestion.CongestionKind) {
	s.Helper()
	got := []congestion.CongestionKind{}
	for _, c := range s.ctrl.signals {
		got = append(got, c.Kind)
	}
	if !slices.Equal(got, want) {
		s.Errorf("congestion signals = %v, want %v", got, want)
	}
}

// wantViolation checks that an ACK frame closes the connection and changes nothing.
func (s *scene) wantViolation(space protocol.PacketNumberSpace, numbers ...protocol.PacketNumber) {
	s.Helper()
	before, largest := s.tr.InFlight(), s.tr.LargestAcked(space)
	err := s.tr.OnAck(s.now, levelOf(space), &wire.Ack{Ranges: ranges(numbers...)}, &s.res)
	te, ok := errors.AsType[*qerr.TransportError](err)
	if !ok || te.ErrorCode != qerr.ProtocolViolation {
		s.Fatalf("OnAck(%v) = %v, want PROTOCOL_VIOLATION", numbers, err)
	}
	if s.tr.InFlight() != before || s.tr.LargestAcked(space) != largest || len(s.res.Acked) > 0 {
		s.Error("a faulty ACK frame changed something")
	}
}

// check verifies what always holds.
func (s *scene) check() {
	s.Helper()
	if err := s.tr.consistent(); err != nil {
		s.Fatal(err)
	}
}

// consistent recomputes the counts of t.
func (t *Tracker) consistent() error {
	var inFlight protocol.ByteCount
	for i := range t.spaces {
		s := &t.spaces[i]
		eliciting := 0
		for pn := s.packets.head; pn < s.packets.tail; pn++ {
			p := s.packets.at(pn)
			if p.fate != fateOpen {
				continue
			}
			if p.inFlight {
				inFlight += p.size
			}
			if p.eliciting {
				eliciting++
			}
		}
		if eliciting != s.eliciting {
			return fmt.Errorf("%v: %d ack-eliciting packets counted, there are %d", protocol.PacketNumberSpace(i), s.eliciting, eliciting)
		}
		if n := s.received.ranges.Len(); n > protocol.MaxAckRanges {
			return fmt.Errorf("%d received ranges", n)
		}
		if n := s.lost.ring.len(); n > maxRememberedLost {
			return fmt.Errorf("%d lost packets remembered", n)
		}
		if head := s.packets.head; s.packets.len() > 0 && protocol.PacketNumber(head) < s.largestAcked-packetThreshold-maxSkipped {
			return fmt.Errorf("packet %d is tracked though %d is acknowledged", head, s.largestAcked)
		}
	}
	if inFlight != t.inFlight {
		return fmt.Errorf("%d bytes counted in flight, there are %d", t.inFlight, inFlight)
	}
	return nil
}
