package rangeset

import (
	"slices"
	"sort"
)

// A Range is the half-open interval [Start, End).
type Range[T ~int64] struct{ Start, End T }

// Len returns the number of integers in the range.
func (r Range[T]) Len() T { return r.End - r.Start }

// A Set is a sorted list of disjoint, non-adjacent, non-empty ranges. The zero value is empty. It is
// not safe for concurrent use.
type Set[T ~int64] struct{ ranges []Range[T] }

// Add adds the integers of [start, end), of which some may be in the set already. It does not allocate if
// the capacity suffices.
func (s *Set[T]) Add(start, end T) {
	if start >= end {
		return
	}
	// Almost always the last range grows or a new last one begins.
	n := len(s.ranges)
	if n == 0 || start > s.ranges[n-1].End {
		s.ranges = append(s.ranges, Range[T]{start, end})
		return
	}
	if last := &s.ranges[n-1]; start >= last.Start {
		last.End = max(last.End, end)
		return
	}
	// ranges[i:j] overlap or touch [start, end) and are merged with it.
	i := s.search(start)
	if i > 0 && s.ranges[i-1].End == start {
		i--
	}
	j := i
	for j < len(s.ranges) && s.ranges[j].Start <= end {
		j++
	}
	if i == j {
		s.ranges = slices.Insert(s.ranges, i, Range[T]{start, end})
		return
	}
	s.ranges[i] = Range[T]{min(start, s.ranges[i].Start), max(end, s.ranges[j-1].End)}
	s.ranges = slices.Delete(s.ranges, i+1, j)
}

// Remove removes the integers of [start, end), of which some may be missing from the set already.
func (s *Set[T]) Remove(start, end T) {
	if start >= end {
		return
	}
	// ranges[i:j] overlap [start, end). The first may keep a head, the last a tail.
	i := s.search(start)
	j := i
	for j < len(s.ranges) && s.ranges[j].Start < end {
		j++
	}
	if i == j {
		return
	}
	head := Range[T]{s.ranges[i].Start, start}
	tail := Range[T]{end, s.ranges[j-1].End}
	if head.Len() > 0 && tail.Len() > 0 && j-i == 1 {
		s.ranges[i] = head
		s.ranges = slices.Insert(s.ranges, j, tail)
		return
	}
	if head.Len() > 0 {
		s.ranges[i] = head
		i++
	}
	if tail.Len() > 0 {
		j--
		s.ranges[j] = tail
	}
	s.ranges = slices.Delete(s.ranges, i, j)
}

// Contains reports whether v is in the set.
func (s *Set[T]) Contains(v T) bool {
	i := s.search(v)
	return i < len(s.ranges) && s.ranges[i].Start <= v
}

// Len returns the number of ranges.
func (s *Set[T]) Len() int { return len(s.ranges) }

// At returns the i-th range in ascending order, 0 <= i < Len().
func (s *Set[T]) At(i int) Range[T] { return s.ranges[i] }

// Min returns the smallest integer in the set, or -1 if the set is empty.
func (s *Set[T]) Min() T {
	if len(s.ranges) == 0 {
		return -1
	}
	return s.ranges[0].Start
}

// Max returns the largest integer in the set, or -1 if the set is empty.
func (s *Set[T]) Max() T {
	if len(s.ranges) == 0 {
		return -1
	}
	return s.ranges[len(s.ranges)-1].End - 1
}

// Size returns the number of integers in the set.
func (s *Set[T]) Size() T {
	var size T
	for _, r := range s.ranges {
		size += r.Len()
	}
	return size
}

// DropFirst removes the n lowest ranges.
func (s *Set[T]) DropFirst(n int) {
	s.ranges = slices.Delete(s.ranges, 0, min(n, len(s.ranges)))
}

// Reset makes the set empty and keeps its memory for the next ranges.
func (s *Set[T]) Reset() { s.ranges = s.ranges[:0] }

// search returns the index of the first range that ends after v.
func (s *Set[T]) search(v T) int {
	return sort.Search(len(s.ranges), func(i int) bool { return s.ranges[i].End > v })
}
