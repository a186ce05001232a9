package main

import (
	"math/rand/v2"
	"testing"
)

func TestSamplerKeepsTheBestOfEachInterval(t *testing.T) {
	const limit, n = 100, 20_000
	s := sampler[int]{limit: limit, better: func(a, b int) bool { return a > b }}
	random := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		v := random.IntN(1000)
		if i == 12_345 {
			v = 5000
		}
		s.add(float64(i)+20*random.Float64(), v) // not quite in order
		if len(s.points) > limit {
			t.Fatalf("%d points after %d, limit %d", len(s.points), i+1, limit)
		}
	}
	s.sort()
	sum, highest := 0, point[int]{}
	for i, p := range s.points {
		sum += p.n
		if p.v > highest.v {
			highest = p
		}
		if i > 0 && p.t < s.points[i-1].t {
			t.Error("the points are out of order")
		}
	}
	if sum != n || s.total != n || !s.sampled() {
		t.Errorf("the points stand for %d of %d, total %d", sum, n, s.total)
	}
	if highest.v != 5000 || highest.t < 12_345 || highest.t > 12_365 {
		t.Errorf("the highest point is %+v", highest)
	}
	if len(s.points) < limit/4 {
		t.Errorf("only %d points are left of %d", len(s.points), limit)
	}
}

func TestSamplerKeepsEverythingBelowTheLimit(t *testing.T) {
	s := sampler[int]{limit: 10, better: func(a, b int) bool { return a > b }}
	for i := range 10 {
		s.add(float64(i%2), i)
	}
	if s.sort(); len(s.points) != 10 || s.sampled() || s.points[0].v != 0 || s.points[9].v != 9 {
		t.Errorf("points %+v", s.points)
	}
}

func TestSamplerOfOneMoment(t *testing.T) {
	s := sampler[int]{limit: 10, better: func(a, b int) bool { return a > b }}
	for i := range 1000 {
		s.add(7e14, i)
	}
	if len(s.points) > 10 || s.points[0].v < 10 {
		t.Errorf("%d points, the first is %+v", len(s.points), s.points[0])
	}
}

func TestLineKeepsPeaksAndDips(t *testing.T) {
	l := newLine()
	for i := range 50 * maxLine {
		v := 10.0
		switch i {
		case 100_001:
			v = 99
		case 100_003:
			v = 1
		}
		l.add(float64(i), v)
	}
	var peak, dip bool
	points := l.points()
	for _, p := range points {
		peak, dip = peak || p.v == 99 && p.t == 100_001, dip || p.v == 1 && p.t == 100_003
	}
	if !peak || !dip || len(points) > 2*maxLine {
		t.Errorf("peak %v, dip %v, %d points", peak, dip, len(points))
	}
}
