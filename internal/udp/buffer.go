package udp

import (
	"sync"
	"sync/atomic"
)

// Sizes of buffers. A read of n bytes ends in the smallest class that has room for it.
const (
	smallBuffer  = 2 << 10
	mediumBuffer = 16 << 10
	largeBuffer  = 64 << 10 // holds every datagram and every coalesced train
)

// A Buffer is reference counted memory of received datagrams. The holder of the last reference gives
// the memory back by Release; no reader of the bytes may be left then.
type Buffer struct {
	refs atomic.Int32
	data []byte
}

var (
	smallPool  = sync.Pool{New: func() any { return &Buffer{data: make([]byte, smallBuffer)} }}
	mediumPool = sync.Pool{New: func() any { return &Buffer{data: make([]byte, mediumBuffer)} }}
	largePool  = sync.Pool{New: func() any { return &Buffer{data: make([]byte, largeBuffer)} }}
)

// held counts the Buffers that somebody holds, see CountBuffers.
var held atomic.Pointer[atomic.Int64]

// CountBuffers makes n follow how many Buffers are held, until the next call; nil ends it. It is for tests of what
// becomes of them.
func CountBuffers(n *atomic.Int64) { held.Store(n) }

// getBuffer returns a Buffer with one reference and room for n bytes, n <= largeBuffer.
func getBuffer(n int) *Buffer {
	var b *Buffer
	switch {
	case n <= smallBuffer:
		b = smallPool.Get().(*Buffer)
	case n <= mediumBuffer:
		b = mediumPool.Get().(*Buffer)
	default:
		b = largePool.Get().(*Buffer)
	}
	b.refs.Store(1)
	if n := held.Load(); n != nil {
		n.Add(1)
	}
	return b
}

// NewBuffer returns a Buffer with one reference that holds a copy of data, and the copy. It is for
// packets that do not come from a Conn. It panics if data is longer than any datagram.
func NewBuffer(data []byte) (*Buffer, []byte) {
	if len(data) > largeBuffer {
		panic("BUG: buffer for more than a datagram")
	}
	b := getBuffer(len(data))
	n := copy(b.data, data)
	return b, b.data[:n:n]
}

// Retain adds a reference.
func (b *Buffer) Retain() { b.retain(1) }

func (b *Buffer) retain(n int32) {
	if b.refs.Add(n) <= n {
		panic("BUG: Retain of a released buffer")
	}
}

// Release drops a reference.
func (b *Buffer) Release() {
	n := b.refs.Add(-1)
	if n > 0 {
		return
	}
	if n < 0 {
		panic("BUG: Release of a released buffer")
	}
	if n := held.Load(); n != nil {
		n.Add(-1)
	}
	switch len(b.data) {
	case smallBuffer:
		smallPool.Put(b)
	case mediumBuffer:
		mediumPool.Put(b)
	default:
		largePool.Put(b)
	}
}

// Size returns how many bytes of memory the buffer pins.
func (b *Buffer) Size() int { return len(b.data) }
