package quic_test

import (
	"sync/atomic"
	"testing"
	"time"

	quic "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/internal/benchtest"
)

// datagramSize is the payload of the DATAGRAM frames of benchmarks.
const datagramSize = 1200

// BenchmarkDatagrams sends datagrams over loopback sockets as fast as SendDatagram takes them. One operation is one that was
// sent. How many of them have reached the application of the peer is reported too: nothing makes up for those that a queue has
// dropped.
func BenchmarkDatagrams(b *testing.B) {
	p := newBulkPair(b, &quic.Config{EnableDatagrams: true})
	var received atomic.Int64
	go func() {
		for {
			if _, err := p.server.ReceiveDatagram(b.Context()); err != nil {
				return
			}
			received.Add(1)
		}
	}()
	b.SetBytes(datagramSize)
	b.ReportAllocs()
	cpu := benchtest.StartCPU()
	for b.Loop() {
		if err := p.client.SendDatagram(benchData[:datagramSize]); err != nil {
			b.Fatal(err)
		}
	}
	settled(&received)
	cpu.Report(b)
	b.ReportMetric(100*float64(received.Load())/float64(b.N), "%delivered")
}

// settled waits until a counter has stopped.
func settled(n *atomic.Int64) {
	for last := int64(-1); n.Load() != last; time.Sleep(50 * time.Millisecond) {
		last = n.Load()
	}
}
