package quic_test

import (
	"testing"
	"time"

	quic "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/internal/benchtest"
)

// BenchmarkIdleConnections makes connections over loopback sockets and reports what each of them takes when nothing happens on
// it any more, both ends together.
func BenchmarkIdleConnections(b *testing.B) {
	const conns = 100
	d := newDialer(b, nil)
	if err := d.handshake(b.Context()); err != nil {
		b.Fatal(err)
	}
	var held int64
	for b.Loop() {
		before := benchtest.Memory()
		var open [2 * conns]*quic.Conn
		for i := range conns {
			client, server, err := d.dial(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			open[2*i], open[2*i+1] = client, server
		}
		time.Sleep(200 * time.Millisecond) // until the path MTU is found and what is sent is acknowledged
		held += benchtest.Memory() - before
		for i := range conns {
			if err := hangUp(open[2*i], open[2*i+1]); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(held)/float64(b.N*conns), "B/conn")
}

// BenchmarkIdleStreams opens streams on a connection over loopback sockets and reports what each of them takes when nothing
// happens on it any more, both ends together: after one byte in each direction, and while one byte waits for its reader at
// each end.
func BenchmarkIdleStreams(b *testing.B) {
	b.Run("nothing unread", func(b *testing.B) { benchmarkIdleStreams(b, true) })
	b.Run("one byte unread", func(b *testing.B) { benchmarkIdleStreams(b, false) })
}

func benchmarkIdleStreams(b *testing.B, read bool) {
	const streams = 1000
	var held int64
	for b.Loop() {
		p := newBulkPair(b, &quic.Config{MaxIncomingStreams: streams + 1})
		open := make([]*quic.Stream, 0, 2*streams)
		openPair(b, p.client, p.server, open, true) // grows what is shared
		before := benchtest.Memory()
		for range streams {
			open = openPair(b, p.client, p.server, open, read)
		}
		time.Sleep(200 * time.Millisecond) // until everything is acknowledged
		held += benchtest.Memory() - before
		b.StopTimer()
		p.client.CloseWithError(0, "")
		<-p.server.Context().Done()
		b.StartTimer()
		clear(open)
	}
	b.ReportMetric(float64(held)/float64(b.N*streams), "B/stream")
}

// openPair opens a stream, sends a byte each way, reads both if it shall, and appends the ends of the stream to open.
func openPair(tb testing.TB, client, server *quic.Conn, open []*quic.Stream, read bool) []*quic.Stream {
	tb.Helper()
	near, err := client.OpenStream()
	if err != nil {
		tb.Fatal(err)
	}
	if err := writeByte(near); err != nil {
		tb.Fatal(err)
	}
	far, err := server.AcceptStream(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	if err := writeByte(far); err != nil {
		tb.Fatal(err)
	}
	if !read {
		return append(open, near, far)
	}
	for _, s := range []*quic.Stream{near, far} {
		var one [1]byte
		if _, err := s.Read(one[:]); err != nil {
			tb.Fatal(err)
		}
	}
	return append(open, near, far)
}
