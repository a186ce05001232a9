package recovery

import (
	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/rangeset"
	"github.com/quic-go/quic-go/internal/wire"
)

// ackPlainEvery is how many packets that need no acknowledgement are worth one anyway, if a
// packet is sent, so that the peer can forget what they reported.
const ackPlainEvery = 8

// A received is the receiving side of a packet number space.
type received struct {
	ranges           rangeset.Set[protocol.PacketNumber]
	floor            protocol.PacketNumber // smaller numbers are taken for duplicates
	largest          protocol.PacketNumber // -1 if none
	largestAt        monotime.Time
	largestEliciting protocol.PacketNumber // -1 if none
	ecn              wire.ECNCounts
	afterCE          bool // the last packet was marked CE

	policy     askedPolicy
	reported   protocol.PacketNumber // Largest Acknowledged of the last ACK frame, -1 if none
	reportedAt monotime.Time

	// since the last ACK frame
	eliciting  int
	plain      int
	unreported int           // ranges that began
	immediate  bool          // an ACK frame is due
	deadline   monotime.Time // when one becomes due; zero if eliciting is 0 or immediate is set
}

func newReceived() received {
	return received{
		largest: protocol.InvalidPacketNumber, largestEliciting: protocol.InvalidPacketNumber, reported: protocol.InvalidPacketNumber,
		policy: askedPolicy{ackPolicy: standardAcks(protocol.MaxAckDelay)},
	}
}

// IsDuplicate reports whether packet pn was received before. Numbers older than what is remembered
// count as received: "A receiver MUST retain an ACK Range unless it can ensure that it will not
// subsequently accept packets with numbers in that range." RFC 9000, Section 13.2.3.
func (t *Tracker) IsDuplicate(space protocol.PacketNumberSpace, pn protocol.PacketNumber) bool {
	r := &t.spaces[space].received
	return pn < r.floor || r.ranges.Contains(pn)
}

// LargestReceived returns the largest number received, -1 if none.
func (t *Tracker) LargestReceived(space protocol.PacketNumberSpace) protocol.PacketNumber {
	return t.spaces[space].received.largest
}

// OnReceived notes that packet pn, no duplicate, was received and processed.
func (t *Tracker) OnReceived(now monotime.Time, space protocol.PacketNumberSpace, pn protocol.PacketNumber, ecn protocol.ECN, ackEliciting bool) {
	t.stats.PacketsReceived++
	if t.spaces[space].dropped {
		return
	}
	r := &t.spaces[space].received
	r.add(now, pn, ecn)
	// "an endpoint MUST NOT send a non-ack-eliciting packet in response to a non-ack-eliciting packet,
	// even if there are packet gaps that precede the received packet." RFC 9000, Section 13.2.1.
	if !ackEliciting {
		r.plain++
		r.afterCE = r.afterCE && ecn == protocol.ECNCE // the first mark that can be reported counts
		return
	}
	r.eliciting++
	// "An endpoint MUST acknowledge all ack-eliciting Initial and Handshake packets immediately and all
	// ack-eliciting 0-RTT and 1-RTT packets within its advertised max_ack_delay". RFC 9000, Section 13.2.1.
	p := r.current(now, t.rtt.smoothed)
	if space != protocol.SpaceAppData || r.wantsImmediate(p, pn, ecn) {
		r.immediate, r.deadline = true, 0
	}
	if !r.immediate {
		r.deadline = monotime.Earliest(r.deadline, now.Add(p.delay)) // p may ask for less than the one before
	}
	r.largestEliciting = max(r.largestEliciting, pn)
	r.afterCE = ecn == protocol.ECNCE
}

func (r *received) add(now monotime.Time, pn protocol.PacketNumber, ecn protocol.ECN) {
	before := r.ranges.Len()
	r.ranges.Add(pn, pn+1)
	if r.ranges.Len() > before {
		r.unreported++
	}
	if r.ranges.Len() > protocol.MaxAckRanges {
		r.dropFirst()
	}
	if pn > r.largest {
		r.largest, r.largestAt = pn, now
	}
	switch ecn {
	case protocol.ECT0:
		r.ecn.ECT0++
	case protocol.ECT1:
		r.ecn.ECT1++
	case protocol.ECNCE:
		r.ecn.CE++
	case protocol.ECNNon:
	}
}

func (r *received) dropFirst() {
	r.floor = r.ranges.At(0).End
	r.ranges.DropFirst(1)
}

// forgetTo drops ranges that the peer knows of: "When a packet containing an ACK frame is
// acknowledged, the receiver can stop acknowledging packets less than or equal to the Largest
// Acknowledged field in the sent ACK frame." RFC 9000, Section 13.2.4.
// "A receiver SHOULD include an ACK Range containing the largest received packet number in every
// ACK frame" (Section 13.2.3), so that the last range stays.
func (r *received) forgetTo(largest protocol.PacketNumber) {
	for r.ranges.Len() > 1 && r.ranges.At(0).End <= largest+1 {
		r.dropFirst()
	}
}

// AckDue reports whether an ACK frame should go out now, on its own if need be.
func (t *Tracker) AckDue(now monotime.Time, space protocol.PacketNumberSpace) bool {
	r := &t.spaces[space].received
	return r.immediate || !r.deadline.IsZero() && !now.Before(r.deadline)
}

// AckWanted reports whether there is something new to acknowledge in a packet that is sent anyway.
func (t *Tracker) AckWanted(space protocol.PacketNumberSpace) bool {
	r := &t.spaces[space].received
	return r.eliciting > 0 || r.plain >= ackPlainEvery
}

// AckDeadline returns when AckDue becomes true for a space; zero if for none.
func (t *Tracker) AckDeadline() monotime.Time {
	var first monotime.Time
	for i := range t.spaces {
		first = monotime.Earliest(first, t.spaces[i].received.deadline)
	}
	return first
}

// AppendAck appends an ACK frame of at most maxLen bytes to b and takes note that what was received
// is acknowledged. It returns the largest number in the frame for Sent.AckedUpTo, or b as it is
// and -1 if there is nothing to acknowledge or no room.
func (t *Tracker) AppendAck(now monotime.Time, space protocol.PacketNumberSpace, b []byte, maxLen int) (out []byte, largest protocol.PacketNumber) {
	r := &t.spaces[space].received
	if r.ranges.Len() == 0 {
		return b, protocol.InvalidPacketNumber
	}
	out = wire.AppendAck(b, &r.ranges, now.Sub(r.largestAt), protocol.AckDelayExponent, &r.ecn, maxLen)
	if len(out) == len(b) {
		return b, protocol.InvalidPacketNumber
	}
	r.reported, r.reportedAt = r.largest, now
	r.eliciting, r.plain, r.unreported, r.immediate, r.deadline = 0, 0, 0, false, 0
	return out, r.largest
}
