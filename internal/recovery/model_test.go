package recovery

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/quic-go/quic-go/internal/congestion"
	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/wire"
)

// A modelLink connects two Trackers and loses, delays and reorders packets.
type modelLink struct {
	t       *testing.T
	r       *rand.Rand
	loss    float64
	now     monotime.Time
	ends    [2]*modelEnd
	flights []modelPacket
}

type modelEnd struct {
	tr     *Tracker
	queue  []uint64        // items to send, or to send again
	acked  map[uint64]bool // items that the peer acknowledged
	got    map[uint64]bool // items that arrived
	res    Result
	parser wire.Parser
}

type modelPacket struct {
	to        int
	at        monotime.Time
	pn        protocol.PacketNumber
	ecn       protocol.ECN
	ack       []byte
	items     []uint64
	eliciting bool
}

func newModelLink(t *testing.T, seed uint64) *modelLink {
	l := &modelLink{t: t, r: rand.New(rand.NewPCG(seed, 5)), now: start}
	l.loss = []float64{0, 0.02, 0.2, 0.5}[seed%4]
	for i := range l.ends {
		tr := New(Params{
			Perspective: protocol.Perspective(i + 1), MTU: testMTU, AddressValidated: true, EnableECN: seed%3 != 0,
			NewController: controllers[seed/4%3].new,
			Skip:          func() int { return l.r.IntN(1 << 30) },
		})
		tr.SetHandshakeConfirmed()
		l.ends[i] = &modelEnd{
			tr: tr, acked: map[uint64]bool{}, got: map[uint64]bool{},
			parser: wire.Parser{AckDelayExponent: protocol.AckDelayExponent},
		}
	}
	return l
}

// transmit lets one end send what it may.
func (l *modelLink) transmit(i int) {
	e := l.ends[i]
	for {
		mode := e.tr.SendMode(l.now)
		ackDue := mode != ModeNone && e.tr.AckDue(l.now, app)
		_, probes := e.tr.Probes()
		data := mode == ModeAny && len(e.queue) > 0
		if !ackDue && !data && (mode != ModeProbe || probes == 0) {
			return
		}
		p := modelPacket{to: 1 - i, at: l.now.Add(10*ms + time.Duration(l.r.IntN(3_000_000))), ecn: e.tr.ECN()}
		sent := Sent{Space: app, Level: protocol.Encryption1RTT, Size: 40, AckedUpTo: -1, ECN: p.ecn}
		if ackDue || e.tr.AckWanted(app) {
			p.ack, sent.AckedUpTo = e.tr.AppendAck(l.now, app, nil, 500)
		}
		if p.eliciting = data || mode == ModeProbe && probes > 0; p.eliciting {
			n := min(1+l.r.IntN(3), len(e.queue))
			p.items, e.queue = e.queue[:n:n], e.queue[n:]
			sent.AckEliciting, sent.InFlight, sent.Size = true, true, testMTU
		}
		for _, item := range p.items {
			sent.Records = append(sent.Records, Record{Value: item})
		}
		p.pn, _ = e.tr.NextNumber(app)
		sent.PN = p.pn
		e.tr.OnSent(l.now, &sent)
		if l.r.Float64() >= l.loss {
			l.flights = append(l.flights, p)
			if l.r.IntN(50) == 0 {
				l.flights = append(l.flights, p) // duplicated
			}
		}
	}
}

func (l *modelLink) deliver(p modelPacket) {
	e := l.ends[p.to]
	if e.tr.IsDuplicate(app, p.pn) {
		return
	}
	for b := p.ack; len(b) > 0; {
		var d wire.Decoded
		n, err := e.parser.Next(b, protocol.Encryption1RTT, &d)
		if err != nil {
			l.t.Fatal(err)
		}
		b = b[n:]
		if err := e.tr.OnAck(l.now, protocol.Encryption1RTT, &d.Ack, &e.res); err != nil {
			l.t.Fatal(err)
		}
		l.settle(e)
	}
	for _, item := range p.items {
		e.got[item] = true
	}
	if p.ecn == protocol.ECT0 && l.r.IntN(100) == 0 {
		p.ecn = protocol.ECNCE
	}
	e.tr.OnReceived(l.now, app, p.pn, p.ecn, p.eliciting)
}

// settle does what the owner of the records does.
func (l *modelLink) settle(e *modelEnd) {
	for _, r := range e.res.Acked {
		e.acked[r.Value] = true
	}
	for _, r := range append(e.res.Lost, e.res.Probe...) {
		if !e.acked[r.Value] {
			e.queue = append(e.queue, r.Value)
		}
	}
	if err := e.tr.consistent(); err != nil {
		l.t.Fatal(err)
	}
}

// step moves to the next event. It returns false if there is none.
func (l *modelLink) step() bool {
	var next monotime.Time
	for _, p := range l.flights {
		next = monotime.Earliest(next, p.at)
	}
	for _, e := range l.ends {
		next = monotime.Earliest(next, e.tr.Deadline())
		next = monotime.Earliest(next, e.tr.AckDeadline())
		if e.tr.SendMode(l.now) == ModePacingLimited && len(e.queue) > 0 {
			next = monotime.Earliest(next, e.tr.PacingDeadline())
		}
	}
	if next.IsZero() {
		return false
	}
	l.now = max(l.now, next)
	flights := l.flights
	l.flights = nil
	for _, p := range flights {
		if p.at.After(l.now) {
			l.flights = append(l.flights, p)
			continue
		}
		l.deliver(p)
	}
	for i, e := range l.ends {
		if d := e.tr.Deadline(); !d.IsZero() && !l.now.Before(d) {
			e.tr.OnTimeout(l.now, &e.res)
			l.settle(e)
		}
		l.transmit(i)
	}
	return true
}

// TestModel: whatever a network loses, delays, reorders, duplicates or marks, every item arrives, its sender
// learns of it, and then both ends are at rest.
func TestModel(t *testing.T) {
	const items = 300
	for seed := range uint64(48) {
		l := newModelLink(t, seed)
		for i, e := range l.ends {
			for n := range uint64(items) {
				e.queue = append(e.queue, n)
			}
			l.transmit(i)
		}
		steps := 0
		for l.step() {
			if steps++; steps > 200_000 {
				t.Fatalf("seed %d: no rest", seed)
			}
		}
		for i, e := range l.ends {
			peer := l.ends[1-i]
			if len(e.acked) != items || len(peer.got) != items {
				t.Errorf("seed %d: %d of %d items arrived, %d acknowledged", seed, len(peer.got), items, len(e.acked))
			}
			for item := range e.acked {
				if !peer.got[item] {
					t.Fatalf("seed %d: item %d acknowledged, but not received", seed, item)
				}
			}
			if e.tr.InFlight() != 0 || len(e.queue) != 0 || e.tr.Deadline() != 0 {
				t.Errorf("seed %d: %d bytes in flight, %d items queued at the end", seed, e.tr.InFlight(), len(e.queue))
			}
			if l.loss == 0 && e.tr.Stats().PacketsLost > 0 && e.tr.PTOCount() > 0 {
				t.Errorf("seed %d: lost %d without loss", seed, e.tr.Stats().PacketsLost)
			}
		}
	}
}

// FuzzTracker performs any sequence of operations: nothing panics, and the counts stay right.
func FuzzTracker(f *testing.F) {
	f.Add([]byte{0, 0, 0, 8, 0, 2, 0, 5, 5, 9, 9, 6, 2, 10, 11, 12, 1, 1, 4})
	f.Add([]byte{3, 3, 3, 2, 1, 8, 33, 7, 7, 14, 15, 13, 40, 41, 42})
	f.Fuzz(func(t *testing.T, ops []byte) {
		s := newScene(t, func(p *Params) {
			p.NewController, p.MaxTracked, p.EnableECN = congestion.NewCubic, 64, true
			p.Skip = func() int { return len(ops) }
			p.Perspective = protocol.Perspective(1 + len(ops)%2)
			p.AddressValidated = false
		})
		s.tr.OnDatagramReceived(s.now, 10000)
		for i := 0; i < len(ops); i++ {
			arg := func() int64 {
				if i++; i < len(ops) {
					return int64(ops[i])
				}
				return 0
			}
			s.fuzzStep(int(ops[i]), arg)
			s.check()
			if s.tr.SendMode(s.now) == ModePacingLimited && s.tr.PacingDeadline().IsZero() {
				t.Fatal("pacing limited without a deadline")
			}
		}
	})
}

func (s *scene) fuzzStep(op int, arg func() int64) {
	space := protocol.PacketNumberSpace(op % 3)
	if op >= 192 {
		space = app
	}
	if s.tr.spaces[space].dropped && op/3%12 < 4 {
		return
	}
	switch op / 3 % 12 {
	case 0, 1:
		s.send(space, 1)
	case 2:
		s.sendWith(space, func(p *Sent) { ackOnly(p); p.AckedUpTo = protocol.PacketNumber(arg()) })
	case 3:
		s.sendWith(space, []func(*Sent){mtuProbe, earlyData}[op/96%2])
	case 4, 5:
		s.fuzzAck(space, arg)
	case 6:
		s.wait(time.Duration(arg()) * 10 * ms)
		s.tr.OnTimeout(s.now, &s.res)
	case 7:
		if pn := protocol.PacketNumber(arg()); !s.tr.IsDuplicate(space, pn) {
			s.tr.OnReceived(s.now, space, pn, protocol.ECN(arg()&3), op&1 == 0)
		}
	case 8:
		s.tr.AckDue(s.now, space)
		s.tr.AppendAck(s.now, space, nil, int(arg()))
	case 9:
		s.tr.OnDatagramReceived(s.now, protocol.ByteCount(arg()))
	case 10:
		s.wait(time.Duration(arg()) * ms)
	case 11:
		s.fuzzRare(space, int(arg()))
	}
}

// fuzzAck receives an ACK frame of up to three ranges near the end of what was sent.
func (s *scene) fuzzAck(space protocol.PacketNumberSpace, arg func() int64) {
	top := int64(s.tr.LargestSent(space)) - arg()%8 + 1
	ack := wire.Ack{Delay: time.Duration(arg()) * ms}
	for range 1 + arg()%3 {
		bottom := top - arg()%16
		if bottom < 0 {
			break
		}
		ack.Ranges = append(ack.Ranges, wire.AckRange{Smallest: protocol.PacketNumber(bottom), Largest: protocol.PacketNumber(top)})
		top = bottom - 2 - arg()%8
	}
	if arg()%2 == 0 {
		ack.HasECN, ack.ECT0, ack.CE = true, uint64(arg()), uint64(arg()/64)
	}
	_ = s.tr.OnAck(s.now, levelOf(space), &ack, &s.res)
}

func (s *scene) fuzzRare(space protocol.PacketNumberSpace, op int) {
	switch op % 8 {
	case 0:
		s.tr.DropSpace(s.now, space%2)
	case 1:
		s.tr.RejectEarlyData(s.now, &s.res)
	case 2:
		s.tr.ResetInitial(s.now, &s.res)
	case 3:
		s.tr.ResetPath(s.now, testMTU+protocol.ByteCount(op))
	case 4:
		s.tr.SetHandshakeKeys()
		s.tr.SetHandshakeComplete()
	case 5:
		s.tr.SetHandshakeConfirmed()
	case 6:
		s.tr.SetMTU(testMTU + protocol.ByteCount(op))
	case 7:
		s.tr.SetAddressValidated()
	}
}
