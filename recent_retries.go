package quic

import (
	"time"

	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
)

const (
	// maxRecentRetries bounds the Retry packets that are remembered. The oldest is forgotten.
	maxRecentRetries = 64
	// recentRetryTime is for how long: more than it takes until the rest of a ClientHello has come, less than it takes until
	// a client repeats its Initials.
	recentRetryTime = 20 * time.Millisecond
)

// recentRetries remembers to which clients Retry packets were sent lately, so that a ClientHello of several packets gets one of
// them and not one for each packet.
type recentRetries struct {
	entries [maxRecentRetries]recentRetry
	next    int
}

type recentRetry struct {
	dst protocol.ConnectionID // of the Initial
	at  monotime.Time
}

// has reports whether an Initial with this Destination Connection ID was answered lately.
func (r *recentRetries) has(now monotime.Time, dst protocol.ConnectionID) bool {
	for i := range r.entries {
		if e := &r.entries[i]; e.dst == dst && now.Sub(e.at) < recentRetryTime {
			return true
		}
	}
	return false
}

// add notes that an Initial is answered now.
func (r *recentRetries) add(now monotime.Time, dst protocol.ConnectionID) {
	r.entries[r.next] = recentRetry{dst: dst, at: now}
	r.next = (r.next + 1) % maxRecentRetries
}
