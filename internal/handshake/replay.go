package handshake

import (
	"sync"
	"time"
)

// MaxReplayEntries is how many ClientHellos or tokens a ReplayFilter should remember. At the limit the
// older half is forgotten, and with it every ticket or token that is at least as old is refused.
const MaxReplayEntries = 256 << 10

// A ReplayFilter remembers which ClientHellos with 0-RTT or which tokens were seen, so that each is accepted at most
// once (RFC 8446, Section 8.2, RFC 9001, Section 9.2, and RFC 9000, Section 8.1.4). It is safe for concurrent use.
type ReplayFilter struct {
	max int // immutable

	mu        sync.Mutex // a leaf
	cur, prev generation
	horizon   time.Time // what was issued up to then is refused
}

type generation struct {
	ids    map[[16]byte]struct{}
	newest time.Time // issue time of the newest
}

// NewReplayFilter returns a filter that remembers at most limit IDs.
func NewReplayFilter(limit int) *ReplayFilter {
	return &ReplayFilter{max: max(limit, 2), cur: generation{ids: map[[16]byte]struct{}{}}}
}

// FirstUse reports whether what has the given ID certainly was not seen before, and notes that it was now. issued is the
// issue time of the token, or of the ticket of the ClientHello.
func (f *ReplayFilter) FirstUse(id [16]byte, issued time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.horizon.IsZero() && !issued.After(f.horizon) {
		return false
	}
	if _, used := f.cur.ids[id]; used {
		return false
	}
	if _, used := f.prev.ids[id]; used {
		return false
	}
	if len(f.cur.ids) >= f.max/2 {
		if f.prev.newest.After(f.horizon) {
			f.horizon = f.prev.newest
		}
		f.prev = f.cur
		f.cur = generation{ids: make(map[[16]byte]struct{}, f.max/2)}
		if !f.horizon.IsZero() && !issued.After(f.horizon) {
			return false
		}
	}
	f.cur.ids[id] = struct{}{}
	if issued.After(f.cur.newest) {
		f.cur.newest = issued
	}
	return true
}
