package rangeset

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func ranges(s *Set[int64]) []Range[int64] {
	var rs []Range[int64]
	for i := range s.Len() {
		rs = append(rs, s.At(i))
	}
	return rs
}

func TestAdd(t *testing.T) {
	const before = 3 // ranges [10,20) [30,40) [50,60)
	for _, tt := range []struct {
		name       string
		start, end int64
		want       []Range[int64]
	}{
		{"nothing", 25, 25, []Range[int64]{{10, 20}, {30, 40}, {50, 60}}},
		{"a reversed range adds nothing", 29, 21, []Range[int64]{{10, 20}, {30, 40}, {50, 60}}},
		{"in front of all", 0, 5, []Range[int64]{{0, 5}, {10, 20}, {30, 40}, {50, 60}}},
		{"adjacent to the first from below", 5, 10, []Range[int64]{{5, 20}, {30, 40}, {50, 60}}},
		{"adjacent to the first from above", 20, 22, []Range[int64]{{10, 22}, {30, 40}, {50, 60}}},
		{"inside a range", 31, 39, []Range[int64]{{10, 20}, {30, 40}, {50, 60}}},
		{"between two ranges", 22, 28, []Range[int64]{{10, 20}, {22, 28}, {30, 40}, {50, 60}}},
		{"joins two ranges exactly", 20, 30, []Range[int64]{{10, 40}, {50, 60}}},
		{"joins two ranges with overlap", 15, 35, []Range[int64]{{10, 40}, {50, 60}}},
		{"covers the middle", 25, 45, []Range[int64]{{10, 20}, {25, 45}, {50, 60}}},
		{"covers all", 0, 100, []Range[int64]{{0, 100}}},
		{"covers from the middle of the first to the last", 15, 50, []Range[int64]{{10, 60}}},
		{"extends the last", 60, 61, []Range[int64]{{10, 20}, {30, 40}, {50, 61}}},
		{"inside the last", 55, 58, []Range[int64]{{10, 20}, {30, 40}, {50, 60}}},
		{"behind all", 61, 62, []Range[int64]{{10, 20}, {30, 40}, {50, 60}, {61, 62}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var s Set[int64]
			for i := range int64(before) {
				s.Add(10+20*i, 20+20*i)
			}
			s.Add(tt.start, tt.end)
			if got := ranges(&s); !slices.Equal(got, tt.want) {
				t.Errorf("ranges = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestRemove(t *testing.T) {
	for _, tt := range []struct {
		name       string
		start, end int64
		want       []Range[int64]
	}{
		{"nothing", 15, 15, []Range[int64]{{10, 20}, {30, 40}, {50, 60}}},
		{"a gap", 20, 30, []Range[int64]{{10, 20}, {30, 40}, {50, 60}}},
		{"the head of a range", 30, 33, []Range[int64]{{10, 20}, {33, 40}, {50, 60}}},
		{"the tail of a range", 33, 40, []Range[int64]{{10, 20}, {30, 33}, {50, 60}}},
		{"the middle of a range", 33, 36, []Range[int64]{{10, 20}, {30, 33}, {36, 40}, {50, 60}}},
		{"a whole range", 30, 40, []Range[int64]{{10, 20}, {50, 60}}},
		{"parts of two ranges", 15, 35, []Range[int64]{{10, 15}, {35, 40}, {50, 60}}},
		{"parts of the outer ranges and the middle one", 15, 55, []Range[int64]{{10, 15}, {55, 60}}},
		{"everything", 0, 100, nil},
		{"behind all", 60, 100, []Range[int64]{{10, 20}, {30, 40}, {50, 60}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var s Set[int64]
			for _, start := range []int64{10, 30, 50} {
				s.Add(start, start+10)
			}
			s.Remove(tt.start, tt.end)
			if got := ranges(&s); !slices.Equal(got, tt.want) {
				t.Errorf("ranges = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestEmpty(t *testing.T) {
	var s Set[int64]
	s.Remove(0, 10)
	s.DropFirst(1)
	if s.Len() != 0 || s.Min() != -1 || s.Max() != -1 || s.Size() != 0 || s.Contains(0) {
		t.Errorf("Len, Min, Max, Size, Contains = %d, %d, %d, %d, %t", s.Len(), s.Min(), s.Max(), s.Size(), s.Contains(0))
	}
}

func TestDropFirst(t *testing.T) {
	var s Set[int64]
	for i := range int64(5) {
		s.Add(10*i, 10*i+5)
	}
	s.DropFirst(2)
	if want := []Range[int64]{{20, 25}, {30, 35}, {40, 45}}; !slices.Equal(ranges(&s), want) {
		t.Errorf("ranges = %v, want %v", ranges(&s), want)
	}
	s.DropFirst(4)
	if s.Len() != 0 {
		t.Errorf("Len() = %d, want 0", s.Len())
	}
	s.Add(1, 2)
	s.Reset()
	if s.Len() != 0 {
		t.Errorf("Len() after Reset = %d, want 0", s.Len())
	}
}

// TestModel compares random operations with a set of bits.
func TestModel(t *testing.T) {
	const universe = 64
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		var s Set[int64]
		var model [universe]bool
		for step := range 200 {
			start := r.Int64N(universe)
			end := min(universe, start+r.Int64N(12))
			add := r.IntN(2) == 0
			if add {
				s.Add(start, end)
			} else {
				s.Remove(start, end)
			}
			for v := start; v < end; v++ {
				model[v] = add
			}
			if !matches(&s, model[:]) {
				t.Fatalf("seed %d, step %d: set %v, model %v", seed, step, ranges(&s), model)
			}
		}
	}
}

func matches(s *Set[int64], model []bool) bool {
	size, lowest, largest := int64(0), int64(-1), int64(-1)
	for v, in := range model {
		if s.Contains(int64(v)) != in {
			return false
		}
		if !in {
			continue
		}
		size++
		largest = int64(v)
		if lowest < 0 {
			lowest = int64(v)
		}
	}
	for i, r := range ranges(s) {
		if r.Len() <= 0 || (i > 0 && r.Start <= s.At(i-1).End) {
			return false
		}
	}
	return s.Size() == size && s.Min() == lowest && s.Max() == largest
}

func TestAddDoesNotAllocate(t *testing.T) {
	var s Set[int64]
	s.Add(0, 1)
	next := int64(1)
	if n := testing.AllocsPerRun(1000, func() {
		s.Add(next, next+1)
		next++
	}); n != 0 {
		t.Errorf("Add at the end allocates %v times", n)
	}
	for i := range int64(64) {
		s.Add(10_000+2*i, 10_001+2*i)
	}
	if n := testing.AllocsPerRun(1000, func() {
		s.Remove(10_010, 10_011)
		s.Add(10_010, 10_011)
	}); n != 0 {
		t.Errorf("Add in the middle allocates %v times", n)
	}
}

func BenchmarkAddInOrder(b *testing.B) {
	b.ReportAllocs()
	var s Set[int64]
	next := int64(0)
	for b.Loop() {
		s.Add(next, next+1)
		next++
	}
}

func BenchmarkAddEverySecond(b *testing.B) {
	b.ReportAllocs()
	var s Set[int64]
	next := int64(0)
	for b.Loop() {
		s.Add(next, next+1)
		next += 2
		if s.Len() > 64 {
			s.DropFirst(1)
		}
	}
}

func BenchmarkContains(b *testing.B) {
	var s Set[int64]
	for i := range int64(64) {
		s.Add(2*i, 2*i+1)
	}
	v := int64(0)
	for b.Loop() {
		s.Contains(v & 127)
		v++
	}
}
