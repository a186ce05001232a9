package sendbuf

import (
	"slices"
	"sort"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/rangeset"
)

// maxIdleChunkList is the capacity of the list of chunks that an idle Buffer may keep; it suffices for 1 MiB.
const maxIdleChunkList = 80

// A Buffer holds what was written and is not acknowledged. The zero value is empty.
//
// ackedTo <= sent <= end. The bytes in [ackedTo, end) are held; those in [ackedTo, sent) are
// acknowledged, lost or in flight.
type Buffer struct {
	chunks  []chunk // ascending, without holes; the first one contains ackedTo
	ackedTo protocol.ByteCount
	sent    protocol.ByteCount
	end     protocol.ByteCount
	acked   rangeset.Set[protocol.ByteCount] // above ackedTo
	lost    rangeset.Set[protocol.ByteCount] // disjoint from what is acknowledged
}

// Write appends p, which is copied.
func (b *Buffer) Write(p []byte) {
	for len(p) > 0 {
		if len(b.chunks) == 0 || b.chunks[len(b.chunks)-1].end() == b.end {
			b.chunks = append(b.chunks, newChunk(b.end, b.held()+protocol.ByteCount(len(p))))
		}
		last := b.chunks[len(b.chunks)-1]
		n := copy(last.mem[b.end-last.off:], p)
		b.end += protocol.ByteCount(n)
		p = p[n:]
	}
}

// End returns the offset behind the last written byte.
func (b *Buffer) End() protocol.ByteCount { return b.end }

// Sent returns the offset of the first byte that was never sent.
func (b *Buffer) Sent() protocol.ByteCount { return b.sent }

// Unsent returns the number of bytes that were never sent.
func (b *Buffer) Unsent() protocol.ByteCount { return b.end - b.sent }

// Unacked returns the number of bytes that were written and not acknowledged.
func (b *Buffer) Unacked() protocol.ByteCount { return b.end - b.ackedTo - b.acked.Size() }

// HasLost reports whether bytes have to be sent again.
func (b *Buffer) HasLost() bool { return b.lost.Len() > 0 }

// NextLost returns the first lost range, cut to max bytes. It stays lost until MarkSent.
// n is 0 if nothing is lost.
func (b *Buffer) NextLost(max int) (off protocol.ByteCount, n int) {
	if b.lost.Len() == 0 {
		return 0, 0
	}
	r := b.lost.At(0)
	return r.Start, int(min(r.Len(), protocol.ByteCount(max)))
}

// NextLostIn is NextLost for the lost bytes of [start, end) only.
func (b *Buffer) NextLostIn(start, end protocol.ByteCount, limit int) (off protocol.ByteCount, n int) {
	for i := range b.lost.Len() {
		r := b.lost.At(i)
		if from, to := max(r.Start, start), min(r.End, end); from < to {
			return from, int(min(to-from, protocol.ByteCount(limit)))
		}
	}
	return 0, 0
}

// CopyTo fills dst with the bytes from off on. They must be held.
func (b *Buffer) CopyTo(dst []byte, off protocol.ByteCount) {
	if off < b.ackedTo || off+protocol.ByteCount(len(dst)) > b.end {
		panic("BUG: sendbuf: copy of bytes that are not held")
	}
	if len(dst) == 0 {
		return
	}
	i := sort.Search(len(b.chunks), func(i int) bool { return b.chunks[i].end() > off })
	for len(dst) > 0 {
		c := b.chunks[i]
		n := copy(dst, c.mem[off-c.off:])
		dst = dst[n:]
		off += protocol.ByteCount(n)
		i++
	}
}

// MarkSent records that [off, off+n) was sent, for the first time or again.
func (b *Buffer) MarkSent(off protocol.ByteCount, n int) {
	end := off + protocol.ByteCount(n)
	if end > b.end {
		panic("BUG: sendbuf: sent more than was written")
	}
	if b.lost.Len() > 0 {
		b.lost.Remove(off, end)
	}
	b.sent = max(b.sent, end)
}

// Ack records that [off, off+n) was acknowledged. Bytes that are acknowledged already do not matter.
func (b *Buffer) Ack(off, n protocol.ByteCount) {
	off, end := max(off, b.ackedTo), min(off+n, b.sent)
	if off >= end {
		return
	}
	if b.lost.Len() > 0 {
		b.lost.Remove(off, end)
	}
	if off > b.ackedTo {
		b.acked.Add(off, end)
		return
	}
	b.ackedTo = end
	merged := 0
	for ; merged < b.acked.Len() && b.acked.At(merged).Start <= b.ackedTo; merged++ {
		b.ackedTo = max(b.ackedTo, b.acked.At(merged).End)
	}
	if merged > 0 {
		b.acked.DropFirst(merged)
	}
	b.freeAcked()
}

// Lost records that [off, off+n) was lost, except for what is acknowledged.
func (b *Buffer) Lost(off, n protocol.ByteCount) {
	off, end := max(off, b.ackedTo), min(off+n, b.sent)
	if off >= end {
		return
	}
	b.lost.Add(off, end)
	i := sort.Search(b.acked.Len(), func(i int) bool { return b.acked.At(i).End > off })
	for ; i < b.acked.Len() && b.acked.At(i).Start < end; i++ {
		b.lost.Remove(b.acked.At(i).Start, b.acked.At(i).End)
	}
}

// AckedTo reports whether every byte below end is acknowledged.
func (b *Buffer) AckedTo(end protocol.ByteCount) bool { return b.ackedTo >= end }

// Truncate forgets the bytes from end on, as if they had never been written.
func (b *Buffer) Truncate(end protocol.ByteCount) {
	if end >= b.end {
		return
	}
	b.acked.Remove(end, b.end)
	b.lost.Remove(end, b.end)
	b.end = end
	b.sent = min(b.sent, end)
	b.ackedTo = min(b.ackedTo, end)
	for n := len(b.chunks); n > 0 && b.chunks[n-1].off >= end; n-- {
		b.chunks[n-1].free()
		b.chunks[n-1] = chunk{}
		b.chunks = b.chunks[:n-1]
	}
	b.freeAcked()
}

// Release drops all bytes and returns the memory. All that was written counts as acknowledged then.
func (b *Buffer) Release() {
	b.ackedTo, b.sent = b.end, b.end
	b.freeAcked()
	b.chunks = nil
	b.acked = rangeset.Set[protocol.ByteCount]{}
	b.lost = rangeset.Set[protocol.ByteCount]{}
}

// held returns the number of bytes that the chunks hold, with those that are acknowledged.
func (b *Buffer) held() protocol.ByteCount {
	if len(b.chunks) == 0 {
		return 0
	}
	return b.end - b.chunks[0].off
}

// freeAcked returns the chunks at the front in which every byte is acknowledged, and all of them
// if there is nothing to hold.
func (b *Buffer) freeAcked() {
	n := 0
	for n < len(b.chunks) && (b.chunks[n].end() <= b.ackedTo || b.ackedTo == b.end) {
		b.chunks[n].free()
		n++
	}
	if n == 0 {
		return
	}
	b.chunks = slices.Delete(b.chunks, 0, n)
	if len(b.chunks) == 0 && cap(b.chunks) > maxIdleChunkList {
		b.chunks = nil
	}
}
