package quic

// A ring is a queue in a circular buffer that grows as needed. The zero value is empty.
type ring[T any] struct {
	items []T // the length is a power of two
	head  int
	n     int
}

func (r *ring[T]) len() int { return r.n }

// front returns the oldest item of a ring that is not empty.
func (r *ring[T]) front() *T { return &r.items[r.head] }

func (r *ring[T]) push(v T) {
	if r.n == len(r.items) {
		r.grow()
	}
	r.items[(r.head+r.n)&(len(r.items)-1)] = v
	r.n++
}

// pop removes and returns the oldest item of a ring that is not empty.
func (r *ring[T]) pop() T {
	var zero T
	v := r.items[r.head]
	r.items[r.head] = zero
	r.head = (r.head + 1) & (len(r.items) - 1)
	r.n--
	return v
}

func (r *ring[T]) grow() {
	items := make([]T, max(4, 2*len(r.items)))
	for i := range r.n {
		items[i] = r.items[(r.head+i)&(len(r.items)-1)]
	}
	r.items, r.head = items, 0
}
