package reassembly

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/quic-go/quic-go/internal/protocol"
)

// payload returns the n bytes from offset off of a stream whose bytes tell their offset.
func payload(off protocol.ByteCount, n int) []byte {
	p := make([]byte, n)
	for i := range p {
		x := uint32(int(off)+i) * 2654435761
		p[i] = byte(x >> 24)
	}
	return p
}

func push(t *testing.T, b *Buffer, off protocol.ByteCount, n, wantDelta int) {
	t.Helper()
	before := b.Gaps()
	delta, err := b.Push(off, payload(off, n))
	if err != nil || delta != wantDelta || b.Gaps()-before != delta {
		t.Fatalf("Push(%d, %d bytes) = %d, %v and a change of Gaps by %d, want %d, nil", off, n, delta, err, b.Gaps()-before, wantDelta)
	}
}

// read reads with a buffer of n bytes and expects want bytes.
func read(t *testing.T, b *Buffer, n, want int) {
	t.Helper()
	off := b.ReadOffset()
	p := make([]byte, n)
	if got := b.Peek(p); got != want || !bytes.Equal(p[:got], payload(off, got)) {
		t.Fatalf("Peek(%d bytes) at %d = %d or other bytes, want %d", n, off, got, want)
	}
	clear(p)
	if got := b.Read(p); got != want || !bytes.Equal(p[:got], payload(off, got)) {
		t.Fatalf("Read(%d bytes) at %d = %d or other bytes, want %d", n, off, got, want)
	}
	if got := b.ReadOffset(); got != off+protocol.ByteCount(want) {
		t.Fatalf("ReadOffset() = %d, want %d", got, off+protocol.ByteCount(want))
	}
}

// blocksHeld counts the blocks that are held.
func blocksHeld(b *Buffer) (n int) {
	for _, block := range b.blocks.list {
		if block != nil {
			n++
		}
	}
	return n
}

func TestInOrder(t *testing.T) {
	var b Buffer
	for off := protocol.ByteCount(0); off < 100_000; off += 1000 {
		push(t, &b, off, 1000, 0)
		if b.Buffered() != 1000 || b.ContiguousEnd() != off+1000 || b.Highest() != off+1000 {
			t.Fatalf("Buffered, ContiguousEnd, Highest = %d, %d, %d at %d", b.Buffered(), b.ContiguousEnd(), b.Highest(), off)
		}
		read(t, &b, 400, 400)
		read(t, &b, 1000, 600)
		read(t, &b, 1000, 0)
		if n := blocksHeld(&b); n != 0 {
			t.Fatalf("%d blocks are held though everything was read", n)
		}
	}
}

// A short message needs no block, until more comes than its nook holds.
func TestShortMessages(t *testing.T) {
	for _, rest := range []struct{ off, n, gaps int }{{nookSize, 1, 0}, {10, nookSize, 0}, {nookSize + 10, 1, 1}, {20, 5, 1}} {
		var b Buffer
		push(t, &b, 0, 4, 0)
		push(t, &b, 2, 8, 0)
		if rest.off == nookSize {
			push(t, &b, 10, nookSize-10, 0)
		}
		read(t, &b, 5, 5)
		if n := blocksHeld(&b); n != 0 {
			t.Errorf("%d blocks are held", n)
		}
		held := int(b.Buffered())
		push(t, &b, protocol.ByteCount(rest.off), rest.n, rest.gaps)
		if n := blocksHeld(&b); n != 1 {
			t.Errorf("%d blocks are held", n)
		}
		if rest.gaps == 0 {
			held = rest.off + rest.n - 5
		}
		read(t, &b, 1000, held)
		b.Release()
	}
}

func TestGaps(t *testing.T) {
	var b Buffer
	push(t, &b, 5000, 1000, 1)
	read(t, &b, 10, 0)
	push(t, &b, 7000, 1000, 1)
	push(t, &b, 6500, 100, 1)
	if b.Buffered() != 2100 || b.ContiguousEnd() != 0 || b.Highest() != 8000 {
		t.Errorf("Buffered, ContiguousEnd, Highest = %d, %d, %d", b.Buffered(), b.ContiguousEnd(), b.Highest())
	}
	push(t, &b, 6000, 1000, -2) // closes the gaps from 6000 to 7000
	push(t, &b, 0, 100, 0)
	read(t, &b, 1000, 100)
	push(t, &b, 100, 4900, -1)
	if b.ContiguousEnd() != 8000 || b.Buffered() != 7900 {
		t.Errorf("ContiguousEnd, Buffered = %d, %d, want 8000, 7900", b.ContiguousEnd(), b.Buffered())
	}
	read(t, &b, 10_000, 7900)
}

func TestOverlaps(t *testing.T) {
	for _, test := range []struct {
		name   string
		pushes [][3]int // offset, length, change of the gaps
		read   int
	}{
		{"the same data again", [][3]int{{0, 100, 0}, {0, 100, 0}}, 100},
		{"a part of it again", [][3]int{{0, 100, 0}, {20, 50, 0}}, 100},
		{"more than before", [][3]int{{0, 100, 0}, {0, 200, 0}}, 200},
		{"half of it is new", [][3]int{{0, 100, 0}, {50, 100, 0}}, 150},
		{"nothing", [][3]int{{0, 0, 0}, {100, 0, 0}}, 0},
		{"the same ahead of a gap", [][3]int{{100, 100, 1}, {100, 100, 0}, {0, 100, -1}}, 200},
		{"more ahead of a gap", [][3]int{{100, 100, 1}, {50, 200, 0}, {0, 60, -1}}, 250},
		{"across ranges ahead of a gap", [][3]int{{100, 100, 1}, {300, 100, 1}, {150, 200, -1}, {0, 1000, -1}}, 1000},
		{"over the end of a block", [][3]int{{4000, 200, 1}, {4090, 10_000, 0}, {0, 4096, -1}}, 14_090},
	} {
		t.Run(test.name, func(t *testing.T) {
			var b Buffer
			for _, p := range test.pushes {
				push(t, &b, protocol.ByteCount(p[0]), p[1], p[2])
			}
			read(t, &b, 20_000, test.read)
			push(t, &b, 0, test.read, 0) // all of it once more
			read(t, &b, 20_000, 0)
			if n := blocksHeld(&b); n != 0 {
				t.Errorf("%d blocks are held though everything was read", n)
			}
		})
	}
}

// What can be read does not change when other bytes arrive for the same offset.
func TestOrderedBytesDoNotChange(t *testing.T) {
	var b Buffer
	push(t, &b, 0, 100, 0)
	view := b.Next()
	if _, err := b.Push(50, make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(view, payload(0, 100)) {
		t.Error("bytes in order changed")
	}
	p := make([]byte, 200)
	if n := b.Read(p); n != 150 || !bytes.Equal(p[:100], payload(0, 100)) || !bytes.Equal(p[100:150], make([]byte, 50)) {
		t.Errorf("Read() = %d or other bytes", n)
	}
}

func TestNextAndConsume(t *testing.T) {
	var b Buffer
	if b.Next() != nil {
		t.Error("Next of an empty Buffer is not nil")
	}
	push(t, &b, 0, 3*blockSize+100, 0)
	var got []byte
	for {
		view := b.Next()
		if view == nil {
			break
		}
		if len(view) > blockSize {
			t.Fatalf("Next gives %d bytes", len(view))
		}
		n := (len(view) + 1) / 2
		got = append(got, view[:n]...)
		b.Consume(n)
	}
	if !bytes.Equal(got, payload(0, 3*blockSize+100)) {
		t.Errorf("Next gave %d bytes or other ones than pushed", len(got))
	}
	defer func() {
		if recover() == nil {
			t.Error("no panic when more is consumed than is there")
		}
	}()
	b.Consume(1)
}

func TestTooManyGaps(t *testing.T) {
	var b Buffer
	for i := range protocol.MaxStreamGaps {
		push(t, &b, protocol.ByteCount(2*i+1), 1, 1)
	}
	end := protocol.ByteCount(2*protocol.MaxStreamGaps + 1)
	if _, err := b.Push(end, []byte{1}); !errors.Is(err, ErrTooManyGaps) {
		t.Fatalf("one gap more: %v, want ErrTooManyGaps", err)
	}
	if b.Highest() != end-1 || b.Gaps() != protocol.MaxStreamGaps || b.Buffered() != protocol.MaxStreamGaps {
		t.Error("the refused bytes have left traces")
	}
	push(t, &b, end-1, 1, 0) // adjoins the last range
	push(t, &b, 1, 10, -5)   // closes gaps
	push(t, &b, end+100, 1, 1)
	push(t, &b, 0, int(end)+101, -protocol.MaxStreamGaps+4)
	read(t, &b, 5000, int(end)+101)
}

func TestRelease(t *testing.T) {
	var b Buffer
	push(t, &b, 0, 10_000, 0)
	push(t, &b, 20_000, 10_000, 1)
	read(t, &b, 5000, 5000)
	b.Release()
	if blocksHeld(&b) != 0 || b.Buffered() != 0 || b.Gaps() != 0 {
		t.Errorf("after Release: %d blocks, %d bytes, %d gaps", blocksHeld(&b), b.Buffered(), b.Gaps())
	}
	if b.ReadOffset() != 5000 || b.Highest() != 30_000 || b.Next() != nil {
		t.Errorf("ReadOffset, Highest = %d, %d, want 5000, 30000", b.ReadOffset(), b.Highest())
	}
	push(t, &b, 5000, 100, 0)
	read(t, &b, 1000, 100)
	b.Release()
}

// Memory follows the offsets, however the peer cuts its data.
func TestMemoryOfFragments(t *testing.T) {
	const window = 128 << 10
	memory := func(b *Buffer) int {
		const pointer, byteRange = 8, 16
		// The list of ranges may have twice the capacity it needs.
		return blocksHeld(b)*blockSize + cap(b.blocks.list)*pointer + 2*b.Gaps()*byteRange
	}
	for _, test := range []struct {
		name string
		size int
		offs func() []protocol.ByteCount
	}{
		{"one byte of two, ascending", 1, func() (offs []protocol.ByteCount) {
			for off := protocol.ByteCount(1); len(offs) < protocol.MaxStreamGaps; off += 2 {
				offs = append(offs, off)
			}
			return offs
		}},
		{"one byte of two at the end, descending", 1, func() (offs []protocol.ByteCount) {
			for off := protocol.ByteCount(window - 1); len(offs) < protocol.MaxStreamGaps; off -= 2 {
				offs = append(offs, off)
			}
			return offs
		}},
		{"one byte in each block and more", 1, func() (offs []protocol.ByteCount) {
			for off := protocol.ByteCount(window / protocol.MaxStreamGaps); len(offs) < protocol.MaxStreamGaps-1; off += window / protocol.MaxStreamGaps {
				offs = append(offs, off)
			}
			return offs
		}},
		{"129 bytes at random places", 129, func() (offs []protocol.ByteCount) {
			rng := rand.New(rand.NewPCG(1, 1))
			for range 100_000 {
				offs = append(offs, protocol.ByteCount(rng.Int64N(window-129)))
			}
			return offs
		}},
		{"every byte in fragments of one byte, backwards", 1, func() (offs []protocol.ByteCount) {
			for off := range protocol.ByteCount(window) {
				offs = append(offs, off)
			}
			slices.Reverse(offs)
			return offs
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var b Buffer
			// Most of a window is read, so blocks do not begin where the window does.
			push(t, &b, 0, 5*blockSize+1, 0)
			read(t, &b, 6*blockSize, 5*blockSize+1)
			start := b.ReadOffset()
			most := 0
			for _, off := range test.offs() {
				if _, err := b.Push(start+off, payload(start+off, test.size)); err != nil && !errors.Is(err, ErrTooManyGaps) {
					t.Fatal(err)
				}
				most = max(most, memory(&b))
			}
			if limit := window + 64<<10; most > limit {
				t.Errorf("%d bytes are held, want at most %d", most, limit)
			}
			push(t, &b, start, window, -b.Gaps())
			read(t, &b, 2*window, window)
		})
	}
}

// The list of blocks does not grow with the length of the stream.
func TestBlockListStaysShort(t *testing.T) {
	for _, window := range []protocol.ByteCount{1, blockSize, 10 * blockSize, 100*blockSize - 1} {
		var b Buffer
		longest := 0
		push(t, &b, 0, int(window), 0)
		for off := window; off < 1000*blockSize; off += 1000 {
			push(t, &b, off, 1000, 0)
			read(t, &b, 1000, 1000)
			longest = max(longest, cap(b.blocks.list))
		}
		if limit := 4*int(window/blockSize) + 16; longest > limit {
			t.Errorf("window %d: list of %d blocks, want at most %d", window, longest, limit)
		}
	}
}

func TestRandomWalk(t *testing.T) {
	for seed := range uint64(8) {
		rng := rand.New(rand.NewPCG(seed, 2))
		var b Buffer
		var received []bool // for each offset
		readOffset := 0
		for step := range 500 {
			if rng.IntN(4) == 0 {
				p := make([]byte, rng.IntN(20_000))
				n := b.Read(p)
				want := 0
				for want < len(p) && readOffset+want < len(received) && received[readOffset+want] {
					want++
				}
				if n != want || !bytes.Equal(p[:n], payload(protocol.ByteCount(readOffset), n)) {
					t.Fatalf("seed %d, step %d: Read() = %d or other bytes, want %d", seed, step, n, want)
				}
				readOffset += n
				continue
			}
			off, n := max(0, readOffset-2000)+rng.IntN(40_000), rng.IntN(3000)
			if _, err := b.Push(protocol.ByteCount(off), payload(protocol.ByteCount(off), n)); err != nil {
				t.Fatalf("seed %d, step %d: %v", seed, step, err)
			}
			if n > 0 {
				received = append(received, make([]bool, max(0, off+n-len(received)))...)
			}
			for i := range n {
				received[off+i] = true
			}
			gaps, buffered := 0, 0
			for i := readOffset; i < len(received); i++ {
				if received[i] {
					buffered++
				}
				if received[i] && i > readOffset && !received[i-1] {
					gaps++
				}
			}
			if b.Gaps() != gaps || b.Buffered() != protocol.ByteCount(buffered) || b.Highest() != protocol.ByteCount(len(received)) {
				t.Fatalf("seed %d, step %d: Gaps, Buffered, Highest = %d, %d, %d, want %d, %d, %d", seed, step,
					b.Gaps(), b.Buffered(), b.Highest(), gaps, buffered, len(received))
			}
		}
		b.Release()
	}
}
