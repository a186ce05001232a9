package recovery

import (
	"fmt"
	"testing"

	"github.com/quic-go/quic-go/internal/congestion"
	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/wire"
)

func newBenchTracker() *Tracker {
	tr := New(Params{
		Perspective: protocol.PerspectiveServer, MTU: testMTU, NewController: congestion.NewCubic, AddressValidated: true,
	})
	tr.SetHandshakeConfirmed()
	return tr
}

// sendPackets sends n packets with one record each and returns their numbers, oldest first.
func sendPackets(tr *Tracker, now monotime.Time, pns []protocol.PacketNumber) {
	sent := Sent{
		Space: app, Level: protocol.Encryption1RTT, Size: testMTU, AckEliciting: true, InFlight: true, AckedUpTo: -1,
		Records: []Record{{Kind: 1}},
	}
	for i := range pns {
		sent.PN, _ = tr.NextNumber(app)
		tr.OnSent(now, &sent)
		pns[i] = sent.PN
	}
}

// BenchmarkAckRun sends a run of packets, as with GSO, which one ACK frame acknowledges. One operation is one packet.
func BenchmarkAckRun(b *testing.B) {
	for _, run := range []int{2, 16, 64} {
		b.Run(fmt.Sprintf("packets=%d", run), func(b *testing.B) {
			tr, now := newBenchTracker(), monotime.Time(1)
			pns, ack := make([]protocol.PacketNumber, run), &wire.Ack{Ranges: make([]wire.AckRange, 1)}
			var res Result
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				if n%run != 0 {
					continue
				}
				sendPackets(tr, now, pns)
				now = now.Add(20 * ms)
				// Below is what was acknowledged before.
				ack.Ranges[0] = wire.AckRange{Smallest: pns[0], Largest: pns[run-1]}
				if err := tr.OnAck(now, protocol.Encryption1RTT, ack, &res); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkLoss sends 64 packets of which every eighth is lost, and handles the ACK frame of the others: those before the last
// of them are declared lost at once.
func BenchmarkLoss(b *testing.B) {
	const run, each = 64, 8
	tr, now := newBenchTracker(), monotime.Time(1)
	pns, ack := make([]protocol.PacketNumber, run), &wire.Ack{}
	var res Result
	lost := 0
	b.ReportAllocs()
	for b.Loop() {
		sendPackets(tr, now, pns)
		now = now.Add(20 * ms)
		ack.Ranges = ack.Ranges[:0]
		for i := run; i > 0; i -= each {
			ack.Ranges = append(ack.Ranges, wire.AckRange{Smallest: pns[i-each+1], Largest: pns[i-1]})
		}
		if err := tr.OnAck(now, protocol.Encryption1RTT, ack, &res); err != nil {
			b.Fatal(err)
		}
		lost += len(res.Lost)
	}
	if want := b.N * (run/each - 1); lost < want {
		b.Errorf("%d packets were lost, want %d at least", lost, want)
	}
}
