package congestion

import (
	"time"

	"github.com/quic-go/quic-go/internal/monotime"
)

// Constants of RFC 9406, Section 4.3. Packets are paced, so L is infinite.
const (
	minRTTThresh     = 4 * time.Millisecond
	maxRTTThresh     = 16 * time.Millisecond
	minRTTDivisor    = 8
	numRTTSamples    = 8
	cssGrowthDivisor = 4
	maxCSSRounds     = 5
)

// A hystart looks for a rise of the RTT in the first slow start, which it then slows down
// (Conservative Slow Start, CSS) and ends: HyStart++ (RFC 9406). Zero RTTs are infinite.
type hystart struct {
	roundEnd   monotime.Time // the round is over when a packet sent then or later is acknowledged
	lastMin    time.Duration // lastRoundMinRTT
	currentMin time.Duration // currentRoundMinRTT
	samples    int           // rttSampleCount
	baseline   time.Duration // cssBaselineMinRtt; zero outside of CSS
	cssRounds  int
}

func (h *hystart) inCSS() bool { return h.baseline != 0 }

// onAcked takes in a batch during slow start. It reports whether slow start is over: "If CSS_ROUNDS
// rounds are complete, enter congestion avoidance". RFC 9406, Section 4.2.
func (h *hystart) onAcked(a *AckedBatch) (done bool) {
	if !a.LargestSentAt.Before(h.roundEnd) {
		h.roundEnd = a.Now
		h.lastMin, h.currentMin, h.samples = h.currentMin, 0, 0
		h.cssRounds++
		if h.inCSS() && h.cssRounds >= maxCSSRounds {
			return true
		}
	}
	if a.RTT > 0 {
		h.samples++
		if h.currentMin == 0 || a.RTT < h.currentMin {
			h.currentMin = a.RTT
		}
	}
	if h.samples < numRTTSamples {
		return false
	}
	if h.inCSS() {
		if h.currentMin < h.baseline {
			h.baseline = 0 // the rise was spurious
		}
		return false
	}
	thresh := max(minRTTThresh, min(h.lastMin/minRTTDivisor, maxRTTThresh))
	if h.lastMin != 0 && h.currentMin >= h.lastMin+thresh {
		// "If the transition into CSS happens in the middle of a round, that partial round counts
		// towards the limit." RFC 9406, Section 4.2.
		h.baseline, h.cssRounds = h.currentMin, 0
	}
	return false
}
