package mtu

import (
	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
)

const (
	// doubtPackets is how many large packets have to be lost while only smaller ones arrive to raise the doubt whether
	// the path still carries them.
	doubtPackets = 3
	// doubtProbes is how many probes, one in a round trip at most, have to be lost then to make it certain. On a path
	// that loses a third of all packets by chance that happens less than once in a minute.
	doubtProbes = 5
)

// A blackHole is the suspicion that the path does not carry large packets any more (RFC 8899, Section 4.3).
type blackHole struct {
	packets int                // large ones that were lost while only smaller ones arrived
	lost    protocol.ByteCount // the smallest size of those
	passed  passed

	probing  bool // a probe of the current size is in flight
	failures int  // of those probes
}

// A passed is the largest packet that arrived, the latest one if there are several of that size.
type passed struct {
	size   protocol.ByteCount
	sentAt monotime.Time
}

// InDoubt reports whether packets of the current size may not arrive. Then whatever fits smaller ones should go in packets of
// 1200 bytes.
func (d *Discoverer) InDoubt() bool { return d.hole.packets >= doubtPackets }

// OnAcked tells when the largest packet was sent that an ACK frame newly acknowledged, and its size. It is called before
// OnLost for what was found lost by the same frame.
func (d *Discoverer) OnAcked(sentAt monotime.Time, size protocol.ByteCount) {
	h := &d.hole
	if h.packets > 0 && size >= h.lost {
		*h = blackHole{}
	}
	if size >= h.passed.size {
		h.passed = passed{size: size, sentAt: sentAt}
	}
}

// OnLost tells that a packet that was no probe is lost.
func (d *Discoverer) OnLost(sentAt monotime.Time, size protocol.ByteCount) {
	h := &d.hole
	if size <= base || size > d.current || sentAt.Before(d.start) {
		return // it was not lost for its size, or is of another path or of the time before the size was changed
	}
	if size <= h.passed.size && !sentAt.After(h.passed.sentAt) {
		return // a later packet of that size has arrived
	}
	if h.packets == 0 || size < h.lost {
		h.lost = size
	}
	h.packets++
}
