package reassembly

import (
	"fmt"
	"testing"

	"github.com/quic-go/quic-go/internal/protocol"
)

// BenchmarkShortMessage is the life of a stream with one short message: it arrives, is read, and the memory is given back.
func BenchmarkShortMessage(b *testing.B) {
	for _, size := range []int{1, 60, 1000} {
		b.Run(fmt.Sprintf("size=%d", size), func(b *testing.B) {
			data, p := make([]byte, size), make([]byte, 1200)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				var buf Buffer
				if _, err := buf.Push(0, data); err != nil {
					b.Fatal(err)
				}
				buf.Read(p)
				buf.Release()
			}
		})
	}
}

// BenchmarkShortPieces reads a long stream that comes in pieces of 20 bytes, one at a time.
func BenchmarkShortPieces(b *testing.B) {
	data, p := make([]byte, 20), make([]byte, 1200)
	var buf Buffer
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := buf.Push(buf.Highest(), data); err != nil {
			b.Fatal(err)
		}
		buf.Read(p)
	}
}

// BenchmarkSwapped takes in packets that arrive in pairs in the wrong order.
func BenchmarkSwapped(b *testing.B) {
	const size = protocol.ByteCount(1200)
	data, p := make([]byte, size), make([]byte, 2*size)
	var buf Buffer
	b.SetBytes(2 * int64(size))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := buf.Push(buf.ContiguousEnd()+size, data); err != nil {
			b.Fatal(err)
		}
		if _, err := buf.Push(buf.ContiguousEnd(), data); err != nil {
			b.Fatal(err)
		}
		for buf.Read(p) > 0 {
		}
	}
}
