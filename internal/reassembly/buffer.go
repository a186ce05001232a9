package reassembly

import (
	"errors"
	"sort"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/rangeset"
)

// ErrTooManyGaps reports that a range would leave more than protocol.MaxStreamGaps gaps.
var ErrTooManyGaps = errors.New("too many gaps in received data")

// A Buffer holds received bytes that were not read. The zero value is empty.
//
// readOffset <= contiguousEnd <= highest.
type Buffer struct {
	nook          *nook // all that is stored, if it is not nil
	blocks        blocks
	readOffset    protocol.ByteCount
	contiguousEnd protocol.ByteCount
	highest       protocol.ByteCount
	ahead         rangeset.Set[protocol.ByteCount] // behind a gap; every range starts above contiguousEnd
}

// Push stores a copy of data, which starts at off. Bytes that are there already do not matter; of
// bytes that differ from earlier ones at the same offset, any copy may be read, but one that lies
// before ContiguousEnd does not change any more.
// gapsDelta is the change of Gaps. After an error nothing of data is stored.
//
// The caller has checked the end of data against what the peer may send.
func (b *Buffer) Push(off protocol.ByteCount, data []byte) (gapsDelta int, err error) {
	end := off + protocol.ByteCount(len(data))
	if end <= b.contiguousEnd || len(data) == 0 {
		return 0, nil
	}
	if off < b.contiguousEnd {
		data = data[b.contiguousEnd-off:]
		off = b.contiguousEnd
	}
	if off == b.contiguousEnd && b.pushNook(data) {
		return 0, nil
	}
	b.leaveNook()
	gaps := b.ahead.Len()
	if off > b.contiguousEnd {
		if gaps >= protocol.MaxStreamGaps && !b.touchesAhead(off, end) {
			return 0, ErrTooManyGaps
		}
		b.copyMissing(off, data)
		b.ahead.Add(off, end)
	} else {
		b.copyMissing(off, data)
		b.contiguousEnd = end
		b.closeGaps()
	}
	b.highest = max(b.highest, end)
	return b.ahead.Len() - gaps, nil
}

// pushNook stores data, which is next, in a nook, if nothing is stored elsewhere and it has room.
func (b *Buffer) pushNook(data []byte) bool {
	end := b.contiguousEnd + protocol.ByteCount(len(data))
	if b.nook == nil {
		if b.readOffset != b.highest || len(data) > nookSize {
			return false
		}
		b.nook = nookPool.Get().(*nook)
		b.nook.start = b.contiguousEnd
	}
	if !b.nook.fits(end) {
		return false
	}
	copy(b.nook.view(b.contiguousEnd, end), data)
	b.contiguousEnd, b.highest = end, end
	return true
}

// leaveNook moves what is in a nook into blocks.
func (b *Buffer) leaveNook() {
	if b.nook == nil {
		return
	}
	b.blocks.copyIn(b.readOffset, b.nook.view(b.readOffset, b.contiguousEnd))
	b.dropNook()
}

func (b *Buffer) dropNook() {
	if b.nook != nil {
		nookPool.Put(b.nook)
		b.nook = nil
	}
}

// view returns the bytes from off on that lie together. Some must be there.
func (b *Buffer) view(off protocol.ByteCount) []byte {
	if b.nook != nil {
		return b.nook.view(off, b.contiguousEnd)
	}
	return b.blocks.view(off)
}

// copyMissing copies what is not there yet: of bytes that come twice the first ones count, also behind a gap, so
// that a peer that sends different ones cannot choose later (RFC 9000, Section 2.2).
func (b *Buffer) copyMissing(off protocol.ByteCount, data []byte) {
	n := b.ahead.Len()
	end := off + protocol.ByteCount(len(data))
	for i := sort.Search(n, func(i int) bool { return b.ahead.At(i).End > off }); i < n && b.ahead.At(i).Start < end; i++ {
		r := b.ahead.At(i)
		if off < r.Start {
			b.blocks.copyIn(off, data[:r.Start-off])
		}
		if r.End >= end {
			return
		}
		data, off = data[r.End-off:], r.End
	}
	b.blocks.copyIn(off, data)
}

// Read copies bytes in order into p and consumes them. It returns 0 if the next byte is missing.
func (b *Buffer) Read(p []byte) int {
	n := b.Peek(p)
	b.Consume(n)
	return n
}

// Peek copies bytes in order into p, without consuming them.
func (b *Buffer) Peek(p []byte) int {
	n := int(min(protocol.ByteCount(len(p)), b.contiguousEnd-b.readOffset))
	for done := 0; done < n; {
		done += copy(p[done:n], b.view(b.readOffset+protocol.ByteCount(done)))
	}
	return n
}

// Next returns the next bytes in order, as many as lie together, or nil if the next byte is missing.
// They are valid until Consume or Release.
func (b *Buffer) Next() []byte {
	n := b.contiguousEnd - b.readOffset
	if n == 0 {
		return nil
	}
	view := b.view(b.readOffset)
	return view[:min(n, protocol.ByteCount(len(view)))]
}

// Consume gives up the next n bytes, which must be there.
func (b *Buffer) Consume(n int) {
	if n < 0 || protocol.ByteCount(n) > b.contiguousEnd-b.readOffset {
		panic("BUG: reassembly: consumed bytes that are not there")
	}
	b.readOffset += protocol.ByteCount(n)
	if b.readOffset == b.highest {
		b.dropNook()
		b.blocks.releaseAll(b.readOffset)
		return
	}
	if b.nook == nil {
		b.blocks.release(b.readOffset)
	}
}

// ReadOffset returns the number of bytes consumed so far.
func (b *Buffer) ReadOffset() protocol.ByteCount { return b.readOffset }

// ContiguousEnd returns the offset of the first missing byte.
func (b *Buffer) ContiguousEnd() protocol.ByteCount { return b.contiguousEnd }

// Highest returns the offset behind the highest byte received.
func (b *Buffer) Highest() protocol.ByteCount { return b.highest }

// Gaps returns the number of gaps below Highest.
func (b *Buffer) Gaps() int { return b.ahead.Len() }

// Buffered returns the number of bytes that are held, also those behind gaps.
func (b *Buffer) Buffered() protocol.ByteCount {
	return b.contiguousEnd - b.readOffset + b.ahead.Size()
}

// Release drops the bytes that are held and returns the memory. ReadOffset stays, and so does Highest.
func (b *Buffer) Release() {
	b.dropNook()
	b.blocks.releaseAll(b.readOffset)
	b.blocks.list = nil
	b.contiguousEnd = b.readOffset
	b.ahead = rangeset.Set[protocol.ByteCount]{}
}

// closeGaps takes in the ranges that contiguousEnd has reached.
func (b *Buffer) closeGaps() {
	n := 0
	for ; n < b.ahead.Len() && b.ahead.At(n).Start <= b.contiguousEnd; n++ {
		b.contiguousEnd = max(b.contiguousEnd, b.ahead.At(n).End)
	}
	if n > 0 {
		b.ahead.DropFirst(n)
	}
}

// touchesAhead reports whether [off, end) overlaps or adjoins a range behind a gap.
func (b *Buffer) touchesAhead(off, end protocol.ByteCount) bool {
	i := sort.Search(b.ahead.Len(), func(i int) bool { return b.ahead.At(i).End >= off })
	return i < b.ahead.Len() && b.ahead.At(i).Start <= end
}
