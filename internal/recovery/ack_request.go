package recovery

import (
	"time"

	"github.com/quic-go/quic-go/internal/congestion"
	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/wire"
)

// ackReviewRTTs is how many round trips pass between two looks at what to ask for: "Usually, it is not necessary to send
// an ACK_FREQUENCY frame more than once per RTT and likely even less frequently."
// draft-ietf-quic-ack-frequency-12, Section 8.1.
const ackReviewRTTs = 2

// An ackRequest is the policy that we ask the peer for, by ACK_FREQUENCY frames.
type ackRequest struct {
	able               bool // the peer advertised min_ack_delay
	minDelay, maxDelay time.Duration
	last               ackPolicy // of the newest frame; the standard one if there was none
	next               uint64    // sequence number
	due                bool      // a frame is to be sent
	inFlight           bool      // the newest frame is neither acknowledged nor lost
	reviewAt           monotime.Time
	promptAt           monotime.Time // when the next PromptDue may be true
}

// SetPeerMaxAckDelay takes in the peer's max_ack_delay transport parameter.
func (t *Tracker) SetPeerMaxAckDelay(d time.Duration) {
	t.rtt.maxAckDelay = d
	t.request.maxDelay, t.request.last = d, standardAcks(d)
}

// SetPeerMinAckDelay takes in the peer's min_ack_delay transport parameter, which permits ACK_FREQUENCY and IMMEDIATE_ACK
// frames. It comes after max_ack_delay.
func (t *Tracker) SetPeerMinAckDelay(d time.Duration) { t.request.able, t.request.minDelay = true, d }

// HasImmediateAck reports whether the peer understands IMMEDIATE_ACK frames.
func (t *Tracker) HasImmediateAck() bool { return t.request.able }

// PromptDue reports whether the last packet before a pause should carry an IMMEDIATE_ACK frame, as the peer otherwise might
// wait for more: "if no further data is buffered to be sent, a sender can send an IMMEDIATE_ACK frame with the last data
// packet before an idle period". draft-ietf-quic-ack-frequency-12, Section 8.1.1. Short pauses are frequent, so that
// the next one counts a round trip later.
func (t *Tracker) PromptDue(now monotime.Time) bool {
	q := &t.request
	return q.last.threshold > 1 && uint64(t.spaces[protocol.SpaceAppData].eliciting) > q.last.threshold && !now.Before(q.promptAt)
}

// OnPrompted notes that the frame that was due is in a packet.
func (t *Tracker) OnPrompted(now monotime.Time) { t.request.promptAt = now.Add(t.rtt.smoothed) }

// AckFrequencyDue reports whether a packet with 1-RTT keys should carry the frame that NextAckFrequency returns. It is
// worth no packet of its own.
func (t *Tracker) AckFrequencyDue() bool { return t.request.due }

// NextAckFrequency returns the frame to send.
func (t *Tracker) NextAckFrequency() wire.AckFrequencyFrame {
	p := t.wantedAcks()
	return wire.AckFrequencyFrame{
		SequenceNumber: t.request.next, AckElicitingThreshold: p.threshold,
		RequestMaxAckDelay: p.delay, ReorderingThreshold: p.reordering,
	}
}

// OnAckFrequencySent notes that the frame is in a packet.
func (t *Tracker) OnAckFrequencySent(f *wire.AckFrequencyFrame) {
	q := &t.request
	q.last = ackPolicy{threshold: f.AckElicitingThreshold, delay: f.RequestMaxAckDelay, reordering: f.ReorderingThreshold}
	q.next = f.SequenceNumber + 1
	q.due, q.inFlight = false, true
	// "When using max_ack_delay for PTO computations, endpoints MUST use the maximum of the current value and all those in
	// flight." draft-ietf-quic-ack-frequency-12, Section 7.
	t.rtt.maxAckDelay = max(t.rtt.maxAckDelay, f.RequestMaxAckDelay)
}

// OnAckFrequencyAcked notes that the peer has the frame of the given sequence number. Only the newest one says what the
// peer does.
func (t *Tracker) OnAckFrequencyAcked(sequence uint64) {
	q := &t.request
	if sequence+1 != q.next {
		return
	}
	q.inFlight, q.due = false, false
	t.rtt.maxAckDelay = q.last.delay
}

// OnAckFrequencyLost notes that the frame of the given sequence number is lost, perhaps. "When an ACK_FREQUENCY frame is lost,
// the sender is encouraged to send another ACK_FREQUENCY frame, unless an ACK_FREQUENCY frame with a larger Sequence
// Number value has already been sent." draft-ietf-quic-ack-frequency-12, Section 4.
func (t *Tracker) OnAckFrequencyLost(sequence uint64) {
	if q := &t.request; q.inFlight && sequence+1 == q.next {
		q.inFlight, q.due = false, true
	}
}

// reviewAcks decides whether to ask for something else than before. It is called when packets are acknowledged.
func (t *Tracker) reviewAcks(now monotime.Time) {
	q := &t.request
	if !q.able || q.inFlight || q.due || !t.handshake.confirmed || now.Before(q.reviewAt) {
		return
	}
	q.reviewAt = now.Add(ackReviewRTTs * t.rtt.smoothed)
	q.due = q.last.differs(t.wantedAcks())
}

// restartAcks goes back to the standard policy on a new path: "an endpoint that has sent an ACK_FREQUENCY frame earlier in
// the connection ought to send a new ACK_FREQUENCY frame upon confirmation of connection migration with updated
// information". draft-ietf-quic-ack-frequency-12, Section 8.4.
func (t *Tracker) restartAcks() {
	q := &t.request
	q.due = q.able && q.last.differs(t.wantedAcks())
	q.reviewAt, q.promptAt = 0, 0
}

// wantedAcks returns the policy that suits the path now. It asks for some ACK frames in each window and each round trip,
// for more of them while the window has to be found, and never for a longer delay than the peer's max_ack_delay. A window
// of few packets and a round trip that the peer's timers are too coarse for get the standard policy.
func (t *Tracker) wantedAcks() ackPolicy {
	q := &t.request
	standard := standardAcks(q.maxDelay)
	if !t.rtt.HasSample() || t.rtt.smoothed < q.minDelay {
		return standard
	}
	share := protocol.ByteCount(protocol.AcksPerWindow)
	if t.controller.Metrics().State == congestion.SlowStart {
		share = protocol.AcksPerWindowAtStart
	}
	packets := uint64(t.controller.Window() / t.mtu / share)
	least := uint64(protocol.MinAckElicitingThreshold)
	if q.last.threshold > 1 {
		least-- // so that a window near the border does not change much
	}
	if packets < least {
		return standard
	}
	delay := min(max(t.rtt.smoothed/protocol.AcksPerRTT, q.minDelay), q.maxDelay)
	return ackPolicy{
		threshold: min(packets, protocol.MaxAckElicitingThreshold),
		delay:     delay.Truncate(time.Microsecond),
		// "To ensure timely loss detection, a data sender can send a Reordering Threshold value that is the same as the loss
		// detection packet threshold." draft-ietf-quic-ack-frequency-12, Section 9.
		reordering: packetThreshold,
	}
}

// differs reports whether p and o are so different that a frame is worth it: by a factor of two.
func (p ackPolicy) differs(o ackPolicy) bool {
	return p.reordering != o.reordering ||
		p.threshold >= 2*o.threshold || o.threshold >= 2*p.threshold ||
		p.delay >= 2*o.delay || o.delay >= 2*p.delay
}
