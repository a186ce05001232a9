package congestion

import (
	"math"
	"time"

	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
)

// Constants of RFC 9438, Section 4.1.1.
const (
	cubicBeta  = 0.7                                   // Section 4.6
	cubicC     = 0.4                                   // segments per second^3, Section 5.1
	cubicAlpha = 3 * (1 - cubicBeta) / (1 + cubicBeta) // Section 4.3
)

// cubic is the controller of RFC 9438. Windows are in bytes where the RFC counts segments.
type cubic struct {
	window
	fraction float64 // of a byte, owed to the window
	curve    cubicCurve
	lastAck  monotime.Time // until when the curve has followed the clock; zero before the first ACK

	undoCurve cubicCurve // what the latest reduction replaced
}

// A cubicCurve holds the variables of RFC 9438, Section 4.1.2.
type cubicCurve struct {
	epoch     monotime.Time // t_epoch; zero until the congestion avoidance stage starts
	k         float64       // K, in seconds
	wMax      float64       // W_max
	wEst      float64       // W_est
	cwndPrior float64       // cwnd_prior
}

// NewCubic returns a CUBIC controller for packets of up to mtu bytes.
func NewCubic(mtu protocol.ByteCount) Controller {
	return &cubic{window: newWindow(mtu)}
}

func (c *cubic) OnSent(s Sent) {
	if s.InFlight == 0 {
		c.pause(s.Now)
	}
}

// pause takes the time since the last ACK out of the curve: "The elapsed time t in Figure 1
// MUST NOT include periods during which cwnd has not been updated due to application-limited
// behavior". RFC 9438, Section 4.2.
func (c *cubic) pause(now monotime.Time) {
	if !c.lastAck.IsZero() {
		idle := now.Sub(c.lastAck)
		c.curve.shift(idle)
		c.undoCurve.shift(idle)
	}
	c.lastAck = now
}

func (v *cubicCurve) shift(d time.Duration) {
	if !v.epoch.IsZero() {
		v.epoch = v.epoch.Add(d)
	}
}

func (c *cubic) OnAcked(a AckedBatch) {
	c.checkDelay(&a)
	if !c.mayGrow(&a) {
		if c.metrics.State == ApplicationLimited {
			c.pause(a.Now)
		}
		return
	}
	if acked := c.slowStart(a.Bytes); acked > 0 {
		c.avoidCongestion(&a, acked)
	}
	c.lastAck = a.Now
}

// avoidCongestion chooses the larger of W_cubic and W_est (RFC 9438, Sections 4.2 to 4.5).
func (c *cubic) avoidCongestion(a *AckedBatch, acked protocol.ByteCount) {
	mtu, cwnd := float64(c.mtu), float64(c.size)
	v := &c.curve
	if v.epoch.IsZero() {
		v.start(a.Now, cwnd, mtu)
	}
	share := min(float64(acked)/cwnd, 1) // of the window
	alpha := cubicAlpha
	if v.wEst >= v.cwndPrior {
		alpha = 1
	}
	v.wEst += alpha * mtu * share

	t := a.Now.Sub(v.epoch)
	if v.at(t, mtu) < v.wEst {
		// "CUBIC is in the Reno-friendly region and cwnd SHOULD be set to W_est at each
		// reception of a new ACK." RFC 9438, Section 4.3.
		c.grow(v.wEst - cwnd)
		return
	}
	// "In this region, cwnd MUST be incremented by (target - cwnd) / cwnd for each received
	// new ACK". RFC 9438, Sections 4.4 and 4.5.
	target := min(max(v.at(t+a.SmoothedRTT, mtu), cwnd), 1.5*cwnd)
	c.grow((target-cwnd)*share + c.fraction)
}

// grow adds n bytes to the window and keeps the fraction.
func (c *cubic) grow(n float64) {
	if n <= 0 {
		return
	}
	whole := math.Floor(n)
	c.fraction = n - whole
	c.set(c.size + protocol.ByteCount(whole))
}

// start begins a congestion avoidance stage (RFC 9438, Section 4.2). If W_max is unknown, as
// after persistent congestion, K is 0 and W_max the current window (RFC 9438, Section 4.8).
func (v *cubicCurve) start(now monotime.Time, cwnd, mtu float64) {
	v.epoch, v.wEst, v.k = now, cwnd, 0
	if cwnd >= v.wMax {
		v.wMax = cwnd
		return
	}
	v.k = math.Cbrt((v.wMax - cwnd) / (cubicC * mtu))
}

// at returns W_cubic(t) (RFC 9438, Figure 1).
func (v *cubicCurve) at(t time.Duration, mtu float64) float64 {
	d := t.Seconds() - v.k
	return cubicC*mtu*d*d*d + v.wMax
}

func (c *cubic) OnCongestion(e Congestion) {
	if !c.inRecovery(e.SentAt) {
		c.reduce(e.Now)
	}
	c.noteCongestion(&e)
	if e.Kind == Persistent {
		c.curve.epoch, c.curve.wMax = 0, 0
		c.collapse()
	}
}

// reduce is the multiplicative decrease. It takes cwnd for flight_size, which RFC 9438,
// Section 4.6 allows because mayGrow keeps an underutilized window from growing.
//
// Deviation from RFC 9438, Section 4.6: an ECN signal does not reduce the window below two
// packets either, since that is the minimum of RFC 9002, Section 7.2.
func (c *cubic) reduce(now monotime.Time) {
	c.undoCurve = c.curve
	cwnd := float64(c.size)
	c.curve.cwndPrior = cwnd
	// Fast convergence: "if the current cwnd is less than W_max, this indicates that the
	// saturation point experienced by this flow is getting reduced". RFC 9438, Section 4.7.
	if cwnd < c.curve.wMax {
		c.curve.wMax = cwnd * (1 + cubicBeta) / 2
	} else {
		c.curve.wMax = cwnd
	}
	c.curve.epoch = 0
	c.fraction = 0
	c.startRecovery(now, c.size*7/10) // cubicBeta, without rounding errors
}

func (c *cubic) OnSpurious(_, sentAt monotime.Time) {
	if c.undoReduction(sentAt) {
		c.curve = c.undoCurve
		c.fraction = 0
	}
}

// SetMTU starts a new stage since the unit of C, the segment, changes.
func (c *cubic) SetMTU(mtu protocol.ByteCount) {
	c.setMTU(mtu)
	c.curve.epoch = 0
}

func (c *cubic) Window() protocol.ByteCount { return c.size }

func (c *cubic) PacingRate(srtt time.Duration) uint64 { return c.pacingRate(srtt) }

func (c *cubic) Metrics() Metrics { return c.snapshot() }
