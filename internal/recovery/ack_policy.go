package recovery

import (
	"time"

	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
	"github.com/quic-go/quic-go/internal/wire"
)

// maxUnreported bounds the new ranges of received packet numbers that wait for an ACK frame, so that none is
// forgotten before it was sent: "implementations have to take more care to avoid truncating ACK ranges before they
// are sent at least once." draft-ietf-quic-ack-frequency-12, Section 6.
const maxUnreported = protocol.MaxAckRanges / 2

// An ackPolicy says when a receiver acknowledges 1-RTT packets (draft-ietf-quic-ack-frequency-12, Section 4).
type ackPolicy struct {
	threshold  uint64                // Ack-Eliciting Threshold: so many packets need no ACK frame yet
	delay      time.Duration         // after which they get one
	reordering protocol.PacketNumber // Reordering Threshold
}

// standardAcks is the policy without ACK_FREQUENCY frames: "A receiver SHOULD send an ACK frame after receiving at
// least two ack-eliciting packets." RFC 9000, Section 13.2.2.
func standardAcks(delay time.Duration) ackPolicy {
	return ackPolicy{threshold: 1, delay: delay, reordering: 1}
}

// An askedPolicy is the policy that the peer asked for by its newest ACK_FREQUENCY frame.
type askedPolicy struct {
	ackPolicy
	asked    bool // there was a frame
	sequence uint64
}

// OnAckFrequency handles an ACK_FREQUENCY frame. The packet that has brought it is reported by OnReceived afterwards.
func (t *Tracker) OnAckFrequency(f *wire.Decoded) error {
	// "A value smaller than the min_ack_delay advertised by the peer is also invalid. Receipt of an invalid value MUST be
	// treated as a connection error of type PROTOCOL_VIOLATION." draft-ietf-quic-ack-frequency-12, Section 4.
	if f.MaxAckDelay < protocol.MinAckDelay {
		return qerr.FrameError(qerr.ProtocolViolation, uint64(wire.FrameTypeAckFrequency), "Requested Max Ack Delay below min_ack_delay")
	}
	p := &t.spaces[protocol.SpaceAppData].received.policy
	// "A receiving endpoint MUST ignore a received ACK_FREQUENCY frame unless the Sequence Number value in the frame is
	// greater than the largest processed value." draft-ietf-quic-ack-frequency-12, Section 4.
	if p.asked && f.Sequence <= p.sequence {
		return nil
	}
	p.asked, p.sequence = true, f.Sequence
	// Timers are late, and max_ack_delay includes that: RFC 9000, Section 18.2.
	delay := max(f.MaxAckDelay-protocol.TimerGranularity, protocol.MinAckDelay)
	p.ackPolicy = ackPolicy{threshold: f.Limit, delay: delay, reordering: f.Reordering}
	return nil
}

// OnImmediateAck handles an IMMEDIATE_ACK frame. The packet that has brought it is reported by OnReceived afterwards.
// However many come, one ACK frame for each batch of packets answers them.
func (t *Tracker) OnImmediateAck() {
	r := &t.spaces[protocol.SpaceAppData].received
	r.immediate, r.deadline = true, 0
}

// current returns the policy that holds now. "When no acknowledgment has been sent in over one smoothed round trip time
// [...], receivers are encouraged to send an acknowledgment soon after receiving an ack-eliciting packet."
// draft-ietf-quic-ack-frequency-12, Section 6.1. It is not later then than without the extension.
func (r *received) current(now monotime.Time, srtt time.Duration) ackPolicy {
	p := r.policy.ackPolicy
	if r.policy.asked && now.Sub(r.reportedAt) > max(srtt, p.delay) {
		standard := standardAcks(protocol.MaxAckDelay)
		p.threshold, p.delay = min(p.threshold, standard.threshold), min(p.delay, standard.delay)
	}
	return p
}

// wantsImmediate reports whether packet pn, ack-eliciting and counted already, makes an ACK frame due at once.
func (r *received) wantsImmediate(p ackPolicy, pn protocol.PacketNumber, ecn protocol.ECN) bool {
	if uint64(r.eliciting) > p.threshold || r.unreported >= maxUnreported {
		return true
	}
	// "If the Ack-Eliciting Threshold is larger than 1, an endpoint SHOULD send an immediate acknowledgement when a packet
	// marked with the ECN Congestion Experienced (CE) [...] codepoint in the IP header is received and the previously
	// received packet was not marked CE." draft-ietf-quic-ack-frequency-12, Section 6.3.
	if ecn == protocol.ECNCE && (p.threshold <= 1 || !r.afterCE) {
		return true
	}
	switch p.reordering {
	case 0: // "SHOULD NOT send an immediate acknowledgment in response to packets received out of order", Section 6.2
		return false
	case 1:
		return r.outOfOrder(pn)
	default:
		return r.beyondWindow(p.reordering, pn)
	}
}

// outOfOrder: "an endpoint SHOULD generate and send an ACK frame without delay when it receives an
// ack-eliciting packet either: when the received packet has a packet number less than another
// ack-eliciting packet that has been received, or when the packet has a packet number larger than
// the highest-numbered ack-eliciting packet that has been received and there are missing packets
// between that packet and this packet." RFC 9000, Section 13.2.1.
func (r *received) outOfOrder(pn protocol.PacketNumber) bool {
	if pn < r.largestEliciting {
		return true
	}
	last := r.ranges.At(r.ranges.Len() - 1)
	return last.Start > r.largestEliciting+1
}

// beyondWindow: "an endpoint that receives an ACK_FREQUENCY frame with a non-zero Reordering Threshold value SHOULD send an
// immediate ACK whenever [...] the difference between the smallest Unreported Missing packet and the Largest Unacked packet
// is greater than or equal to the Reordering Threshold value; or [...] the received packet number is less than or equal to
// Largest Acked - Reordering Threshold." draft-ietf-quic-ack-frequency-12, Section 6.2.
func (r *received) beyondWindow(threshold, pn protocol.PacketNumber) bool {
	if r.reported >= 0 && pn <= r.reported-threshold {
		return true
	}
	return max(r.largestEliciting, pn)-r.smallestUnreportedMissing(threshold) >= threshold
}

// smallestUnreportedMissing returns the smallest number that was not received and whose absence the ACK frames so far do
// not reveal. If there are no gaps, that is the next number.
func (r *received) smallestUnreportedMissing(threshold protocol.PacketNumber) protocol.PacketNumber {
	from := r.floor
	if r.reported >= 0 {
		from = max(from, r.reported-threshold+1)
	}
	for i := r.ranges.Len() - 1; i >= 0; i-- {
		if rg := r.ranges.At(i); rg.Start <= from {
			return max(from, rg.End)
		}
	}
	return from
}
