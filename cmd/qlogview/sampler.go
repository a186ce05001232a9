package main

import (
	"cmp"
	"math"
	"slices"
)

// A point is a value at a time in milliseconds.
type point[T any] struct {
	t float64
	n int // how many points it stands for
	v T
}

// A sampler keeps at most limit points, however many are added: of the points of an interval the best one. The intervals
// grow with what is added. Times may be in any order.
type sampler[T any] struct {
	limit  int
	better func(a, b T) bool
	width  float64 // of an interval; 0 as long as every point is kept
	points []point[T]
	total  int
}

func (s *sampler[T]) add(t float64, v T) {
	s.total++
	p := point[T]{t, 1, v}
	if last := len(s.points) - 1; last >= 0 && s.width > 0 && s.interval(t) == s.interval(s.points[last].t) {
		s.points[last] = s.merge(s.points[last], p)
		return
	}
	s.points = append(s.points, p)
	if len(s.points) > s.limit {
		s.fold()
	}
}

func (s *sampler[T]) interval(t float64) float64 { return math.Floor(t / s.width) }

func (s *sampler[T]) merge(a, b point[T]) point[T] {
	n := a.n + b.n
	if s.better(b.v, a.v) {
		a = b
	}
	a.n = n
	return a
}

// fold makes the intervals large enough for half of the points to go.
func (s *sampler[T]) fold() {
	s.sort()
	span := s.points[len(s.points)-1].t - s.points[0].t
	s.width = max(2*s.width, 2*span/float64(s.limit), 1e-9)
	for {
		kept := s.points[:1]
		for _, p := range s.points[1:] {
			last := &kept[len(kept)-1]
			if s.interval(p.t) == s.interval(last.t) {
				*last = s.merge(*last, p)
			} else {
				kept = append(kept, p)
			}
		}
		s.points = kept
		if len(kept) <= s.limit*3/4 {
			return
		}
		s.width *= 2
	}
}

func (s *sampler[T]) sort() {
	slices.SortStableFunc(s.points, func(a, b point[T]) int { return cmp.Compare(a.t, b.t) })
}

// sampled reports whether points were left out.
func (s *sampler[T]) sampled() bool { return s.width > 0 }

// A lineSampler keeps the course of a value: of each interval the highest and the lowest point.
type lineSampler struct{ high, low sampler[float64] }

func newLine() *lineSampler {
	return &lineSampler{
		high: sampler[float64]{limit: maxLine, better: func(a, b float64) bool { return a > b }},
		low:  sampler[float64]{limit: maxLine, better: func(a, b float64) bool { return a < b }},
	}
}

func (l *lineSampler) add(t, v float64) {
	l.high.add(t, v)
	l.low.add(t, v)
}

func (l *lineSampler) points() []point[float64] {
	l.high.sort()
	if !l.high.sampled() {
		return l.high.points
	}
	all := slices.Concat(l.high.points, l.low.points)
	slices.SortStableFunc(all, func(a, b point[float64]) int { return cmp.Compare(a.t, b.t) })
	return slices.CompactFunc(all, func(a, b point[float64]) bool { return a.t == b.t && a.v == b.v })
}
