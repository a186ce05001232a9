//go:build !race

package reassembly

import (
	"testing"

	"github.com/quic-go/quic-go/internal/protocol"
)

// The race detector makes sync.Pool forget at random, so this file is not built with it.

const packet = 1200

func TestNoAllocationsPerPacket(t *testing.T) {
	data, p := make([]byte, packet), make([]byte, packet)
	for _, test := range []struct {
		name   string
		behind int // packets that wait for the reader
		swap   bool
	}{
		{"the reader keeps up", 0, false},
		{"the reader is behind", 300, false},
		{"packets arrive in pairs that are swapped", 0, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			var b Buffer
			for range test.behind {
				b.Push(b.Highest(), data)
			}
			round := func() {
				if test.swap {
					b.Push(b.Highest()+packet, data)
					b.Push(b.ContiguousEnd(), data)
					b.Read(p)
					b.Read(p)
					return
				}
				b.Push(b.Highest(), data)
				b.Read(p)
			}
			for range 2000 {
				round()
			}
			if allocs := testing.AllocsPerRun(2000, round); allocs != 0 {
				t.Errorf("%v allocations per packet, want 0", allocs)
			}
		})
	}
}

func BenchmarkInOrder(b *testing.B) {
	var buf Buffer
	data, p := make([]byte, packet), make([]byte, packet)
	b.SetBytes(packet)
	b.ReportAllocs()
	for b.Loop() {
		buf.Push(buf.Highest(), data)
		buf.Read(p)
	}
}

// BenchmarkBehind has 6 MiB between the sender and the reader.
func BenchmarkBehind(b *testing.B) {
	var buf Buffer
	data, p := make([]byte, packet), make([]byte, packet)
	buf.Push(0, make([]byte, 6<<20))
	b.SetBytes(packet)
	b.ReportAllocs()
	for b.Loop() {
		buf.Push(buf.Highest(), data)
		buf.Read(p)
	}
}

// BenchmarkManyGaps adds to a range in the midst of as many gaps as there may be.
func BenchmarkManyGaps(b *testing.B) {
	data := make([]byte, 1)
	var buf Buffer
	for i := range protocol.ByteCount(protocol.MaxStreamGaps) {
		buf.Push(100*i+1, data)
	}
	off := protocol.ByteCount(100*protocol.MaxStreamGaps/2 + 1)
	i := protocol.ByteCount(0)
	b.ReportAllocs()
	for b.Loop() {
		buf.Push(off+i%90, data)
		i++
	}
}
