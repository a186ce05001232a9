package recovery

import (
	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
	"github.com/quic-go/quic-go/internal/wire"
)

const (
	// maxPlainSent is how many packets without ack-eliciting frames go out before PingDue.
	maxPlainSent = 32
	// maxPlainTracked bounds how many packets that need no acknowledgement are tracked for
	// the sake of forgetting what their ACK frames reported.
	maxPlainTracked = 512
)

// A space is the state of one packet number space (RFC 9000, Section 12.3).
type space struct {
	dropped bool

	// sent side; packets is indexed by packet number
	packets         ring[sentPacket]
	records         ring[Record]
	lost            lostMemory
	skipped         skipped
	ecn             spaceECN
	largestSent     protocol.PacketNumber // -1 if none
	largestAcked    protocol.PacketNumber // -1 if none
	rejectedBelow   protocol.PacketNumber // 0-RTT packets that the server rejected
	eliciting       int                   // open packets that are ack-eliciting
	plainSent       int                   // packets since the last ack-eliciting one
	lastElicitingAt monotime.Time
	lossTime        monotime.Time // when the time threshold declares the next loss; zero if none

	received received
}

func newSpace() space {
	return space{
		largestSent:  protocol.InvalidPacketNumber,
		largestAcked: protocol.InvalidPacketNumber,
		received:     newReceived(),
	}
}

func (s *space) next() protocol.PacketNumber { return protocol.PacketNumber(s.packets.tail) }

// store keeps the records of p.
func (s *space) store(p *sentPacket, records []Record) {
	p.records, p.recordLen = s.records.tail, int32(len(records))
	for i := range records {
		*s.records.push() = records[i]
	}
}

// appendRecords appends the records of p to to.
func (s *space) appendRecords(to []Record, p *sentPacket) []Record {
	for i := range int64(p.recordLen) {
		to = append(to, *s.records.at(p.records + i))
	}
	return to
}

// popFirst removes the oldest packet.
func (s *space) popFirst() {
	p := s.packets.at(s.packets.head)
	s.records.dropTo(p.records + int64(p.recordLen))
	s.packets.dropTo(s.packets.head + 1)
}

// evict forgets the oldest packets if there are many and nobody needs to know their fate.
func (s *space) evict() {
	for s.packets.len() >= maxPlainTracked && s.packets.at(s.packets.head).plain() {
		s.popFirst()
	}
}

// check validates the packet numbers of an ACK frame.
func (s *space) check(ack *wire.Ack) error {
	// "An endpoint SHOULD treat receipt of an acknowledgment for a packet it did not send as a
	// connection error of type PROTOCOL_VIOLATION, if it is able to detect the condition."
	// RFC 9000, Section 13.1.
	if ack.Ranges[0].Largest > s.largestSent {
		return ackError("ACK of a packet that was not sent")
	}
	if s.skipped.in(ack.Ranges) {
		return ackError("ACK of a skipped packet number")
	}
	// "When 0-RTT was rejected, a client SHOULD treat receipt of an acknowledgment for a 0-RTT packet
	// as a connection error of type PROTOCOL_VIOLATION, if it is able to detect the condition."
	// RFC 9001, Section 4.6.2.
	if ack.Ranges[len(ack.Ranges)-1].Smallest < s.rejectedBelow {
		return ackError("ACK of a rejected 0-RTT packet")
	}
	return nil
}

func ackError(reason string) error {
	return qerr.FrameError(qerr.ProtocolViolation, uint64(wire.FrameTypeAck), reason)
}
