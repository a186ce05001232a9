package reassembly

import (
	"bytes"
	"errors"
	"testing"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/reassembly"
)

// maxOffset bounds the offsets, as flow control does.
const maxOffset = 1 << 14

// maxInstructions suffices for one gap too many.
const maxInstructions = 1100

// A model is a Buffer that keeps all bytes in one array.
type model struct {
	data                   [maxOffset]byte
	received               [maxOffset]bool
	read, ordered, highest int // offsets
}

func (m *model) push(off int, data []byte) {
	for i, c := range data {
		if off+i >= m.ordered && !m.received[off+i] { // what was received does not change
			m.data[off+i], m.received[off+i] = c, true
		}
	}
	if len(data) > 0 && off+len(data) > m.ordered {
		m.highest = max(m.highest, off+len(data))
	}
	for m.ordered < maxOffset && m.received[m.ordered] {
		m.ordered++
	}
}

func (m *model) gaps() (gaps, buffered int) {
	for i := m.read; i < m.highest; i++ {
		if !m.received[i] {
			continue
		}
		buffered++
		if i > m.read && !m.received[i-1] {
			gaps++
		}
	}
	return gaps, buffered
}

// An instruction is four bytes: what to do, an offset in two bytes, a length.
//
// archtest: long function because the buffer and its model share their state.
func FuzzBuffer(f *testing.F) {
	const push, pushLong, read, next, release = 0, 1, 2, 3, 4
	f.Add([]byte{push, 0, 0, 100, read, 0, 0, 100})
	f.Add([]byte{push, 0, 100, 100, push, 0, 200, 50, push, 0, 0, 150, read, 0, 0, 255, next, 0, 0, 255})
	f.Add([]byte{pushLong, 15, 0, 255, pushLong, 0, 0, 255, read, 0, 0, 10, next, 0, 0, 255, next, 0, 0, 1, release, 0, 0, 0, push, 0, 0, 9})
	f.Add([]byte{push, 0, 1, 1, push, 0, 3, 1, push, 0, 5, 1, push, 0, 2, 2, push, 0, 0, 3, read, 0, 0, 255})
	var comb []byte
	for i := range 1002 {
		comb = append(comb, push, byte((2*i+1)>>8), byte(2*i+1), 1)
	}
	f.Add(append(comb, pushLong, 0, 0, 255, read, 0, 0, 255))

	f.Fuzz(func(t *testing.T, program []byte) {
		var b reassembly.Buffer
		var m model
		p := make([]byte, 256*64)
		program = program[:min(len(program), 4*maxInstructions)]
		for step := byte(1); len(program) >= 4; step++ {
			op, off, n := program[0], (int(program[1])<<8|int(program[2]))%maxOffset, int(program[3])
			program = program[4:]
			switch op % 5 {
			case push, pushLong:
				if op%5 == pushLong {
					n *= 64
				}
				data := bytes.Repeat([]byte{step}, min(n, maxOffset-off))
				before, _ := m.gaps()
				delta, err := b.Push(protocol.ByteCount(off), data)
				if errors.Is(err, reassembly.ErrTooManyGaps) {
					m.push(off, data)
					if gaps, _ := m.gaps(); gaps <= protocol.MaxStreamGaps {
						t.Fatalf("Push(%d, %d bytes) is refused at %d gaps", off, len(data), gaps)
					}
					return
				}
				m.push(off, data)
				if gaps, _ := m.gaps(); err != nil || delta != gaps-before || gaps > protocol.MaxStreamGaps {
					t.Fatalf("Push(%d, %d bytes) = %d, %v, want %d", off, len(data), delta, err, gaps-before)
				}
			case read:
				got := p[:b.Read(p[:n*64])]
				want := m.data[m.read:min(m.ordered, m.read+n*64)]
				if !bytes.Equal(got, want) {
					t.Fatalf("Read(%d bytes) gives %d bytes or other ones, want %d", n*64, len(got), len(want))
				}
				m.read += len(got)
			case next:
				view := b.Next()
				if (len(view) == 0) != (m.read == m.ordered) || !bytes.Equal(view, m.data[m.read:m.read+len(view)]) {
					t.Fatalf("Next() gives %d bytes or other ones, %d are there", len(view), m.ordered-m.read)
				}
				n = min(n*64, len(view))
				b.Consume(n)
				m.read += n
			case release:
				b.Release()
				clear(m.received[m.read:])
				m.ordered = m.read
			}
			gaps, buffered := m.gaps()
			if int(b.ReadOffset()) != m.read || int(b.ContiguousEnd()) != m.ordered || int(b.Highest()) != m.highest {
				t.Fatalf("ReadOffset, ContiguousEnd, Highest = %d, %d, %d, want %d, %d, %d", b.ReadOffset(), b.ContiguousEnd(), b.Highest(), m.read, m.ordered, m.highest)
			}
			if b.Gaps() != gaps || int(b.Buffered()) != buffered {
				t.Fatalf("Gaps, Buffered = %d, %d, want %d, %d", b.Gaps(), b.Buffered(), gaps, buffered)
			}
		}
		b.Release()
	})
}
