package sendbuf

import (
	"sync"

	"github.com/quic-go/quic-go/internal/protocol"
)

// Sizes of chunks: a request of a few hundred bytes must not cost the memory of a bulk transfer.
const (
	smallChunk  = 1 << 10
	mediumChunk = 4 << 10
	largeChunk  = 16 << 10
)

var (
	smallChunks  = sync.Pool{New: func() any { return new([smallChunk]byte) }}
	mediumChunks = sync.Pool{New: func() any { return new([mediumChunk]byte) }}
	largeChunks  = sync.Pool{New: func() any { return new([largeChunk]byte) }}
)

// A chunk is memory for the bytes from offset off on.
type chunk struct {
	off protocol.ByteCount
	mem []byte
}

func (c chunk) end() protocol.ByteCount { return c.off + protocol.ByteCount(len(c.mem)) }

// newChunk returns a chunk whose size suits a Buffer that holds n bytes.
func newChunk(off, n protocol.ByteCount) chunk {
	switch {
	case n <= smallChunk:
		return chunk{off: off, mem: smallChunks.Get().(*[smallChunk]byte)[:]}
	case n <= mediumChunk:
		return chunk{off: off, mem: mediumChunks.Get().(*[mediumChunk]byte)[:]}
	}
	return chunk{off: off, mem: largeChunks.Get().(*[largeChunk]byte)[:]}
}

// free returns the memory. The chunk must not be used again.
func (c chunk) free() {
	switch len(c.mem) {
	case smallChunk:
		smallChunks.Put((*[smallChunk]byte)(c.mem))
	case mediumChunk:
		mediumChunks.Put((*[mediumChunk]byte)(c.mem))
	case largeChunk:
		largeChunks.Put((*[largeChunk]byte)(c.mem))
	}
}
