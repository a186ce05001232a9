package wire

import (
	"math"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/rangeset"
	"github.com/quic-go/quic-go/quicvarint"
)

// ECNCounts are the counts of received packets by ECN codepoint (RFC 9000, Section 19.3.2).
type ECNCounts struct{ ECT0, ECT1, CE uint64 }

// AppendAck appends an ACK frame of at most maxLen bytes for the received packet numbers, with as many
// ranges as fit, newest first. It has ECN counts if ecn is not nil and one of them is not 0. If not even one
// range fits, or if nothing was received, b is returned as it is.
func AppendAck(b []byte, received *rangeset.Set[protocol.PacketNumber], delay time.Duration, exponent uint8, ecn *ECNCounts, maxLen int) []byte {
	n := received.Len()
	if n == 0 {
		return b
	}
	t, ecnLen := FrameTypeAck, 0
	if ecn != nil && *ecn != (ECNCounts{}) {
		t, ecnLen = FrameTypeAckECN, quicvarint.Len(ecn.ECT0)+quicvarint.Len(ecn.ECT1)+quicvarint.Len(ecn.CE)
	}
	first := received.At(n - 1)
	largest, ackDelay, length := uint64(first.End-1), encodeAckDelay(delay, exponent), uint64(first.Len()-1)
	// The range count is as long as it would be for all ranges, or shorter.
	room := maxLen - 1 - quicvarint.Len(largest) - quicvarint.Len(ackDelay) - quicvarint.Len(uint64(n-1)) - quicvarint.Len(length) - ecnLen
	if room < 0 {
		return b
	}
	last := lastAckRange(received, room)

	b = append(b, byte(t))
	b = quicvarint.Append(b, largest)
	b = quicvarint.Append(b, ackDelay)
	b = quicvarint.Append(b, uint64(n-1-last))
	b = quicvarint.Append(b, length)
	for i := n - 2; i >= last; i-- {
		gap, length := ackRangeFields(received, i)
		b = quicvarint.Append(b, gap)
		b = quicvarint.Append(b, length)
	}
	if t == FrameTypeAck {
		return b
	}
	b = quicvarint.Append(b, ecn.ECT0)
	b = quicvarint.Append(b, ecn.ECT1)
	return quicvarint.Append(b, ecn.CE)
}

// lastAckRange returns the index of the lowest range that can be reported if all but the newest share
// room bytes.
func lastAckRange(received *rangeset.Set[protocol.PacketNumber], room int) int {
	last := received.Len() - 1
	for last > 0 {
		gap, length := ackRangeFields(received, last-1)
		room -= quicvarint.Len(gap) + quicvarint.Len(length)
		if room < 0 {
			break
		}
		last--
	}
	return last
}

// ackRangeFields returns Gap and ACK Range Length of a range that is not the newest.
func ackRangeFields(received *rangeset.Set[protocol.PacketNumber], i int) (gap, length uint64) {
	r := received.At(i)
	return uint64(received.At(i+1).Start - r.End - 1), uint64(r.Len() - 1)
}

// encodeAckDelay returns the ACK Delay field for a delay.
func encodeAckDelay(delay time.Duration, exponent uint8) uint64 {
	return uint64(max(0, delay).Microseconds()) >> exponent
}

// decodeAckDelay returns the delay of an ACK Delay field, the longest duration if it overflows.
func decodeAckDelay(v uint64, exponent uint8) time.Duration {
	if v > math.MaxInt64/uint64(time.Microsecond)>>exponent {
		return math.MaxInt64
	}
	return time.Duration(v<<exponent) * time.Microsecond
}

// parseAck stores the ranges in scratch, which it returns for the next frame.
func (d *Decoded) parseAck(r *frameReader, exponent uint8, scratch []AckRange) ([]AckRange, error) {
	largest := r.varint()
	d.Ack.Delay = decodeAckDelay(r.varint(), exponent)
	count := r.varint()
	// Each range takes at least two bytes: a count that the packet cannot hold must not cost memory or time.
	if count > uint64(len(r.b))/2 {
		r.fail()
		return scratch, nil
	}
	// next is the largest packet number that is left for the range to come.
	next, length := largest, r.varint()
	ranges := scratch[:0]
	for {
		// RFC 9000, Section 19.3.1: "If any computed packet number is negative, an endpoint MUST generate a
		// connection error of type FRAME_ENCODING_ERROR."
		if length > next {
			return ranges, d.encodingError("negative packet number")
		}
		smallest := next - length
		ranges = append(ranges, AckRange{Smallest: protocol.PacketNumber(smallest), Largest: protocol.PacketNumber(next)})
		if count == 0 || r.truncated {
			break
		}
		count--
		gap := r.varint()
		length = r.varint()
		if gap+2 > smallest {
			return ranges, d.encodingError("negative packet number")
		}
		next = smallest - gap - 2
	}
	d.Ack.Ranges = ranges
	if d.Type == FrameTypeAckECN {
		d.Ack.HasECN = true
		d.Ack.ECT0, d.Ack.ECT1, d.Ack.CE = r.varint(), r.varint(), r.varint()
	}
	d.Type = FrameTypeAck
	return ranges, nil
}
