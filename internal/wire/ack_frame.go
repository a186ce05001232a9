package wire

import (
	"errors"
	"sort"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
)

var errInvalidAckRanges = errors.New("ACK: ranges are empty, negative or not in descending order")

// An AckRange is a range of acknowledged packet numbers, both ends included.
type AckRange struct {
	Smallest, Largest protocol.PacketNumber
}

// Len returns the number of packet numbers in the range.
func (r AckRange) Len() protocol.PacketNumber { return r.Largest - r.Smallest + 1 }

// An AckFrame is an ACK frame (RFC 9000, Section 19.3). It carries ECN counts if one of them is not 0.
type AckFrame struct {
	AckRanges []AckRange // descending, neither overlapping nor adjacent, at least one
	DelayTime time.Duration

	ECT0, ECT1, ECNCE uint64
}

// Append implements Frame. The delay is scaled by the ack_delay_exponent that we advertise.
func (f *AckFrame) Append(b []byte, _ protocol.Version) ([]byte, error) {
	if len(f.AckRanges) == 0 || f.LowestAcked() < 0 {
		return b, errInvalidAckRanges
	}
	h := f.header()
	out, err := appendVarints(b, f.frameType(), h[:]...)
	for i := 1; i < len(f.AckRanges) && err == nil; i++ {
		gap, length := f.rangeFields(i)
		out, err = appendValues(out, FrameTypeAck, gap, length)
	}
	if f.hasECN() && err == nil {
		out, err = appendValues(out, FrameTypeAckECN, f.ECT0, f.ECT1, f.ECNCE)
	}
	if err != nil {
		return b, err
	}
	return out, nil
}

// Length implements Frame.
func (f *AckFrame) Length(protocol.Version) protocol.ByteCount {
	if len(f.AckRanges) == 0 {
		return 0
	}
	h := f.header()
	n := varintsLen(f.frameType(), h[:]...)
	for i := 1; i < len(f.AckRanges); i++ {
		gap, length := f.rangeFields(i)
		n += valuesLen(gap, length)
	}
	if f.hasECN() {
		n += valuesLen(f.ECT0, f.ECT1, f.ECNCE)
	}
	return n
}

// LargestAcked returns the largest acknowledged packet number, or -1 if there is none.
func (f *AckFrame) LargestAcked() protocol.PacketNumber {
	if len(f.AckRanges) == 0 {
		return protocol.InvalidPacketNumber
	}
	return f.AckRanges[0].Largest
}

// LowestAcked returns the smallest acknowledged packet number, or -1 if there is none.
func (f *AckFrame) LowestAcked() protocol.PacketNumber {
	if len(f.AckRanges) == 0 {
		return protocol.InvalidPacketNumber
	}
	return f.AckRanges[len(f.AckRanges)-1].Smallest
}

// HasMissingRanges reports whether packets between the lowest and the largest are not acknowledged.
func (f *AckFrame) HasMissingRanges() bool { return len(f.AckRanges) > 1 }

// AcksPacket reports whether the frame acknowledges pn.
func (f *AckFrame) AcksPacket(pn protocol.PacketNumber) bool {
	i := sort.Search(len(f.AckRanges), func(i int) bool { return f.AckRanges[i].Smallest <= pn })
	return i < len(f.AckRanges) && pn <= f.AckRanges[i].Largest
}

// Truncate removes the lowest ranges until the frame fits into maxSize bytes or has a single range.
func (f *AckFrame) Truncate(maxSize protocol.ByteCount, v protocol.Version) {
	if len(f.AckRanges) == 0 {
		return
	}
	shorter := *f
	remove := sort.Search(len(f.AckRanges)-1, func(i int) bool {
		shorter.AckRanges = f.AckRanges[:len(f.AckRanges)-i]
		return shorter.Length(v) <= maxSize
	})
	f.AckRanges = f.AckRanges[:len(f.AckRanges)-remove]
}

// Reset empties the frame and keeps the memory of its ranges.
func (f *AckFrame) Reset() { *f = AckFrame{AckRanges: f.AckRanges[:0]} }

func (f *AckFrame) hasECN() bool { return f.ECT0 > 0 || f.ECT1 > 0 || f.ECNCE > 0 }

func (f *AckFrame) frameType() FrameType {
	if f.hasECN() {
		return FrameTypeAckECN
	}
	return FrameTypeAck
}

// header returns Largest Acknowledged, ACK Delay, ACK Range Count and First ACK Range.
func (f *AckFrame) header() [4]uint64 {
	first := f.AckRanges[0]
	delay := encodeAckDelay(f.DelayTime, protocol.AckDelayExponent)
	return [4]uint64{uint64(first.Largest), delay, uint64(len(f.AckRanges) - 1), uint64(first.Len() - 1)}
}

// rangeFields returns Gap and ACK Range Length of the i-th range, i > 0. They are too large to be encoded
// if the ranges are out of order.
func (f *AckFrame) rangeFields(i int) (gap, length uint64) {
	r := f.AckRanges[i]
	return uint64(f.AckRanges[i-1].Smallest - r.Largest - 2), uint64(r.Len() - 1)
}
