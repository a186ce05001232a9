package recovery

import "github.com/quic-go/quic-go/internal/monotime"

// A Mode says what may be sent. Modes are ordered: each allows what the lower ones do.
type Mode uint8

// Modes.
const (
	ModeNone          Mode = iota // nothing
	ModeAck                       // packets that only acknowledge
	ModePacingLimited             // as ModeAck, until PacingDeadline
	ModeProbe                     // besides, the packets that Probes asks for
	ModeAny                       // everything
)

// SendMode returns what may be sent now. The sender asks at the begin of each of its turns.
func (t *Tracker) SendMode(now monotime.Time) Mode {
	if !t.starvedFrom.IsZero() && now.After(t.starvedFrom) {
		t.delivery.setAppLimited(t.inFlight)
	}
	t.starvedFrom, t.pacingDeadline = 0, 0
	tracked := t.tracked()
	if t.amplification.blocked() || tracked >= t.maxTracked {
		return ModeNone
	}
	// "Probe packets MUST NOT be blocked by the congestion controller." RFC 9002, Section 7.5.
	if t.pto.probes > 0 {
		return ModeProbe
	}
	// The last part of the ring is for acknowledgements and probes, so that they go on.
	if tracked >= t.maxTracked-t.maxTracked/8 {
		return ModeAck
	}
	// "An endpoint MUST NOT send a packet if it would cause bytes_in_flight (see Appendix B.2) to be
	// larger than the congestion window, unless the packet is sent on a PTO timer expiration (see
	// Section 6.2) or when entering recovery (see Section 7.3.2)." RFC 9002, Section 7.
	if t.inFlight+t.mtu > t.controller.Window() && !t.recoveryEntry {
		return ModeAck
	}
	t.pacingDeadline = t.pacer.NextSend(now, t.pacingRate(), t.mtu)
	if !t.pacingDeadline.IsZero() {
		return ModePacingLimited
	}
	return ModeAny
}

// OnStarved tells, at the end of a turn, that there is nothing left to send. If the window has room then,
// the delivery rate is no longer what the path allows from when the pacer would let a packet leave
// until the next turn (draft-ietf-ccwg-bbr-06, Section 4.1.1.3).
func (t *Tracker) OnStarved(now monotime.Time) {
	if t.inFlight+t.mtu > t.controller.Window() {
		return
	}
	t.starvedFrom = max(now, t.pacer.NextSend(now, t.pacingRate(), t.mtu))
}

// PacingDeadline returns when ModePacingLimited ends; zero if the last SendMode was another one.
func (t *Tracker) PacingDeadline() monotime.Time { return t.pacingDeadline }

func (t *Tracker) pacingRate() uint64 { return t.controller.PacingRate(t.rtt.smoothed) }

// tracked returns how many packets the fullest space holds on behalf of unacknowledged data.
func (t *Tracker) tracked() (n int) {
	for i := range t.spaces {
		s := &t.spaces[i]
		if s.packets.len() == 0 || s.packets.at(s.packets.head).plain() {
			continue
		}
		n = max(n, s.packets.len())
	}
	return n
}
