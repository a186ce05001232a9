package recovery

import (
	"github.com/quic-go/quic-go/internal/congestion"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/wire"
)

const (
	// ecnTestingPackets: "the endpoint could set an ECT codepoint for only the first ten outgoing
	// packets on a path". RFC 9000, Section 13.4.2.
	ecnTestingPackets = 10
	// ecnTestingPTOs is how many PTOs in a row end the test, in case marked packets are dropped.
	ecnTestingPTOs = 2
)

// An ECNState says whether a path can carry ECN marks (RFC 9000, Section 13.4.2).
type ECNState uint8

// ECN states.
const (
	ECNDisabled ECNState = iota // switched off by configuration
	ECNTesting                  // the first packets are marked
	ECNUnknown                  // marked packets are out, no more are marked until one is acknowledged
	ECNCapable
	ECNFailed
)

// String returns the name that qlog uses.
func (s ECNState) String() string {
	switch s {
	case ECNDisabled:
		return "disabled"
	case ECNTesting:
		return "testing"
	case ECNUnknown:
		return "unknown"
	case ECNCapable:
		return "capable"
	case ECNFailed:
		return "failed"
	}
	return "invalid ECN state"
}

// A pathECN is the ECN validation of a path.
type pathECN struct {
	state      ECNState
	sent, lost int // packets in flight, marked ECT(0)
}

// restarted returns the state for a new path.
func (e pathECN) restarted() pathECN {
	if e.state == ECNDisabled {
		return e
	}
	return pathECN{state: ECNTesting}
}

func (e *pathECN) onSent() {
	e.sent++
	if e.state == ECNTesting && e.sent >= ecnTestingPackets {
		e.state = ECNUnknown
	}
}

// onLost: "If all packets marked with non-zero ECN codepoints are subsequently lost, it can disable
// marking on the assumption that the marking caused the loss." RFC 9000, Section 13.4.2.
func (e *pathECN) onLost() {
	e.lost++
	if e.state == ECNUnknown && e.lost == e.sent {
		e.state = ECNFailed
	}
}

func (e *pathECN) onPTO(count int) {
	if e.state == ECNTesting && count >= ecnTestingPTOs {
		e.state = ECNUnknown
	}
}

// A spaceECN holds the counts of a packet number space.
type spaceECN struct {
	sent     uint64         // packets marked ECT(0)
	reported wire.ECNCounts // by the last ACK frame that was validated
}

// ECN returns the codepoint for the next packet.
func (t *Tracker) ECN() protocol.ECN {
	if t.ecn.state == ECNTesting || t.ecn.state == ECNCapable {
		return protocol.ECT0
	}
	return protocol.ECNNon
}

// ECNState returns the state of the validation of the current path.
func (t *Tracker) ECNState() ECNState { return t.ecn.state }

// validateECN checks the counts of an ACK frame and notes their increases in batch. "An endpoint
// MUST NOT fail ECN validation as a result of processing an ACK frame that does not increase the
// largest acknowledged packet number", so it is not called for those. RFC 9000, Section 13.4.2.1.
func (t *Tracker) validateECN(s *space, ack *wire.Ack, a *acked, batch *congestion.AckedBatch) {
	if t.ecn.state == ECNDisabled || t.ecn.state == ECNFailed {
		return
	}
	if !ack.HasECN {
		// "If an ACK frame newly acknowledges a packet that the endpoint sent with either the ECT(0)
		// or ECT(1) codepoint set, ECN validation fails if the corresponding ECN counts are not
		// present in the ACK frame." RFC 9000, Section 13.4.2.1.
		if a.ect0 > 0 {
			t.ecn.state = ECNFailed
		}
		return
	}
	if !s.ecn.plausible(ack, a.ect0) {
		// "If validation fails, then the endpoint MUST disable ECN." RFC 9000, Section 13.4.2.2.
		t.ecn.state = ECNFailed
		return
	}
	old := s.ecn.reported
	s.ecn.reported = wire.ECNCounts{ECT0: ack.ECT0, ECT1: ack.ECT1, CE: ack.CE}
	batch.ECT0, batch.ECT1, batch.CE = ack.ECT0-old.ECT0, ack.ECT1-old.ECT1, ack.CE-old.CE
	if a.marked {
		t.ecn.state = ECNCapable
	}
}

// plausible compares the counts of an ACK frame with what was sent and reported before.
func (e *spaceECN) plausible(ack *wire.Ack, newlyAcked uint64) bool {
	if ack.ECT0 < e.reported.ECT0 || ack.CE < e.reported.CE {
		return false
	}
	// "validation will fail when an endpoint receives a non-zero ECN count corresponding to an ECT
	// codepoint that it never applied" RFC 9000, Section 13.4.2.1.
	if ack.ECT1 != 0 {
		return false
	}
	// "ECN validation can fail if the received total count for either ECT(0) or ECT(1) exceeds the
	// total number of packets sent with each corresponding ECT codepoint." RFC 9000, Section 13.4.2.1.
	if ack.ECT0+ack.CE > e.sent {
		return false
	}
	// "ECN validation also fails if the sum of the increase in ECT(0) and ECN-CE counts is less than
	// the number of newly acknowledged packets that were originally sent with an ECT(0) marking."
	// RFC 9000, Section 13.4.2.1.
	return ack.ECT0-e.reported.ECT0+ack.CE-e.reported.CE >= newlyAcked
}

// signalECN: "If a path has been validated to support [ECN], QUIC treats a Congestion Experienced
// (CE) codepoint in the IP header as a signal of congestion." RFC 9002, Section 7.1.
func (t *Tracker) signalECN(a *acked, batch *congestion.AckedBatch, res *Result) {
	if batch.CE == 0 || t.ecn.state != ECNCapable {
		return
	}
	res.ECNCE = true
	t.signal(congestion.Congestion{
		Kind: congestion.ECN, Now: batch.Now, SentAt: a.newest.sentAt, InFlight: t.inFlight,
	})
}
