package reassembly

import (
	"sync"

	"github.com/quic-go/quic-go/internal/protocol"
)

// blockSize is the size of a block. Block i holds the bytes from i*blockSize on.
const blockSize = 4 << 10

type block [blockSize]byte

var blockPool = sync.Pool{New: func() any { return new(block) }}

// blocks is a window on the sequence of all blocks. The zero value is empty.
type blocks struct {
	list  []*block // from the block with number first on; nil where nothing is stored yet
	head  int      // the entries before it are nil and given up
	first int64    // number of list[head]
}

// copyIn stores data at off, which must not lie before the first block.
func (s *blocks) copyIn(off protocol.ByteCount, data []byte) {
	for len(data) > 0 {
		n := copy(s.at(int64(off / blockSize))[off%blockSize:], data)
		data = data[n:]
		off += protocol.ByteCount(n)
	}
}

// view returns the memory from off to the end of its block. The block must be there.
func (s *blocks) view(off protocol.ByteCount) []byte {
	return s.list[s.head+int(int64(off/blockSize)-s.first)][off%blockSize:]
}

// at returns the block with the given number, which is made if it is not there.
func (s *blocks) at(number int64) *block {
	if s.head == len(s.list) {
		s.list, s.head = s.list[:0], 0
	}
	i := s.head + int(number-s.first)
	if i >= cap(s.list) && s.head > len(s.list)/2 {
		// More than half is given up: moving the rest costs less than growing.
		n := copy(s.list, s.list[s.head:])
		s.list = s.list[:n]
		i -= s.head
		s.head = 0
	}
	for i >= len(s.list) {
		s.list = append(s.list, nil)
	}
	if s.list[i] == nil {
		s.list[i] = blockPool.Get().(*block)
	}
	return s.list[i]
}

// release returns the blocks that lie completely before off.
func (s *blocks) release(off protocol.ByteCount) {
	next := int64(off / blockSize)
	for ; s.head < len(s.list) && s.first < next; s.first++ {
		s.drop(s.head)
		s.head++
	}
	s.first = next
}

// releaseAll returns all blocks. What is stored next must not lie before off.
func (s *blocks) releaseAll(off protocol.ByteCount) {
	for i := s.head; i < len(s.list); i++ {
		s.drop(i)
	}
	s.list, s.head = s.list[:0], 0
	s.first = int64(off / blockSize)
}

func (s *blocks) drop(i int) {
	if s.list[i] != nil {
		blockPool.Put(s.list[i])
		s.list[i] = nil
	}
}
