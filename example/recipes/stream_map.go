package recipes

import (
	"sync"

	"github.com/quic-go/quic-go"
)

// A StreamMap holds a value for each stream until the stream is over, however it ends. Its key is the stream, not the
// ID: after a rejection of 0-RTT the IDs start again. All methods may be called concurrently.
type StreamMap[V any] struct {
	Removed func(V) // called with each value that leaves the map; it must not block

	mu     sync.Mutex
	values map[*quic.Stream]V
}

// Add puts in a value. That the stream is over already does no harm: the callback is made up for.
func (m *StreamMap[V]) Add(stream *quic.Stream, value V) {
	m.mu.Lock()
	if m.values == nil {
		m.values = make(map[*quic.Stream]V)
	}
	m.values[stream] = value
	m.mu.Unlock()
	stream.OnStateTransition(func(state quic.StreamState) {
		if state != quic.StreamStateRetired { // the last one, and it comes exactly once
			return
		}
		m.mu.Lock()
		delete(m.values, stream)
		m.mu.Unlock()
		m.Removed(value)
	})
}

// Get returns the value of a stream that is not over.
func (m *StreamMap[V]) Get(stream *quic.Stream) (value V, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	value, ok = m.values[stream]
	return value, ok
}

// Len returns the number of values.
func (m *StreamMap[V]) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.values)
}
