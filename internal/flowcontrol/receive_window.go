package flowcontrol

import (
	"time"

	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
)

// A ReceiveWindow is the credit that we give to the peer. Its size is how far the limit is raised
// above what the application has consumed.
//
// consumed <= received <= limit.
type ReceiveWindow struct {
	size, maxSize protocol.ByteCount
	limit         protocol.ByteCount // as advertised
	received      protocol.ByteCount
	consumed      protocol.ByteCount

	// Auto-tuning looks at what was consumed since epoch.
	epoch         monotime.Time
	epochConsumed protocol.ByteCount
}

// NewReceiveWindow returns a window of the given size, which is advertised already (in the transport
// parameters), and which may grow up to max.
func NewReceiveWindow(initial, max protocol.ByteCount) ReceiveWindow {
	if max < initial {
		max = initial
	}
	return ReceiveWindow{size: initial, maxSize: max, limit: initial}
}

// Receive records that bytes up to offset highest have arrived, on a stream. newBytes is by how much
// the highest offset grew. ok is false, and nothing is recorded, if that exceeds the limit.
func (w *ReceiveWindow) Receive(highest protocol.ByteCount) (newBytes protocol.ByteCount, ok bool) {
	newBytes = highest - w.received
	if newBytes <= 0 {
		return 0, true
	}
	return newBytes, w.Add(newBytes)
}

// Add records n more bytes, on a connection. ok is false, and nothing is recorded, if that exceeds
// the limit.
func (w *ReceiveWindow) Add(n protocol.ByteCount) (ok bool) {
	if n > w.limit-w.received {
		return false
	}
	w.received += n
	return true
}

// Consume records that n received bytes were read, or given up, by the application.
func (w *ReceiveWindow) Consume(n protocol.ByteCount) {
	if n < 0 || n > w.received-w.consumed {
		panic("BUG: flowcontrol: consumed more than was received")
	}
	w.consumed += n
}

// UpdateDue reports whether a new limit is worth a frame: it would be higher by a quarter of the window.
func (w *ReceiveWindow) UpdateDue() bool {
	gain := w.target() - w.limit
	return gain > 0 && gain >= w.size/4
}

// Update raises the limit to be advertised and returns it. The window is doubled first if half of it
// was consumed within two round-trip times: the peer may have waited for credit then. An rtt of 0
// means that none is known yet. mayGrow, if not nil, is asked whether the window may grow by delta.
func (w *ReceiveWindow) Update(now monotime.Time, rtt time.Duration, mayGrow func(delta protocol.ByteCount) bool) (limit protocol.ByteCount) {
	slow := rtt <= 0 || w.epoch.IsZero() || now.Sub(w.epoch) > 2*rtt
	fast := !slow && w.consumed-w.epochConsumed >= w.size/2
	if delta := min(w.size, w.maxSize-w.size); fast && delta > 0 && (mayGrow == nil || mayGrow(delta)) {
		w.size += delta
	}
	if slow || fast {
		w.epoch, w.epochConsumed = now, w.consumed
	}
	w.limit = max(w.limit, w.target())
	return w.limit
}

// Limit returns the limit as advertised.
func (w *ReceiveWindow) Limit() protocol.ByteCount { return w.limit }

// Size returns the size of the window.
func (w *ReceiveWindow) Size() protocol.ByteCount { return w.size }

// EnsureSize makes the window at least n bytes large, within its maximum.
func (w *ReceiveWindow) EnsureSize(n protocol.ByteCount) {
	w.size = max(w.size, min(n, w.maxSize))
}

// target returns the limit that the window permits now.
func (w *ReceiveWindow) target() protocol.ByteCount {
	return min(w.consumed+w.size, protocol.MaxByteCount)
}
