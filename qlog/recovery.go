package qlog

import (
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/qlogwriter/jsontext"
)

// RecoveryParametersSet is the event recovery_parameters_set: the constants of loss detection and
// congestion control.
type RecoveryParametersSet struct {
	ReorderingThreshold     uint16 // in packets
	PacketThresholdDisabled bool
	TimeThreshold           float64 // in RTTs
	TimerGranularity        time.Duration
	InitialCongestionWindow protocol.ByteCount
	InitialRTT              time.Duration
}

// Name implements qlogwriter.Event.
func (RecoveryParametersSet) Name() string { return "quic:recovery_parameters_set" }

// Encode implements qlogwriter.Event.
func (e RecoveryParametersSet) Encode(enc *jsontext.Encoder, _ time.Time) error {
	o := begin(enc)
	if e.PacketThresholdDisabled {
		o.Text("reordering_threshold", "disabled")
	} else {
		o.Int("reordering_threshold", int64(e.ReorderingThreshold))
	}
	o.Float("time_threshold", e.TimeThreshold)
	o.Milliseconds("timer_granularity", e.TimerGranularity)
	o.optInt("initial_congestion_window", int64(e.InitialCongestionWindow))
	o.optMilliseconds("initial_rtt", e.InitialRTT)
	return o.End()
}

// MetricsUpdated is the event metrics_updated. RTTs of zero are left out.
type MetricsUpdated struct {
	MinRTT           time.Duration
	SmoothedRTT      time.Duration
	LatestRTT        time.Duration
	RTTVariance      time.Duration
	CongestionWindow int
	BytesInFlight    int
	PacketsInFlight  int
}

// Name implements qlogwriter.Event.
func (MetricsUpdated) Name() string { return "recovery:metrics_updated" }

// Encode implements qlogwriter.Event.
func (e MetricsUpdated) Encode(enc *jsontext.Encoder, _ time.Time) error {
	o := begin(enc)
	o.optMilliseconds("min_rtt", e.MinRTT)
	o.optMilliseconds("smoothed_rtt", e.SmoothedRTT)
	o.optMilliseconds("latest_rtt", e.LatestRTT)
	o.optMilliseconds("rtt_variance", e.RTTVariance)
	o.Uint("congestion_window", uint64(e.CongestionWindow))
	o.Uint("bytes_in_flight", uint64(e.BytesInFlight))
	o.Uint("packets_in_flight", uint64(e.PacketsInFlight))
	return o.End()
}

// PTOCountUpdated is an event metrics_updated: how many Probe Timeouts have expired in a row.
type PTOCountUpdated struct {
	PTOCount uint32
}

// Name implements qlogwriter.Event.
func (PTOCountUpdated) Name() string { return MetricsUpdated{}.Name() }

// Encode implements qlogwriter.Event.
func (e PTOCountUpdated) Encode(enc *jsontext.Encoder, _ time.Time) error {
	o := begin(enc)
	o.Uint("pto_count", uint64(e.PTOCount))
	return o.End()
}

// MTUUpdated is the event mtu_updated. Done says that the search is over.
type MTUUpdated struct {
	Value int
	Done  bool
}

// Name implements qlogwriter.Event.
func (MTUUpdated) Name() string { return "recovery:mtu_updated" }

// Encode implements qlogwriter.Event.
func (e MTUUpdated) Encode(enc *jsontext.Encoder, _ time.Time) error {
	o := begin(enc)
	o.Int("new", int64(e.Value))
	o.Bool("done", e.Done)
	return o.End()
}

// PacketLost is the event packet_lost.
type PacketLost struct {
	Header           PacketHeader
	IsMTUProbePacket bool
	Trigger          PacketLossReason
}

// A PacketLossReason says how a loss was detected (RFC 9002, Section 6.1).
type PacketLossReason string

// Reasons to declare a packet lost.
const (
	PacketLossReorderingThreshold PacketLossReason = "reordering_threshold"
	PacketLossTimeThreshold       PacketLossReason = "time_threshold"
)

// Name implements qlogwriter.Event.
func (PacketLost) Name() string { return "recovery:packet_lost" }

// Encode implements qlogwriter.Event.
func (e PacketLost) Encode(enc *jsontext.Encoder, _ time.Time) error {
	o := begin(enc)
	o.header(&e.Header)
	o.optBool("is_mtu_probe_packet", e.IsMTUProbePacket)
	o.Text("trigger", string(e.Trigger))
	return o.End()
}

// SpuriousLoss is the event spurious_loss: a packet that was declared lost has been acknowledged.
type SpuriousLoss struct {
	EncryptionLevel  EncryptionLevel
	PacketNumber     PacketNumber
	PacketReordering uint64 // by how many packets it was late
	TimeReordering   time.Duration
}

// Name implements qlogwriter.Event.
func (SpuriousLoss) Name() string { return "recovery:spurious_loss" }

// Encode implements qlogwriter.Event.
func (e SpuriousLoss) Encode(enc *jsontext.Encoder, _ time.Time) error {
	o := begin(enc)
	o.Text("packet_number_space", e.EncryptionLevel.spaceName())
	o.Int("packet_number", int64(e.PacketNumber))
	o.Uint("reordering_packets", e.PacketReordering)
	o.Milliseconds("reordering_time", e.TimeReordering)
	return o.End()
}

// TimerUpdated is the event loss_timer_updated.
type TimerUpdated struct {
	Type      TimerEventType
	TimerType TimerType
	EncLevel  EncryptionLevel
	Time      time.Time // when the timer that was set will expire
}

// A TimerEventType says what happened to a timer.
type TimerEventType string

// What can happen to a timer.
const (
	TimerEventTypeSet       TimerEventType = "set"
	TimerEventTypeExpired   TimerEventType = "expired"
	TimerEventTypeCancelled TimerEventType = "cancelled"
)

// A TimerType is what a timer is for: "ack" is that of the time threshold of loss detection.
type TimerType string

// Timers of loss detection.
const (
	TimerTypeACK       TimerType = "ack"
	TimerTypePTO       TimerType = "pto"
	TimerTypePathProbe TimerType = "path_probe"
)

// Name implements qlogwriter.Event.
func (TimerUpdated) Name() string { return "recovery:loss_timer_updated" }

// Encode implements qlogwriter.Event.
func (e TimerUpdated) Encode(enc *jsontext.Encoder, now time.Time) error {
	o := begin(enc)
	o.Text("event_type", string(e.Type))
	o.optText("timer_type", string(e.TimerType))
	if e.EncLevel != 0 {
		o.Text("packet_number_space", e.EncLevel.spaceName())
	}
	if e.Type == TimerEventTypeSet {
		o.Milliseconds("delta", e.Time.Sub(now))
	}
	return o.End()
}

// CongestionStateUpdated is the event congestion_state_updated.
type CongestionStateUpdated struct {
	State CongestionState
}

// A CongestionState is a state of the congestion controller.
type CongestionState string

// States of the congestion controller.
const (
	CongestionStateSlowStart           CongestionState = "slow_start"
	CongestionStateCongestionAvoidance CongestionState = "congestion_avoidance"
	CongestionStateRecovery            CongestionState = "recovery"
	CongestionStateApplicationLimited  CongestionState = "application_limited"
)

// String returns the state's name.
func (s CongestionState) String() string { return string(s) }

// Name implements qlogwriter.Event.
func (CongestionStateUpdated) Name() string { return "recovery:congestion_state_updated" }

// Encode implements qlogwriter.Event.
func (e CongestionStateUpdated) Encode(enc *jsontext.Encoder, _ time.Time) error {
	o := begin(enc)
	o.Text("new", e.State.String())
	return o.End()
}

// ECNStateUpdated is the event ecn_state_updated.
type ECNStateUpdated struct {
	State   ECNState
	Trigger string
}

// An ECNState is a state of the validation of a path for ECN (RFC 9000, Appendix A.4).
type ECNState string

// States of the validation.
const (
	ECNStateTesting ECNState = "testing"
	ECNStateUnknown ECNState = "unknown"
	ECNStateFailed  ECNState = "failed"
	ECNStateCapable ECNState = "capable"
)

// Name implements qlogwriter.Event.
func (ECNStateUpdated) Name() string { return "recovery:ecn_state_updated" }

// Encode implements qlogwriter.Event.
func (e ECNStateUpdated) Encode(enc *jsontext.Encoder, _ time.Time) error {
	o := begin(enc)
	o.Text("new", string(e.State))
	o.optText("trigger", e.Trigger)
	return o.End()
}
