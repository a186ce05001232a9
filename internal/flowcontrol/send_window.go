package flowcontrol

import "github.com/quic-go/quic-go/internal/protocol"

// A SendWindow is the credit that the peer has given. The zero value permits nothing.
type SendWindow struct {
	limit    protocol.ByteCount
	used     protocol.ByteCount
	reported bool // Blocked has reported this limit
}

// Limit returns the offset up to which the peer lets us send.
func (w *SendWindow) Limit() protocol.ByteCount { return w.limit }

// Used returns what is taken of it.
func (w *SendWindow) Used() protocol.ByteCount { return w.used }

// Available returns what is left of it.
func (w *SendWindow) Available() protocol.ByteCount { return w.limit - w.used }

// Raise sets the limit and reports whether it became larger.
func (w *SendWindow) Raise(limit protocol.ByteCount) (increased bool) {
	// "A sender MUST ignore any MAX_STREAM_DATA or MAX_DATA frames that do not increase flow control
	// limits." (RFC 9000, Section 4.1)
	if limit <= w.limit {
		return false
	}
	w.limit = limit
	w.reported = false
	return true
}

// Take uses n bytes of the credit, which must be available.
func (w *SendWindow) Take(n protocol.ByteCount) {
	if n < 0 || n > w.Available() {
		panic("BUG: flowcontrol: took more credit than there is")
	}
	w.used += n
}

// Blocked returns the limit and, once per limit, that it is exhausted. The caller has data that
// waits for more.
func (w *SendWindow) Blocked() (limit protocol.ByteCount, report bool) {
	if w.Available() > 0 || w.reported {
		return w.limit, false
	}
	w.reported = true
	return w.limit, true
}
