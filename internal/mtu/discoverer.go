package mtu

import (
	"time"

	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
)

const (
	// base is BASE_PLPMTU: every path that QUIC can use carries it (RFC 9000, Section 14).
	base protocol.ByteCount = protocol.MinInitialPacketSize
	// maxProbes is MAX_PROBES: how many probes of a size are lost before it is taken for too large.
	maxProbes = 3
	// raiseInterval is PMTU_RAISE_TIMER: how long a size that was too large is not tried again.
	raiseInterval = 10 * time.Minute
	// cheap is the size up to which probes are sent right away. For a larger one probeShare times as much has to be
	// sent before, so that short connections are not burdened with probes that hardly ever pass.
	cheap      protocol.ByteCount = 1500
	probeShare                    = 16
	// deferredBytes is how much is sent after Defer until larger packets pay at once.
	deferredBytes = 8 << 10
)

// A Discoverer is the state of the discovery on one path.
type Discoverer struct {
	start   monotime.Time      // when the path came into use
	current protocol.ByteCount // PLPMTU
	limit   protocol.ByteCount // MAX_PLPMTU: no larger size is of use
	ceiling protocol.ByteCount // the smallest size that is known not to pass; limit+1 if there is none
	raiseAt monotime.Time      // when ceiling is forgotten; zero while the search is on or there is no ceiling

	searching bool
	notBefore monotime.Time // when the first probe may be sent, or once more than enough bytes were sent; zero: now
	enough    uint64
	probe     probe
	hole      blackHole
	ptos      int // during the handshake
}

// A probe is the size that is being tried.
type probe struct {
	size      protocol.ByteCount // 0: the search is over
	inFlight  bool
	failures  int
	sentBytes uint64 // that had been sent on the connection when the last probe was
}

// New returns the Discoverer of a path that comes into use now. Packets are of size bytes, at least 1200, until Search.
func New(now monotime.Time, size protocol.ByteCount) *Discoverer {
	return &Discoverer{start: now, current: size, limit: size, ceiling: size + 1}
}

// Current returns how large packets may be.
func (d *Discoverer) Current() protocol.ByteCount { return d.current }

// Done reports whether no larger size is searched for.
func (d *Discoverer) Done() bool { return d.searching && d.probe.size == 0 }

// Restrict makes packets no larger than limit.
func (d *Discoverer) Restrict(limit protocol.ByteCount) {
	d.limit = max(limit, base)
	d.ceiling = d.limit + 1
	if d.current > d.limit {
		d.current, d.hole = d.limit, blackHole{}
	}
}

// Search begins the search for larger sizes up to limit. If limit is less than the current size, that falls.
func (d *Discoverer) Search(limit protocol.ByteCount) {
	d.Restrict(limit)
	d.searching = true
	d.next()
}

// Defer keeps probes back until the given time, or until the connection sends more than a few packets: one that ends before is
// not burdened with them. sentBytes is what was sent so far.
func (d *Discoverer) Defer(until monotime.Time, sentBytes uint64) {
	d.notBefore, d.enough = until, sentBytes+deferredBytes
}

// Deadline returns the time given to Defer as long as it is to come, else zero.
func (d *Discoverer) Deadline(now monotime.Time) monotime.Time {
	if now.Before(d.notBefore) {
		return d.notBefore
	}
	return 0
}

// NextProbe returns the size of the probe to send now, 0 for none. sentBytes is what was sent so far.
func (d *Discoverer) NextProbe(now monotime.Time, sentBytes uint64) protocol.ByteCount {
	if !d.raiseAt.IsZero() && !now.Before(d.raiseAt) {
		d.raiseAt = 0
		d.Search(d.limit)
	}
	if !d.searching || d.probe.inFlight || d.hole.probing {
		return 0
	}
	if d.InDoubt() {
		return d.current
	}
	if now.Before(d.notBefore) && sentBytes < d.enough {
		return 0
	}
	if d.probe.size > cheap && sentBytes-d.probe.sentBytes < probeShare*uint64(d.probe.size) {
		return 0
	}
	return d.probe.size
}

// OnProbeSent tells that a probe of the size that NextProbe gave was sent.
func (d *Discoverer) OnProbeSent(sentBytes uint64) {
	if d.InDoubt() {
		d.hole.probing = true
		return
	}
	d.probe.inFlight, d.probe.sentBytes = true, sentBytes
}

// OnProbeAcked tells that a probe arrived.
func (d *Discoverer) OnProbeAcked(now monotime.Time, size protocol.ByteCount) {
	switch {
	case d.hole.probing && size == d.current:
		d.hole = blackHole{}
	case d.probe.inFlight && size == d.probe.size:
		d.current = size
		d.hole = blackHole{}
		d.next()
		d.maybeComplete(now)
	}
}

// OnProbeLost tells that a probe was lost.
func (d *Discoverer) OnProbeLost(now monotime.Time, size protocol.ByteCount) {
	switch {
	case d.hole.probing && size == d.current:
		d.hole.probing = false
		if d.hole.failures++; d.hole.failures >= doubtProbes {
			d.fall(d.hole.lost)
		}
	case d.probe.inFlight && size == d.probe.size:
		d.probe.inFlight = false
		if d.probe.failures++; d.probe.failures >= maxProbes {
			d.fail(now, size)
		}
	}
}

// OnTooLong tells that the operating system refused to send a packet of this size. For a probe it takes the place of
// OnProbeSent.
func (d *Discoverer) OnTooLong(now monotime.Time, size protocol.ByteCount) {
	if size > d.current {
		d.fail(now, size)
		return
	}
	d.fall(size)
}

// OnPTO tells that a probe timeout expired before the handshake was confirmed: its packets may be too large.
func (d *Discoverer) OnPTO() {
	if d.ptos++; d.ptos >= maxHandshakePTOs {
		d.current, d.hole = base, blackHole{}
	}
}

// maxHandshakePTOs is how many probe timeouts make the handshake fall back to the smallest packets.
const maxHandshakePTOs = 2

// fail notes that size does not pass.
func (d *Discoverer) fail(now monotime.Time, size protocol.ByteCount) {
	d.ceiling = min(d.ceiling, size)
	d.next()
	d.maybeComplete(now)
}

// fall goes back to the smallest size because size does not pass any more.
func (d *Discoverer) fall(size protocol.ByteCount) {
	d.hole = blackHole{}
	if d.current <= base {
		return
	}
	d.current = base
	d.ceiling = min(d.ceiling, size)
	d.raiseAt = 0
	d.next()
}

// maybeComplete arms the timer for another search if this one is over and a larger size may pass one day.
func (d *Discoverer) maybeComplete(now monotime.Time) {
	d.raiseAt = 0
	if d.probe.size == 0 && d.ceiling <= d.limit {
		d.raiseAt = now.Add(raiseInterval)
	}
}
