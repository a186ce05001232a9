package recovery

import (
	"time"

	"github.com/quic-go/quic-go/internal/monotime"
)

// persistentThreshold is kPersistentCongestionThreshold (RFC 9002, Section 7.6.1).
const persistentThreshold = 3

// A persistentCongestion looks for a long period in which nothing arrived (RFC 9002, Section 7.6).
// It sees the packets of a space in the order in which they were sent, when the fate of all
// earlier ones of the space is known.
type persistentCongestion struct {
	start     monotime.Time // send time of the first packet of the current run of losses; zero if none
	lastAcked monotime.Time // send time of the latest packet, of any space, that was acknowledged
}

// persistentDuration: "Unlike the PTO computation in Section 6.2, this duration includes the
// max_ack_delay irrespective of the packet number spaces in which losses are established."
// RFC 9002, Section 7.6.1.
func (t *Tracker) persistentDuration() time.Duration {
	return persistentThreshold * t.rtt.PTO(true)
}

// observe takes in the fate of one packet. It returns true if that establishes persistent
// congestion.
func (c *persistentCongestion) observe(p *sentPacket, firstSampleAt monotime.Time, duration time.Duration) bool {
	switch {
	case p.fate == fateAcked:
		// "across all packet number spaces, none of the packets sent between the send times of
		// these two packets are acknowledged"
		if !p.sentAt.Before(c.start) {
			c.start = 0
		}
		c.lastAcked = max(c.lastAcked, p.sentAt)
		return false
	case p.fate != fateLost || !p.inFlight || p.mtuProbe:
		return false
	case !p.eliciting:
		// "These two packets MUST be ack-eliciting"
		return false
	case firstSampleAt.IsZero() || p.sentAt.Before(firstSampleAt):
		// "a prior RTT sample existed when these two packets were sent"
		return false
	}
	interrupted := c.lastAcked.After(c.start) && c.lastAcked.Before(p.sentAt)
	if c.start.IsZero() || interrupted {
		c.start = p.sentAt
	}
	// "the duration between the send times of these two packets exceeds the persistent
	// congestion duration"
	if p.sentAt.Sub(c.start) <= duration {
		return false
	}
	c.start = 0
	return true
}
