package quic_test

import (
	"context"
	"fmt"
	"io"
	"testing"

	quic "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/internal/benchtest"
)

// exchangeSize is the size of a request and of a response.
const exchangeSize = 1 << 10

// BenchmarkRequestResponse opens a bidirectional stream over loopback sockets for each operation, sends a request on it and
// reads the response: with one worker it is the latency, with many of them the throughput.
func BenchmarkRequestResponse(b *testing.B) {
	for _, workers := range []int{1, 64} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			p := newBulkPair(b, &quic.Config{})
			for range workers {
				go respond(b.Context(), p.server)
			}
			buffers := make([][exchangeSize + 1]byte, workers)
			benchtest.Workers(b, workers, func(worker int) error {
				return exchange(b.Context(), p.client, buffers[worker][:])
			})
		})
	}
}

// respond answers the streams of the peer, one after the other, until the connection ends.
func respond(ctx context.Context, c *quic.Conn) {
	buf := make([]byte, exchangeSize+1)
	for {
		s, err := c.AcceptStream(ctx)
		if err != nil {
			return
		}
		if answer(s, buf) != nil {
			return
		}
	}
}

func answer(s *quic.Stream, buf []byte) error {
	if err := readExactly(s, buf); err != nil {
		return err
	}
	if _, err := s.Write(buf[:exchangeSize]); err != nil {
		return err
	}
	return s.Close()
}

func exchange(ctx context.Context, c *quic.Conn, buf []byte) error {
	s, err := c.OpenStreamSync(ctx)
	if err != nil {
		return err
	}
	if _, err := s.Write(buf[:exchangeSize]); err != nil {
		return err
	}
	if err := s.Close(); err != nil {
		return err
	}
	return readExactly(s, buf)
}

// readExactly reads a stream to its end, which has to be exchangeSize bytes away. buf has room for one more.
func readExactly(s *quic.Stream, buf []byte) error {
	if n, err := io.ReadFull(s, buf); err != io.ErrUnexpectedEOF || n != exchangeSize {
		return fmt.Errorf("%d bytes were read, want %d: %v", n, exchangeSize, err)
	}
	return nil
}
