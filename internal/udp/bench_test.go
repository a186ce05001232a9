package udp

import (
	"testing"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
)

const benchPacket = 1452

// drain reads and releases until the deadline, and returns how many packets there were.
func drain(c Conn) int {
	pkts := make([]Packet, 64)
	for n := 0; ; {
		k, err := c.ReadBatch(pkts)
		if err != nil {
			return n
		}
		n += k
		for i := range pkts[:k] {
			pkts[i].Buffer.Release()
		}
	}
}

// benchmarkSend sends to a reader that keeps up or does not: one operation is one packet.
func benchmarkSend(b *testing.B, segments int, o Options) {
	client := wrap(b, listen(b, "udp4", "127.0.0.1:0"), o)
	server := wrap(b, listen(b, "udp4", "127.0.0.1:0"), Options{})
	done := make(chan int)
	go func() { done <- drain(server) }()
	data, d := payload(segments*benchPacket), to(server)
	b.SetBytes(benchPacket)
	b.ReportAllocs()
	b.ResetTimer()
	for sent := 0; sent < b.N; sent += segments {
		if err := client.WriteBatch(data, benchPacket, protocol.ECT0, d); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	_ = server.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	b.ReportMetric(100*float64(<-done)/float64((b.N+segments-1)/segments*segments), "%received")
}

func BenchmarkSendSingle(b *testing.B) { benchmarkSend(b, 1, Options{}) }
func BenchmarkSendGSO14(b *testing.B)  { benchmarkSend(b, 14, Options{}) }
func BenchmarkSendGSO44(b *testing.B)  { benchmarkSend(b, 44, Options{}) }
func BenchmarkSend44WithoutGSO(b *testing.B) {
	benchmarkSend(b, 44, Options{DisableGSO: true})
}

// benchmarkReceive fills the receive buffer outside the measured time: one operation is one packet.
func benchmarkReceive(b *testing.B, segments int) {
	client := wrap(b, listen(b, "udp4", "127.0.0.1:0"), Options{})
	server := wrap(b, listen(b, "udp4", "127.0.0.1:0"), Options{})
	data, d := payload(segments*benchPacket), to(server)
	pkts := make([]Packet, 64)
	b.SetBytes(benchPacket)
	b.ReportAllocs()
	b.ResetTimer()
	for got := 0; got < b.N; {
		b.StopTimer()
		fill := max(1, 44/segments)
		for range fill {
			if err := client.WriteBatch(data, benchPacket, protocol.ECT0, d); err != nil {
				b.Fatal(err)
			}
		}
		b.StartTimer()
		for left := fill * segments; left > 0; {
			k, err := server.ReadBatch(pkts)
			if err != nil {
				b.Fatal(err)
			}
			for i := range pkts[:k] {
				pkts[i].Buffer.Release()
			}
			left -= k
			got += k
		}
	}
}

func BenchmarkReceiveSingles(b *testing.B) { benchmarkReceive(b, 1) }
func BenchmarkReceiveGRO14(b *testing.B)   { benchmarkReceive(b, 14) }
func BenchmarkReceiveGRO44(b *testing.B)   { benchmarkReceive(b, 44) }

func BenchmarkParseControl(b *testing.B) {
	d := &Destination{Remote: RemoteFrom(listen(b, "udp4", "127.0.0.1:0").LocalAddr()), IfIndex: 1}
	oob := appendControl(nil, d, protocol.ECT0, 1200, &features{pktinfo: true})
	b.ReportAllocs()
	for b.Loop() {
		ParseControl(oob)
	}
}
