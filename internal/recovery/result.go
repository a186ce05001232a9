package recovery

import (
	"time"

	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
)

// A Result is what an ACK frame, a timeout or the end of keys brought to light. The caller
// reuses it; its slices are valid until it is passed to the Tracker again.
type Result struct {
	Acked []Record // of packets acknowledged now, also of those declared lost earlier
	Lost  []Record // of packets declared lost or forgotten now
	Probe []Record // of packets that a PTO should repeat; these packets are not lost

	AckedPackets int
	LostPackets  int // without MTU probes
	LostBytes    protocol.ByteCount
	LostDetails  []LostPacket // one for each of LostPackets
	Spurious     int          // packets acknowledged now that were declared lost earlier
	// SpuriousDetails has one element for each of Spurious. All are of the space of the ACK frame.
	SpuriousDetails []SpuriousLoss

	// NewlyAckedLargest is the largest packet number acknowledged for the first time, -1 if none.
	NewlyAckedLargest    protocol.PacketNumber
	RTTUpdated           bool
	PersistentCongestion bool
	ECNCE                bool // the validated count of ECN-CE marks rose
	PTO                  bool // OnTimeout: a PTO expired

	// LargestAckedSize is the size of the largest packet in flight that was newly acknowledged, and
	// LargestAckedSentAt when the latest of that size was sent.
	LargestAckedSize   protocol.ByteCount
	LargestAckedSentAt monotime.Time

	// Sizes of the MTU probe that was acknowledged or lost, 0 if none was. Losing one is no
	// congestion signal.
	MTUProbeAcked protocol.ByteCount
	MTUProbeLost  protocol.ByteCount
}

// A LostPacket describes a packet that was declared lost.
type LostPacket struct {
	Level  protocol.EncryptionLevel
	PN     protocol.PacketNumber
	Size   protocol.ByteCount
	SentAt monotime.Time
	Reason LossReason
}

// A SpuriousLoss describes a packet that was declared lost and has been acknowledged after all.
type SpuriousLoss struct {
	PN      protocol.PacketNumber
	Packets protocol.PacketNumber // how much larger the largest acknowledged number was
	Delay   time.Duration         // after it was declared lost
}

// A LossReason is the threshold that a lost packet crossed (RFC 9002, Section 6.1).
type LossReason uint8

// Reasons to declare a packet lost.
const (
	PacketThreshold LossReason = iota
	TimeThreshold
)

// reset makes r ready for use again and keeps its memory.
func (r *Result) reset() {
	*r = Result{
		Acked: r.Acked[:0], Lost: r.Lost[:0], Probe: r.Probe[:0], LostDetails: r.LostDetails[:0],
		SpuriousDetails:   r.SpuriousDetails[:0],
		NewlyAckedLargest: protocol.InvalidPacketNumber,
	}
}
