package recovery

import (
	"time"

	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
)

const (
	// maxProbes: "An endpoint MAY send up to two full-sized datagrams containing ack-eliciting
	// packets". RFC 9002, Section 6.2.4.
	maxProbes = 2
	// maxBackoff keeps the shifted PTO from overflowing; the idle timeout strikes long before.
	maxBackoff = 16
)

// A pto is the state of the probe timeout, which all spaces share.
type pto struct {
	count  int // expirations since the last progress
	probes int // packets that are owed
	space  protocol.PacketNumberSpace
	base   monotime.Time // of the PTO with nothing of the handshake in flight: the last progress or expiration
}

func (p *pto) onElicitingSent(space protocol.PacketNumberSpace) {
	if p.probes > 0 && space == p.space {
		p.probes--
	}
}

func (p *pto) reset() { p.count, p.probes = 0, 0 }

// Probes returns how many packets are still owed because a PTO expired, and in which space.
func (t *Tracker) Probes() (space protocol.PacketNumberSpace, n int) {
	return t.pto.space, t.pto.probes
}

// PTOCount returns how often the PTO expired since the last progress.
func (t *Tracker) PTOCount() int { return t.pto.count }

// Deadline returns when to call OnTimeout: when a packet crosses the time threshold or the PTO
// expires. It is zero if neither can happen, and may lie in the past.
func (t *Tracker) Deadline() monotime.Time {
	// "The PTO timer MUST NOT be set if a timer is set for time threshold loss detection".
	// RFC 9002, Section 6.2.1.
	if s := t.earliestLoss(); s != nil {
		return s.lossTime
	}
	deadline, _ := t.ptoDeadline()
	return deadline
}

// A Timer is the timer of loss detection, for the log.
type Timer struct {
	At    monotime.Time // Deadline
	Space protocol.PacketNumberSpace
	PTO   bool // false: the time threshold
}

// Timer returns what Deadline stands for.
func (t *Tracker) Timer() Timer {
	first := t.earliestLoss()
	if first == nil {
		at, space := t.ptoDeadline()
		return Timer{At: at, Space: space, PTO: true}
	}
	timer := Timer{At: first.lossTime}
	for &t.spaces[timer.Space] != first {
		timer.Space++
	}
	return timer
}

func (t *Tracker) earliestLoss() (first *space) {
	for i := range t.spaces {
		s := &t.spaces[i]
		if !s.lossTime.IsZero() && (first == nil || s.lossTime.Before(first.lossTime)) {
			first = s
		}
	}
	return first
}

// ptoDeadline returns when the PTO expires and for which space.
func (t *Tracker) ptoDeadline() (deadline monotime.Time, first protocol.PacketNumberSpace) {
	// "If no additional data can be sent, the server's PTO timer MUST NOT be armed until datagrams
	// have been received from the client because packets sent on PTO count against the
	// anti-amplification limit." RFC 9002, Section 6.2.2.1.
	if t.amplification.blocked() {
		return 0, first
	}
	for space := protocol.SpaceInitial; space < protocol.NumPacketNumberSpaces; space++ {
		s := &t.spaces[space]
		// RFC 9002, Section 6.2.1: no PTO for 1-RTT packets before the handshake is confirmed.
		if s.eliciting == 0 || space == protocol.SpaceAppData && !t.handshake.confirmed {
			continue
		}
		at := s.lastElicitingAt.Add(t.backedOff(t.rtt.PTO(space == protocol.SpaceAppData)))
		if deadline.IsZero() || at.Before(deadline) {
			deadline, first = at, space
		}
	}
	if !deadline.IsZero() || t.pto.base.IsZero() || t.addressValidatedByPeer() && !t.handshakeIsStuck() {
		return deadline, first
	}
	// "the client MUST set the PTO timer if the client has not received an acknowledgment for any of
	// its Handshake packets and the handshake is not confirmed [...], even if there are no packets
	// in flight. When the PTO fires, the client MUST send a Handshake packet if it has Handshake
	// keys, otherwise it MUST send an Initial packet". RFC 9002, Section 6.2.2.1.
	client := t.perspective == protocol.PerspectiveClient
	if client && t.handshake.writeKeys || t.spaces[protocol.SpaceInitial].dropped {
		first = protocol.SpaceHandshake
	}
	return t.pto.base.Add(t.backedOff(t.rtt.PTO(false))), first
}

// handshakeIsStuck reports whether what was lost of the handshake may wait for ever: the window is full of 0-RTT or 1-RTT
// packets, for which there is no PTO yet and which the peer perhaps cannot read.
func (t *Tracker) handshakeIsStuck() bool {
	return !t.handshake.confirmed && t.spaces[protocol.SpaceAppData].eliciting > 0 && t.inFlight+t.mtu > t.controller.Window()
}

func (t *Tracker) backedOff(d time.Duration) time.Duration { return d << min(t.pto.count, maxBackoff) }

// addressValidatedByPeer reports whether the peer is sure of our address. Servers need no proof.
func (t *Tracker) addressValidatedByPeer() bool {
	return t.perspective == protocol.PerspectiveServer || t.handshake.acked || t.handshake.confirmed
}

// onProgress notes that packets of the space were newly acknowledged.
func (t *Tracker) onProgress(now monotime.Time, space protocol.PacketNumberSpace) {
	if space == protocol.SpaceHandshake {
		t.handshake.acked = true
	}
	t.pto.base = now
	// "The PTO backoff factor is reset when an acknowledgment is received, except [...] a client does
	// not reset the PTO backoff factor on receiving acknowledgments in Initial packets."
	// RFC 9002, Section 6.2.1.
	if t.addressValidatedByPeer() {
		t.pto.reset()
	}
}

// OnTimeout is called when Deadline has passed. It declares packets lost, or starts probing.
func (t *Tracker) OnTimeout(now monotime.Time, res *Result) {
	res.reset()
	if s := t.earliestLoss(); s != nil {
		if now.Before(s.lossTime) {
			return
		}
		lost := t.detectLoss(now, s, res)
		t.settle(s, res)
		t.signalLoss(lost, res)
		return
	}
	deadline, space := t.ptoDeadline()
	if deadline.IsZero() || now.Before(deadline) {
		return
	}
	// "When a PTO timer expires, the PTO backoff MUST be increased, resulting in the PTO period being
	// set to twice its current value." RFC 9002, Section 6.2.1.
	res.PTO = true
	t.pto.count++
	t.pto.base = now
	t.pto.space = space
	// "When a PTO timer expires, a sender MUST send at least one ack-eliciting packet in the packet
	// number space as a probe." RFC 9002, Section 6.2.4.
	t.pto.probes = max(1, min(t.spaces[space].eliciting, maxProbes))
	t.ecn.onPTO(t.pto.count)
	t.collectProbes(space, res)
}

// collectProbes: "In addition to sending data in the packet number space for which the timer
// expired, the sender SHOULD send ack-eliciting packets from other packet number spaces with
// in-flight data, coalescing packets if possible." RFC 9002, Section 6.2.4.
func (t *Tracker) collectProbes(expired protocol.PacketNumberSpace, res *Result) {
	for space := protocol.SpaceInitial; space < protocol.NumPacketNumberSpaces; space++ {
		n := 1
		if space == expired {
			n = t.pto.probes
		}
		if space == protocol.SpaceAppData && !t.handshake.complete {
			continue
		}
		s := &t.spaces[space]
		n = min(n, s.eliciting)
		for pn := s.packets.head; pn < s.packets.tail && n > 0; pn++ {
			if p := s.packets.at(pn); p.fate == fateOpen && p.eliciting && !p.mtuProbe { // which has nothing to repeat
				res.Probe = s.appendRecords(res.Probe, p)
				n--
			}
		}
	}
}
