package recovery

const (
	minRingSize = 4
	// keptRingSize is what an empty ring may hold on to, so that an idle connection is light.
	keptRingSize = 256
)

// A ring holds the elements of the indexes [head, tail). Indexes only ever grow. The zero value
// is empty and begins at 0.
type ring[T any] struct {
	buf        []T // the length is a power of two
	head, tail int64
}

func (r *ring[T]) len() int { return int(r.tail - r.head) }

// at returns element i, head <= i < tail.
func (r *ring[T]) at(i int64) *T { return &r.buf[i&int64(len(r.buf)-1)] }

// push adds an element at the tail. Its content is what was there before.
func (r *ring[T]) push() *T {
	if r.len() == len(r.buf) {
		r.grow()
	}
	r.tail++
	return r.at(r.tail - 1)
}

func (r *ring[T]) grow() {
	bigger := ring[T]{buf: make([]T, max(minRingSize, 2*len(r.buf))), head: r.head, tail: r.tail}
	for i := r.head; i < r.tail; i++ {
		*bigger.at(i) = *r.at(i)
	}
	*r = bigger
}

// dropTo removes the elements before index head.
func (r *ring[T]) dropTo(head int64) {
	r.head = head
	if r.head == r.tail && len(r.buf) > keptRingSize {
		r.buf = nil
	}
}
