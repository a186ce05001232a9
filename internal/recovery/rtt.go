package recovery

import (
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
)

// initialRTT is kInitialRtt (RFC 9002, Section 6.2.2).
const initialRTT = 333 * time.Millisecond

// An RTT estimates the round-trip time of a path (RFC 9002, Section 5).
type RTT struct {
	latest, min   time.Duration // zero before the first sample
	smoothed, dev time.Duration
	maxAckDelay   time.Duration // the peer's
}

func newRTT(maxAckDelay time.Duration) RTT {
	// "smoothed_rtt = kInitialRtt", "rttvar = kInitialRtt / 2". RFC 9002, Section 5.3.
	return RTT{smoothed: initialRTT, dev: initialRTT / 2, maxAckDelay: maxAckDelay}
}

// HasSample reports whether the estimate rests on a measurement.
func (r *RTT) HasSample() bool { return r.latest != 0 }

// Latest returns the newest sample, 0 before the first one.
func (r *RTT) Latest() time.Duration { return r.latest }

// Min returns the smallest sample, 0 before the first one.
func (r *RTT) Min() time.Duration { return r.min }

// Smoothed returns smoothed_rtt, 333 ms before the first sample.
func (r *RTT) Smoothed() time.Duration { return r.smoothed }

// MeanDeviation returns rttvar.
func (r *RTT) MeanDeviation() time.Duration { return r.dev }

// PTO returns the probe timeout without back-off (RFC 9002, Section 6.2.1). Initial and Handshake
// packets are acknowledged at once, so their PTO is without the peer's max_ack_delay.
func (r *RTT) PTO(withMaxAckDelay bool) time.Duration {
	d := r.smoothed + max(4*r.dev, protocol.TimerGranularity)
	if withMaxAckDelay {
		d += r.maxAckDelay
	}
	return d
}

// update takes in a sample that includes ackDelay of the peer's making.
func (r *RTT) update(sample, ackDelay time.Duration) {
	sample = max(sample, 1) // zero means none
	if !r.HasSample() {
		// "min_rtt MUST be set to the latest_rtt on the first RTT sample." RFC 9002, Section 5.2.
		r.latest, r.min, r.smoothed, r.dev = sample, sample, sample, sample/2
		return
	}
	r.latest = sample
	// "min_rtt MUST be set to the lesser of min_rtt and latest_rtt (Section 5.1) on all other
	// samples." RFC 9002, Section 5.2.
	r.min = min(r.min, sample)
	adjusted := sample
	// "MUST NOT subtract the acknowledgment delay from the RTT sample if the resulting value is
	// smaller than the min_rtt." RFC 9002, Section 5.3.
	if sample-r.min >= ackDelay {
		adjusted -= ackDelay
	}
	// The deviation comes first: RFC 9002, erratum 7539.
	r.dev = (3*r.dev + (r.smoothed - adjusted).Abs()) / 4
	r.smoothed = (7*r.smoothed + adjusted) / 8
}

// lossDelay returns the time threshold (RFC 9002, Section 6.1.2).
func (r *RTT) lossDelay() time.Duration {
	// "max(kTimeThreshold * max(smoothed_rtt, latest_rtt), kGranularity)"
	return max(max(r.smoothed, r.latest)*9/8, protocol.TimerGranularity)
}

// onPersistentCongestion: "Endpoints SHOULD set the min_rtt to the newest RTT sample after
// persistent congestion is established." RFC 9002, Section 5.2.
func (r *RTT) onPersistentCongestion() { r.min = r.latest }
