package mtu

import (
	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
)

const (
	// holeRounds is in how many round trips in a row large packets have to be lost while smaller ones arrive, and
	// holePackets how many of them. With a third of all packets lost by chance, which leaves room for few packets in a
	// round trip, that happens less than once in a minute.
	holeRounds  = 3
	holePackets = 6
)

// A blackHole is the suspicion that the path does not carry large packets any more (RFC 8899, Section 4.3).
type blackHole struct {
	rounds   int
	packets  int
	roundEnd monotime.Time      // packets that were sent later count for the next round
	lost     protocol.ByteCount // the smallest size that was lost
	passed   passed
}

// A passed is the largest packet that arrived, the latest one if there are several of that size.
type passed struct {
	size   protocol.ByteCount
	sentAt monotime.Time
}

// OnAcked tells when the largest packet was sent that an ACK frame newly acknowledged, and its size. It is called before
// OnLost for what was found lost by the same frame.
func (d *Discoverer) OnAcked(sentAt monotime.Time, size protocol.ByteCount) {
	h := &d.hole
	if h.rounds > 0 && size >= h.lost {
		*h = blackHole{}
	}
	if size >= h.passed.size {
		h.passed = passed{size: size, sentAt: sentAt}
	}
}

// OnLost tells that a packet that was no probe is lost. It reports whether the size of packets has changed.
func (d *Discoverer) OnLost(now, sentAt monotime.Time, size protocol.ByteCount) (changed bool) {
	h := &d.hole
	if size <= base || size > d.current || sentAt.Before(d.start) {
		return false // it was not lost for its size, or is of another path or of the time before the size was changed
	}
	if size <= h.passed.size && !sentAt.After(h.passed.sentAt) {
		return false // a later packet of that size has arrived
	}
	h.packets++
	if h.rounds == 0 || size < h.lost {
		h.lost = size
	}
	if h.rounds == 0 || sentAt.After(h.roundEnd) {
		h.rounds++
		h.roundEnd = now
	}
	if h.rounds < holeRounds || h.packets < holePackets {
		return false
	}
	return d.fall(h.lost)
}
