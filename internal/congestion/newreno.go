package congestion

import (
	"time"

	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
)

// newReno is the controller of RFC 9002, Section 7.
type newReno struct {
	window
	acked protocol.ByteCount // in congestion avoidance, not yet worth a packet
}

// NewNewReno returns a NewReno controller for packets of up to mtu bytes.
func NewNewReno(mtu protocol.ByteCount) Controller {
	return &newReno{window: newWindow(mtu)}
}

func (r *newReno) OnSent(Sent) {}

func (r *newReno) OnAcked(a AckedBatch) {
	r.checkDelay(&a)
	if !r.mayGrow(&a) {
		return
	}
	r.acked += r.slowStart(a.Bytes)
	// "A sender in congestion avoidance uses an Additive Increase Multiplicative Decrease
	// (AIMD) approach that MUST limit the increase to the congestion window to at most one
	// maximum datagram size for each congestion window that is acknowledged."
	// RFC 9002, Section 7.3.3.
	if r.acked >= r.size {
		r.acked = min(r.acked-r.size, r.size)
		r.set(r.size + r.mtu)
	}
}

func (r *newReno) OnCongestion(c Congestion) {
	if !r.inRecovery(c.SentAt) {
		// "On entering a recovery period, a sender MUST set the slow start threshold to half
		// the value of the congestion window when loss is detected." RFC 9002, Section 7.3.2.
		r.startRecovery(c.Now, r.size/2)
		r.acked = 0
	}
	r.noteCongestion(&c)
	if c.Kind == Persistent {
		r.collapse()
	}
}

func (r *newReno) OnSpurious(_, sentAt monotime.Time) { r.undoReduction(sentAt) }

func (r *newReno) SetMTU(mtu protocol.ByteCount) { r.setMTU(mtu) }

func (r *newReno) Window() protocol.ByteCount { return r.size }

func (r *newReno) PacingRate(srtt time.Duration) uint64 { return r.pacingRate(srtt) }

func (r *newReno) Metrics() Metrics { return r.snapshot() }
