package quic_test

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	quic "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/internal/testcert"
	"github.com/quic-go/quic-go/qlog"
)

// bulkSize is what one transfer of BenchmarkQlogOverhead moves.
const bulkSize = 32 << 20

// BenchmarkQlogOverhead moves data over loopback sockets, in turns without traces and with one of each side in a file. It
// reports both throughputs, and by how much that with traces is lower.
func BenchmarkQlogOverhead(b *testing.B) {
	b.Run("packets of 1452 bytes", func(b *testing.B) {
		benchmarkOverhead(b, quic.Config{InitialPacketSize: 1452, DisablePathMTUDiscovery: true})
	})
	b.Run("packets as large as the path allows", func(b *testing.B) { benchmarkOverhead(b, quic.Config{}) })
}

func benchmarkOverhead(b *testing.B, conf quic.Config) {
	b.Setenv("QLOGDIR", b.TempDir())
	plain := newBulkPair(b, conf.Clone())
	conf.Tracer = qlog.DefaultConnectionTracer
	logged := newBulkPair(b, &conf)
	plain.transfer(b) // both have left slow start when the measurement begins
	logged.transfer(b)
	var off, on time.Duration
	b.SetBytes(2 * bulkSize)
	for b.Loop() {
		off += plain.transfer(b)
		on += logged.transfer(b)
	}
	moved := float64(b.N) * bulkSize / 1e6
	b.ReportMetric(moved/off.Seconds(), "plain-MB/s")
	b.ReportMetric(moved/on.Seconds(), "logged-MB/s")
	b.ReportMetric(100*(1-off.Seconds()/on.Seconds()), "%slower")
}

// A bulkPair is a connection between two sockets of the loopback interface.
type bulkPair struct {
	client, server *quic.Conn
}

func newBulkPair(b *testing.B, conf *quic.Config) *bulkPair {
	b.Helper()
	ln, err := quic.ListenAddr("127.0.0.1:0", testcert.ServerConfig("bulk"), conf)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { ln.Close() })
	client, err := quic.DialAddr(b.Context(), ln.Addr().(*net.UDPAddr).String(), testcert.ClientConfig("bulk"), conf)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { client.CloseWithError(0, "") })
	server, err := ln.Accept(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	return &bulkPair{client, server}
}

// transfer moves bulkSize bytes to the client.
func (p *bulkPair) transfer(b *testing.B) time.Duration {
	b.Helper()
	start := time.Now()
	failed := make(chan error, 1)
	go func() { failed <- p.send(b.Context()) }()
	s, err := p.client.AcceptUniStream(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	n, err := io.Copy(io.Discard, s)
	if err = errors.Join(err, <-failed); err != nil || n != bulkSize {
		b.Fatalf("moved %d bytes: %v", n, err)
	}
	return time.Since(start)
}

func (p *bulkPair) send(ctx context.Context) error {
	s, err := p.server.OpenUniStreamSync(ctx)
	if err != nil {
		return err
	}
	chunk := make([]byte, 1<<16)
	for range bulkSize / len(chunk) {
		if _, err := s.Write(chunk); err != nil {
			return err
		}
	}
	return s.Close()
}
