package connid

import "slices"

// maxSparse bounds the remembered sequence numbers above a missing one. At the limit the lowest
// missing ones count as received: their connection IDs would be ignored. A peer gets there only if
// it leaves out sequence numbers.
const maxSparse = 64

// A sequenceSet remembers sequence numbers, which arrive almost in order.
type sequenceSet struct {
	next   uint64   // all below are in the set, this one is not
	sparse []uint64 // ascending, above next
}

func (s *sequenceSet) contains(seq uint64) bool {
	_, found := slices.BinarySearch(s.sparse, seq)
	return found || seq < s.next
}

// add adds seq, which is not in the set.
func (s *sequenceSet) add(seq uint64) {
	i, _ := slices.BinarySearch(s.sparse, seq)
	s.sparse = slices.Insert(s.sparse, i, seq)
	if len(s.sparse) > maxSparse {
		s.next = s.sparse[0]
	}
	n := 0
	for ; n < len(s.sparse) && s.sparse[n] == s.next; n++ {
		s.next++
	}
	s.sparse = slices.Delete(s.sparse, 0, n)
}
