package sendbuf

import (
	"fmt"
	"testing"

	"github.com/quic-go/quic-go/internal/protocol"
)

// BenchmarkShortMessage is the life of a stream with one short message: it is written, sent and acknowledged, and the memory is
// given back.
func BenchmarkShortMessage(b *testing.B) {
	for _, size := range []int{1, 60, 1000} {
		b.Run(fmt.Sprintf("size=%d", size), func(b *testing.B) {
			data, scratch := make([]byte, size), make([]byte, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				var buf Buffer
				buf.Write(data)
				buf.CopyTo(scratch, 0)
				buf.MarkSent(0, size)
				buf.Ack(0, protocol.ByteCount(size))
				buf.Release()
			}
		})
	}
}
