package congestion

import (
	"math/bits"
	"time"

	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
)

const (
	// maxWindow keeps products of a window with small factors away from overflow. It is far
	// above what protocol.MaxTrackedSentPackets lets a sender use.
	maxWindow protocol.ByteCount = 1 << 30

	minWindowPackets     = 2     // RFC 9002, Section 7.2
	initialWindowPackets = 10    // RFC 9002, Section 7.2
	initialWindowBytes   = 14720 // RFC 9002, Section 7.2
)

// A window is what NewReno and CUBIC have in common: the size of the congestion window, the
// slow start threshold and the recovery period.
type window struct {
	mtu      protocol.ByteCount
	size     protocol.ByteCount
	ssthresh protocol.ByteCount

	recoveryStart monotime.Time // of the latest recovery period; zero before the first
	hystart       hystart
	metrics       Metrics // counters and state; sizes are filled in by snapshot

	// What the latest reduction replaced, and whether it may come back.
	undo         windowUndo
	undoable     bool // the latest reduction answered to lost packets alone
	lostInPeriod int  // packets of the latest recovery period that are still believed lost
}

type windowUndo struct {
	size, ssthresh protocol.ByteCount
	recoveryStart  monotime.Time
}

func newWindow(mtu protocol.ByteCount) window {
	if mtu <= 0 {
		panic("BUG: congestion window for packets without size")
	}
	return window{mtu: mtu, size: initialWindow(mtu), ssthresh: protocol.MaxByteCount}
}

// "Endpoints SHOULD use an initial congestion window of ten times the maximum datagram size
// (max_datagram_size), while limiting the window to the larger of 14,720 bytes or twice the
// maximum datagram size." RFC 9002, Section 7.2.
func initialWindow(mtu protocol.ByteCount) protocol.ByteCount {
	return min(initialWindowPackets*mtu, max(initialWindowBytes, minWindowPackets*mtu))
}

func (w *window) minimum() protocol.ByteCount { return minWindowPackets * w.mtu }

// set changes the size within its bounds.
func (w *window) set(size protocol.ByteCount) {
	w.size = min(max(size, w.minimum()), maxWindow)
}

// inSlowStart: "A NewReno sender is in slow start any time the congestion window is below
// the slow start threshold." RFC 9002, Section 7.3.1.
func (w *window) inSlowStart() bool { return w.size < w.ssthresh }

// inRecovery reports whether a packet that was sent at sentAt belongs to the latest recovery
// period or to an earlier time.
func (w *window) inRecovery(sentAt monotime.Time) bool {
	return !w.recoveryStart.IsZero() && !sentAt.After(w.recoveryStart)
}

// mayGrow reports whether a counts towards a larger window, and notes the state.
func (w *window) mayGrow(a *AckedBatch) bool {
	if w.inRecovery(a.LargestSentAt) {
		w.metrics.State = Recovery
		return false
	}
	// "When bytes in flight is smaller than the congestion window and sending is not pacing
	// limited, the congestion window is underutilized. [...] the congestion window SHOULD NOT
	// be increased". RFC 9002, Section 7.8. A window without room for another packet is used to
	// the full, and one that is not even half full never is the limit.
	roomLeft := a.SentInFlight+w.mtu <= w.size
	if a.AppLimited && roomLeft || a.InFlightBefore < w.size/2 {
		w.metrics.State = ApplicationLimited
		return false
	}
	w.noteState()
	return true
}

func (w *window) noteState() {
	w.metrics.State = CongestionAvoidance
	if w.inSlowStart() {
		w.metrics.State = SlowStart
	}
}

// checkDelay ends the first slow start if the RTT has risen: "An implementation SHOULD use
// HyStart++ only for the initial slow start (when the ssthresh is at its initial value of
// arbitrarily high per [RFC5681])". RFC 9406, Section 4.3.
func (w *window) checkDelay(a *AckedBatch) {
	if w.ssthresh == protocol.MaxByteCount && w.hystart.onAcked(a) {
		w.ssthresh = w.size
	}
}

// slowStart grows the window by what was acknowledged, at most to the threshold, and returns
// the bytes that are left for congestion avoidance.
func (w *window) slowStart(acked protocol.ByteCount) protocol.ByteCount {
	if !w.inSlowStart() {
		return acked
	}
	n := min(acked, w.ssthresh-w.size)
	if w.ssthresh == protocol.MaxByteCount && w.hystart.inCSS() {
		w.set(w.size + n/cssGrowthDivisor)
		return 0
	}
	w.set(w.size + n)
	return acked - n
}

// startRecovery opens a recovery period with the given threshold.
func (w *window) startRecovery(now monotime.Time, ssthresh protocol.ByteCount) {
	w.undo = windowUndo{size: w.size, ssthresh: w.ssthresh, recoveryStart: w.recoveryStart}
	w.undoable, w.lostInPeriod = true, 0
	w.recoveryStart = now
	w.ssthresh = min(max(ssthresh, w.minimum()), maxWindow)
	w.set(w.ssthresh)
	w.metrics.State = Recovery
	w.metrics.CongestionEvents++
}

// collapse: "When persistent congestion is declared, the sender's congestion window MUST be
// reduced to the minimum congestion window (kMinimumWindow)". RFC 9002, Section 7.6.2.
// The recovery period ends too (RFC 9002, Appendix B.8).
func (w *window) collapse() {
	w.set(w.minimum())
	w.recoveryStart = 0
	w.metrics.PersistentPeriods++
	w.noteState()
}

// noteCongestion takes in what bears on an undo of the latest reduction.
func (w *window) noteCongestion(c *Congestion) {
	if c.Kind == Loss {
		w.lostInPeriod += c.LostPackets
		return
	}
	w.undoable = false // ECN-CE says that the reduction was right, persistent congestion that it was not enough
}

// undoReduction undoes the latest reduction once every packet whose loss caused or followed it
// in the same recovery period has been acknowledged. CUBIC does so by RFC 9438, Section 4.9.2, and
// what holds for its window holds for NewReno's. It reports whether the window was restored.
func (w *window) undoReduction(sentAt monotime.Time) bool {
	before := !w.undo.recoveryStart.IsZero() && !sentAt.After(w.undo.recoveryStart)
	if !w.undoable || before || !w.inRecovery(sentAt) {
		return false
	}
	w.lostInPeriod--
	if w.lostInPeriod > 0 {
		return false
	}
	w.undoable = false
	// "CUBIC MAY restore the original values of the above-mentioned variables as follows if
	// the current cwnd is lower than cwnd_prior." RFC 9438, Section 4.9.2.
	if w.size >= w.undo.size {
		return false
	}
	w.size, w.ssthresh, w.recoveryStart = w.undo.size, w.undo.ssthresh, w.undo.recoveryStart
	w.metrics.SpuriousEvents++
	w.noteState()
	return true
}

// setMTU: "If the maximum datagram size changes during the connection, the initial congestion
// window SHOULD be recalculated with the new size." RFC 9002, Section 7.2.
func (w *window) setMTU(mtu protocol.ByteCount) {
	if mtu <= 0 {
		panic("BUG: congestion window for packets without size")
	}
	initial := w.size == initialWindow(w.mtu) && w.metrics.CongestionEvents == 0
	w.mtu = mtu
	w.undoable = false
	if initial {
		w.size = initialWindow(mtu)
	}
	w.set(w.size)
}

// pacingRate returns 5/4 * window / srtt: "Using a value for N that is small, but at least 1
// (for example, 1.25) ensures that variations in RTT do not result in underutilization of
// the congestion window." RFC 9002, Section 7.7.
func (w *window) pacingRate(srtt time.Duration) uint64 {
	if srtt <= 0 {
		return 0
	}
	hi, lo := bits.Mul64(uint64(w.size), uint64(time.Second)/4*5)
	if hi >= uint64(srtt) {
		return 1<<64 - 1
	}
	rate, _ := bits.Div64(hi, lo, uint64(srtt))
	return max(rate, 1)
}

func (w *window) snapshot() Metrics {
	m := w.metrics
	m.Window, m.SlowStartThresh = w.size, w.ssthresh
	return m
}
