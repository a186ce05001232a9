package reassembly

import (
	"sync"

	"github.com/quic-go/quic-go/internal/protocol"
)

// nookSize is as much as a stream that carries a short message needs. An idle stream with an unread one does not hold a block.
const nookSize = 64

// A nook holds a few bytes in order, instead of a block, while nothing else is stored.
type nook struct {
	data  [nookSize]byte
	start protocol.ByteCount // offset of the first byte
}

var nookPool = sync.Pool{New: func() any { return new(nook) }}

// fits reports whether the bytes up to end have room.
func (n *nook) fits(end protocol.ByteCount) bool { return end-n.start <= nookSize }

func (n *nook) view(off, end protocol.ByteCount) []byte { return n.data[off-n.start : end-n.start] }
