package congestion

import (
	"time"

	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
)

// A Controller bounds the bytes in flight on one path.
type Controller interface {
	// OnSent reports a packet that counts as in flight.
	OnSent(s Sent)
	// OnAcked reports the packets that one ACK frame newly acknowledged. Losses that the
	// same frame revealed are reported first.
	OnAcked(a AckedBatch)
	// OnCongestion reports packets found lost together, an increase of the ECN-CE count or
	// persistent congestion. The controller itself reduces its window once per round trip.
	OnCongestion(c Congestion)
	// OnSpurious reports one packet that was sent at sentAt, was declared lost and has now
	// been acknowledged after all.
	OnSpurious(now, sentAt monotime.Time)
	// SetMTU reports the size of the largest packets from now on.
	SetMTU(mtu protocol.ByteCount)
	// Window returns the congestion window in bytes.
	Window() protocol.ByteCount
	// PacingRate returns the rate at which packets may leave in bytes per second; 0 means
	// that they need no pacing.
	PacingRate(srtt time.Duration) uint64
	// Metrics returns a snapshot for logs and statistics.
	Metrics() Metrics
}

// Sent describes a packet that leaves.
type Sent struct {
	Now      monotime.Time
	InFlight protocol.ByteCount // without the packet
	Size     protocol.ByteCount
	// AppLimited is set if the sender had nothing to send for a time in which window and pacer
	// would have let it, and what was in flight then is not acknowledged yet
	// (draft-ietf-ccwg-bbr-06, Section 4.1.1.3).
	AppLimited bool
}

// An AckedBatch describes the packets that one ACK frame newly acknowledged. The delivery
// rate fields refer to the newest of them, P (draft-ietf-ccwg-bbr, Section 4.1.2.1).
type AckedBatch struct {
	Now            monotime.Time
	Bytes          protocol.ByteCount // newly acknowledged bytes that were in flight
	LargestSentAt  monotime.Time      // when P was sent
	InFlightBefore protocol.ByteCount // before Bytes and what was lost were taken off
	InFlight       protocol.ByteCount // after that

	RTT         time.Duration // sample of this batch; 0 if it gave none
	MinRTT      time.Duration
	SmoothedRTT time.Duration

	// AppLimited is set if there was nothing more to send when P had been sent.
	AppLimited bool
	// RateAppLimited is Sent.AppLimited of P: the delivery rate may be less than what the path allows.
	RateAppLimited   bool
	PriorDelivered   protocol.ByteCount // bytes delivered in total when P was sent
	Delivered        protocol.ByteCount // bytes delivered in total, this batch included
	DeliveryInterval time.Duration      // in which Delivered-PriorDelivered were delivered; 0 if unknown
	SentInFlight     protocol.ByteCount // bytes in flight right after P was sent
	LostSinceSent    protocol.ByteCount // bytes declared lost since P was sent
	NewlyLost        protocol.ByteCount // bytes declared lost by the same ACK frame

	ECT0, ECT1, CE uint64 // increases of the peer's ECN counts
}

// A CongestionKind is a reason to reduce the window.
type CongestionKind uint8

// Kinds of congestion.
const (
	Loss       CongestionKind = iota // packets were declared lost
	ECN                              // the ECN-CE count rose
	Persistent                       // persistent congestion (RFC 9002, Section 7.6)
)

// String returns the name of the kind.
func (k CongestionKind) String() string {
	switch k {
	case Loss:
		return "loss"
	case ECN:
		return "ECN"
	case Persistent:
		return "persistent congestion"
	}
	return "unknown congestion kind"
}

// A Congestion is a signal that the path carries too much.
type Congestion struct {
	Kind      CongestionKind
	Now       monotime.Time
	SentAt    monotime.Time      // send time of the newest lost packet, or of the newest one acknowledged for ECN
	InFlight  protocol.ByteCount // before LostBytes were taken off
	Delivered protocol.ByteCount // bytes delivered in total, those that the same ACK frame acknowledged included

	// 0 for ECN
	LostBytes   protocol.ByteCount
	LostPackets int
	LostRanges  int          // of consecutive packets
	Lost        []LostPacket // in the order of sending; valid during the call
}

// A LostPacket is a packet that was declared lost.
type LostPacket struct {
	Size          protocol.ByteCount
	SentInFlight  protocol.ByteCount // bytes in flight right after it was sent
	LostSinceSent protocol.ByteCount // bytes declared lost since then, its own included
	AppLimited    bool               // see Sent
}

// A State is the phase of a controller (RFC 9002, Section 7.3).
type State uint8

// States.
const (
	SlowStart State = iota
	Recovery
	CongestionAvoidance
	ApplicationLimited // the window was not used to the full and does not grow
)

// String returns the name that qlog uses.
func (s State) String() string {
	switch s {
	case SlowStart:
		return "slow_start"
	case Recovery:
		return "recovery"
	case CongestionAvoidance:
		return "congestion_avoidance"
	case ApplicationLimited:
		return "application_limited"
	}
	return "unknown state"
}

// Metrics is a snapshot of a controller.
type Metrics struct {
	Window            protocol.ByteCount
	SlowStartThresh   protocol.ByteCount // protocol.MaxByteCount until the first slow start ended
	State             State
	CongestionEvents  uint64 // reductions of the window
	SpuriousEvents    uint64 // reductions that were undone
	PersistentPeriods uint64
}
