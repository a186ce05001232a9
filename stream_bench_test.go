package quic

import (
	"fmt"
	"testing"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/recovery"
	"github.com/quic-go/quic-go/internal/wire"
)

// BenchmarkStreamLife opens a unidirectional stream and takes it from Ready to its removal, with and without
// subscribers: five states and the packing and acknowledgement of the FIN.
func BenchmarkStreamLife(b *testing.B) {
	for observers := range 3 {
		b.Run(fmt.Sprintf("%d observers", observers), func(b *testing.B) {
			m := newBenchLink(b).client.m
			buf, recs := make([]byte, 0, testPacketSize), make([]recovery.Record, 0, 16)
			fn := func(StreamState) {}
			b.ReportAllocs()
			for b.Loop() {
				s, err := m.openUniStream()
				if err != nil {
					b.Fatal(err)
				}
				for range observers {
					s.OnStateTransition(fn)
				}
				s.Close()
				_, r := m.appendStreamFrames(buf, testPacketSize, recs)
				m.onAcked(&r[0])
				m.deliver()
			}
		})
	}
}

// BenchmarkStreamFrames packs data of a stream and takes it in at the other side.
func BenchmarkStreamFrames(b *testing.B) {
	l := newBenchLink(b)
	s, err := l.client.m.openUniStream()
	if err != nil {
		b.Fatal(err)
	}
	l.server.mustHandle(streamFrame(s.StreamID(), 0, "", false))
	r, err := l.server.m.acceptUniStream(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	data, buf, recs := make([]byte, 1100), make([]byte, 0, testPacketSize), make([]recovery.Record, 0, 16)
	var parser wire.Parser
	var f wire.Decoded
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		s.Write(data)
		p, packed := l.client.m.appendStreamFrames(buf, testPacketSize, recs)
		if _, err := parser.Next(p, protocol.Encryption1RTT, &f); err != nil {
			b.Fatal(err)
		}
		if err := l.server.m.handleStreamFrame(1, &f); err != nil {
			b.Fatal(err)
		}
		l.client.m.onAcked(&packed[0])
		r.Read(data)
		l.client.m.deliver()
		l.server.m.deliver()
	}
}

// newBenchLink is a link without limits.
func newBenchLink(b *testing.B) *testLink {
	return newTestLink(b, testParams{maxStreams: 1 << 40, window: 1 << 50, connWindow: 1 << 55})
}
