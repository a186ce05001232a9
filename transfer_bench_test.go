package quic_test

import (
	"context"
	"fmt"
	"io"
	"testing"

	quic "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/internal/benchtest"
)

// transferSize is what an operation of the benchmarks of this file moves.
const transferSize = 8 << 20

// BenchmarkDownload moves data from the server to the client over loopback sockets, on one stream and on a hundred at once.
func BenchmarkDownload(b *testing.B) {
	for _, streams := range []int{1, 100} {
		b.Run(fmt.Sprintf("streams=%d", streams), func(b *testing.B) {
			p := newBulkPair(b, &quic.Config{})
			benchmarkTransfer(b, p.server, p.client, streams)
		})
	}
}

// BenchmarkUpload is BenchmarkDownload in the other direction.
func BenchmarkUpload(b *testing.B) {
	for _, streams := range []int{1, 100} {
		b.Run(fmt.Sprintf("streams=%d", streams), func(b *testing.B) {
			p := newBulkPair(b, &quic.Config{})
			benchmarkTransfer(b, p.client, p.server, streams)
		})
	}
}

func benchmarkTransfer(b *testing.B, from, to *quic.Conn, streams int) {
	move(b, from, to, streams) // leaves slow start
	b.SetBytes(transferSize)
	b.ReportAllocs()
	cpu := benchtest.StartCPU()
	for b.Loop() {
		move(b, from, to, streams)
	}
	cpu.Report(b)
}

// move sends transferSize bytes, divided between new unidirectional streams, and waits until all have arrived.
func move(b *testing.B, from, to *quic.Conn, streams int) {
	b.Helper()
	size := int64(transferSize / streams)
	done := make(chan error, 2*streams)
	for range streams {
		go func() { done <- sendBenchData(b.Context(), from, size) }()
		go func() { done <- discardStream(b.Context(), to, size) }()
	}
	for range 2 * streams {
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
}

// benchData is what benchmarks send; nobody writes to it.
var benchData = make([]byte, 64<<10)

func sendBenchData(ctx context.Context, c *quic.Conn, size int64) error {
	s, err := c.OpenUniStreamSync(ctx)
	if err != nil {
		return err
	}
	for left := size; left > 0; {
		n, err := s.Write(benchData[:min(left, int64(len(benchData)))])
		if err != nil {
			return err
		}
		left -= int64(n)
	}
	return s.Close()
}

func discardStream(ctx context.Context, c *quic.Conn, want int64) error {
	s, err := c.AcceptUniStream(ctx)
	if err != nil {
		return err
	}
	n, err := io.Copy(io.Discard, s)
	if err == nil && n != want {
		err = fmt.Errorf("%d bytes have arrived, want %d", n, want)
	}
	return err
}
