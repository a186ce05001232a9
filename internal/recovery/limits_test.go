package recovery

import (
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/quic-go/quic-go/internal/congestion"
	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/wire"
)

func TestRecordSize(t *testing.T) {
	if got := unsafe.Sizeof(Record{}); got != 40 {
		t.Errorf("a Record takes %d bytes, want 40", got)
	}
}

// A peer that acknowledges nothing cannot make us track more than MaxTracked packets: reliability.md, A-13.
func TestTrackedPacketsAreBounded(t *testing.T) {
	for _, limit := range []int{16, protocol.MaxTrackedSentPackets} {
		s := confirmedScene(t, tracking(limit))
		if limit == protocol.MaxTrackedSentPackets {
			s = confirmedScene(t) // the default
		}
		sent := 0
		for s.tr.SendMode(s.now) == ModeAny {
			s.send(app, 1)
			sent++
		}
		if want := limit - limit/8; sent != want {
			t.Errorf("%d packets sent, want %d", sent, want)
		}
		// The rest is for acknowledgements and probes.
		s.wantMode(ModeAck)
		s.timeout()
		s.wantMode(ModeProbe)
		for s.tr.SendMode(s.now) != ModeNone {
			s.sendWith(app, ackOnly)
			sent++
		}
		if sent != limit {
			t.Errorf("%d packets tracked, want %d", sent, limit)
		}
		// An acknowledgement frees them.
		s.ack(app, 0, protocol.PacketNumber(limit-4))
		s.wantMode(ModeAny)
		s.check()
	}
}

// The memory of all tracked packets stays below the 8 MiB of reliability.md, A-13.
func TestTrackedMemory(t *testing.T) {
	s := confirmedScene(t)
	for s.tr.SendMode(s.now) != ModeAck {
		s.sendWith(app, func(p *Sent) { p.Records = []Record{{}, {}} })
	}
	sp := &s.tr.spaces[app]
	bytes := uintptr(len(sp.packets.buf))*unsafe.Sizeof(sentPacket{}) + uintptr(len(sp.records.buf))*unsafe.Sizeof(Record{})
	if bytes > 8<<20 {
		t.Errorf("%d bytes for %d packets", bytes, sp.packets.len())
	}
	s.ack(app, 0, s.tr.LargestSent(app))
	if sp.packets.buf != nil || sp.records.buf != nil {
		t.Error("an idle connection keeps the memory of a busy one")
	}
	s.send(app, 3)
	s.ack(app, 0, s.tr.LargestSent(app))
	s.check()
}

// An endpoint that only acknowledges tracks few packets, and goes on for ever.
func TestAckOnlyPacketsAreBounded(t *testing.T) {
	s := confirmedScene(t)
	s.receive(app, 0, 1)
	for range 5 * protocol.MaxTrackedSentPackets {
		if s.tr.SendMode(s.now) != ModeAny {
			t.Fatal("sending is blocked")
		}
		s.sendWith(app, ackOnly)
	}
	if got := s.tr.spaces[app].packets.len(); got > maxPlainTracked {
		t.Errorf("%d packets tracked, want %d at most", got, maxPlainTracked)
	}
	// A late ACK for forgotten ones is fine.
	s.ack(app, 5, 10)
	s.ack(app, 0, s.tr.LargestSent(app))
	s.check()
}

// Lost packets are remembered in bounded number.
func TestLostMemoryIsBounded(t *testing.T) {
	s := confirmedScene(t)
	const n = 10 * maxRememberedLost
	for range n {
		s.sendWith(app, func(p *Sent) {
			for i := range uint64(3 * maxLateRecords) {
				p.Records = append(p.Records, Record{Value: i})
			}
		})
	}
	s.send(app, 3)
	s.ack(app, n+2, n+2)
	if s.res.LostPackets != n {
		t.Fatalf("%d packets lost, want %d", s.res.LostPackets, n)
	}
	s.check()
	s.ack(app, 0, n+2)
	if s.res.Spurious != maxRememberedLost {
		t.Errorf("%d spurious losses noticed, want %d", s.res.Spurious, maxRememberedLost)
	}
	if got, want := len(s.res.Acked), maxRememberedLost*maxLateRecords+2; got != want {
		t.Errorf("%d records, want %d", got, want)
	}
}

// An ACK frame with many ranges over settled packets, or over a huge span, costs no walk over the span.
func TestAckCost(t *testing.T) {
	s := confirmedScene(t)
	const n = 100_000
	for pn := range protocol.PacketNumber(n) {
		s.send(app, 1)
		s.ack(app, 0, pn)
	}
	if got := s.tr.spaces[app].packets.len(); got != 0 {
		t.Errorf("%d packets tracked after all were acknowledged", got)
	}
	// The oldest packet that waits is close to the largest acknowledged one, whatever the peer leaves out.
	s = confirmedScene(t)
	r := rand.New(rand.NewPCG(1, 2))
	for pn := range protocol.PacketNumber(n) {
		s.send(app, 1)
		if r.IntN(3) == 0 {
			s.ack(app, pn, pn)
			if got := s.tr.spaces[app].packets.len(); got > packetThreshold {
				t.Fatalf("%d packets tracked after the last was acknowledged", got)
			}
		}
	}
	s.check()
}

// The steady state of a sender allocates nothing per packet, in spite of losses and skipped numbers.
func TestSendingAllocatesNothing(t *testing.T) {
	s := confirmedScene(t, func(p *Params) {
		p.Skip = func() int { return 7 }
		p.NewController = congestion.NewCubic
		p.EnableECN = true
	})
	p := s.packet(app)
	ack := &wire.Ack{Ranges: make([]wire.AckRange, 0, 64)}
	numbers := make([]protocol.PacketNumber, 0, 8)
	round := func() {
		numbers = numbers[:0]
		for range 8 {
			p.PN, _ = s.tr.NextNumber(app)
			p.ECN = s.tr.ECN()
			s.tr.SendMode(s.now)
			s.tr.OnSent(s.now, &p)
			numbers = append(numbers, p.PN)
			s.now = s.now.Add(ms)
		}
		s.now = s.now.Add(50 * ms)
		ack.Ranges = ack.Ranges[:0]
		for i := len(numbers) - 1; i > 0; i-- { // the first is lost
			ack.Ranges = append(ack.Ranges, wire.AckRange{Smallest: numbers[i], Largest: numbers[i]})
		}
		if err := s.tr.OnAck(s.now, protocol.Encryption1RTT, ack, &s.res); err != nil || s.res.LostPackets != 1 {
			t.Fatalf("OnAck = %v, %d packets lost", err, s.res.LostPackets)
		}
		s.tr.Deadline()
	}
	for range 2 * maxRememberedLost {
		round()
	}
	if got := testing.AllocsPerRun(1000, round); got != 0 {
		t.Errorf("%v allocations per round, want 0", got)
	}
}

// The steady state of a receiver allocates nothing per packet.
func TestReceivingAllocatesNothing(t *testing.T) {
	s := confirmedScene(t)
	buf := make([]byte, 0, 1200)
	p := s.packet(app)
	ackOnly(&p)
	ack := &wire.Ack{Ranges: make([]wire.AckRange, 1)}
	var pn protocol.PacketNumber
	round := func() {
		for range 4 {
			pn += 1 + pn%3%2 // with gaps
			if s.tr.IsDuplicate(app, pn) {
				t.Fatal("duplicate")
			}
			s.tr.OnReceived(s.now, app, pn, protocol.ECT0, true)
			if s.tr.AckDue(s.now, app) {
				_, p.AckedUpTo = s.tr.AppendAck(s.now, app, buf, 1200)
				p.PN, _ = s.tr.NextNumber(app)
				s.tr.OnSent(s.now, &p)
			}
			s.tr.AckDeadline()
		}
		ack.Ranges[0] = wire.AckRange{Smallest: p.PN, Largest: p.PN}
		if err := s.tr.OnAck(s.now, protocol.Encryption1RTT, ack, &s.res); err != nil {
			t.Fatal(err)
		}
	}
	for range 1000 {
		round()
	}
	if got := testing.AllocsPerRun(1000, round); got != 0 {
		t.Errorf("%v allocations per round, want 0", got)
	}
}

func TestMisuseIsAProgrammingError(t *testing.T) {
	for name, f := range map[string]func(s *scene){
		"number out of order":     func(s *scene) { s.sendWith(app, func(p *Sent) { p.PN++ }) },
		"number of dropped space": func(s *scene) { s.tr.DropSpace(s.now, ini); s.send(ini, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			f(newScene(t))
		})
	}
}

func TestRing(t *testing.T) {
	var r ring[int64]
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 100 {
		for range rnd.IntN(2 * keptRingSize) {
			*r.push() = r.tail - 1
		}
		r.dropTo(r.head + rnd.Int64N(int64(r.len())+1))
		for i := r.head; i < r.tail; i++ {
			if *r.at(i) != i {
				t.Fatalf("element %d = %d", i, *r.at(i))
			}
		}
		if rnd.IntN(5) == 0 {
			if r.dropTo(r.tail); len(r.buf) > keptRingSize {
				t.Fatalf("an empty ring keeps %d elements", len(r.buf))
			}
		}
	}
}

func BenchmarkSendAndAck(b *testing.B) {
	tr := New(Params{
		Perspective: protocol.PerspectiveServer, MTU: testMTU, NewController: congestion.NewCubic, AddressValidated: true,
	})
	tr.SetHandshakeConfirmed()
	now := monotime.Time(1)
	sent := Sent{
		Space: app, Level: protocol.Encryption1RTT, Size: testMTU, AckEliciting: true, InFlight: true, AckedUpTo: -1,
		Records: []Record{{Kind: 1}},
	}
	var res Result
	ack := &wire.Ack{Ranges: make([]wire.AckRange, 1)}
	b.ReportAllocs()
	for b.Loop() { // two packets and their ACK, 100 in flight
		for range 2 {
			sent.PN, _ = tr.NextNumber(app)
			tr.SendMode(now)
			tr.OnSent(now, &sent)
		}
		now = now.Add(100 * ms)
		if sent.PN < 100 {
			continue
		}
		ack.Ranges[0] = wire.AckRange{Smallest: 0, Largest: sent.PN - 100}
		if err := tr.OnAck(now, protocol.Encryption1RTT, ack, &res); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReceiveAndAcknowledge(b *testing.B) {
	tr := New(Params{
		Perspective: protocol.PerspectiveServer, MTU: testMTU, NewController: congestion.NewCubic, AddressValidated: true,
	})
	buf := make([]byte, 0, 1200)
	var pn protocol.PacketNumber
	b.ReportAllocs()
	for b.Loop() { // two packets and the ACK frame for them
		for range 2 {
			if !tr.IsDuplicate(app, pn) {
				tr.OnReceived(1, app, pn, protocol.ECT0, true)
			}
			pn++
		}
		if tr.AckDue(1, app) {
			tr.AppendAck(1, app, buf, 1200)
		}
	}
}
