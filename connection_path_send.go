package quic

import (
	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/path"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/recovery"
	"github.com/quic-go/quic-go/internal/wire"
)

const (
	// minPathPacket is the room that a packet with a PATH_CHALLENGE or PATH_RESPONSE frame needs in any case.
	minPathPacket = 1 + protocol.MaxConnectionIDLen + maxPacketNumberLen + pathFrameLen + sealOverhead
	pathFrameLen  = 1 + 8
	// maxPathAck is the room for an ACK frame besides.
	maxPathAck = 400
)

// activeDst returns the Destination Connection ID of packets on the active path.
func (c *Conn) activeDst() protocol.ConnectionID {
	// If the peer has provided none for it, the main one has to do.
	cid, _ := c.pathDst(c.paths.manager.Active())
	return cid
}

// sendPathFrames sends the PATH_CHALLENGE and PATH_RESPONSE frames that are due, each on its path.
func (c *Conn) sendPathFrames(now monotime.Time) {
	if !c.keys.oneRTT.CanSeal() {
		return
	}
	for i := range c.paths.at {
		if c.paths.at[i].transport != nil {
			c.sendPathPacket(now, path.ID(i))
		}
	}
}

// sendPathPacket sends one packet with what is due on the path.
func (c *Conn) sendPathPacket(now monotime.Time, id path.ID) {
	m := c.paths.manager
	_, responds := m.NextResponse(id)
	challenge, challenges := m.NextChallenge(now, id)
	if !responds && !challenges {
		return
	}
	active := id == m.Active()
	budget := m.Budget(id)
	if active {
		budget = c.recovery.AmplificationBudget()
	}
	// RFC 9000, Section 8.2.2: "An endpoint MUST NOT delay transmission of a packet containing a PATH_RESPONSE frame unless
	// constrained by congestion control."
	if active && !challenges && c.recovery.InFlight()+protocol.MinInitialPacketSize > c.recovery.Controller().Window() {
		return
	}
	dst, ok := c.pathDst(id)
	if !ok && !active || budget < minPathPacket {
		m.Hold(now, id, c.recovery.RTT().PTO(true))
		return
	}
	// RFC 9000, Sections 8.2.1 and 8.2.2: "An endpoint MUST expand datagrams that contain a PATH_CHALLENGE frame to at least
	// the smallest allowed maximum datagram size of 1200 bytes, unless the anti-amplification limit for the path does not
	// permit sending a datagram of this size."
	limit := int(min(budget, protocol.MinInitialPacketSize))
	c.out.begin(dst)
	b, d, ok := c.openPacket(c.out.batch, limit, protocol.Encryption1RTT)
	if !ok {
		return
	}
	if active {
		// RFC 9000, Section 9.3.3: "An endpoint that receives a PATH_CHALLENGE on an active path SHOULD send a non-probing packet
		// in response." ACK frames make it one.
		b, d.acked = c.recovery.AppendAck(now, protocol.SpaceAppData, b, min(maxPathAck, limit-sealOverhead-pathFrameLen-len(b)))
	}
	if challenges {
		frame := wire.PathChallengeFrame{Data: challenge}
		b, challenges = c.appendFrame(b, limit-sealOverhead, &frame, recovery.Record{Kind: recordPathChallenge})
	}
	b = c.appendPathResponses(b, limit-sealOverhead, id)
	b = c.closePacket(b, d)
	padTo := 0
	if limit == protocol.MinInitialPacketSize {
		padTo = limit
	}
	b = c.sealPackets(b, padTo)
	c.writePathPacket(now, id, b)
	if challenges {
		m.ChallengeSent(now, id, challenge, protocol.ByteCount(len(b)))
	}
}

func (c *Conn) appendPathResponses(b []byte, limit int, id path.ID) []byte {
	for {
		data, ok := c.paths.manager.NextResponse(id)
		if !ok {
			return b
		}
		frame := wire.PathResponseFrame{Data: data}
		if b, ok = c.appendFrame(b, limit, &frame, recovery.Record{Kind: recordPathResponse}); !ok {
			return b
		}
		c.paths.manager.ResponseSent(id)
	}
}

// writePathPacket sends b, which is the packet in c.out. Only on the active path it counts for congestion control: RFC 9000,
// Section 9.4: "A sender can make exceptions for probe packets so that their loss detection is independent and does not unduly
// cause the congestion controller to reduce its sending rate."
func (c *Conn) writePathPacket(now monotime.Time, id path.ID, b []byte) {
	o, p := &c.out, &c.paths.at[id]
	active := id == c.paths.manager.Active()
	// An error counts as the loss of the packet.
	_ = p.transport.conn.WriteBatch(b, len(b), protocol.ECNNon, &p.dst)
	c.log.pathPacketSent(b, id)
	d := &o.packets[0]
	o.sent = recovery.Sent{
		Space:        protocol.SpaceAppData,
		Level:        protocol.Encryption1RTT,
		PN:           d.pn,
		Size:         protocol.ByteCount(len(b)),
		AckEliciting: active,
		OtherPath:    !active,
		ECN:          protocol.ECNNon,
		AckedUpTo:    d.acked,
		Records:      o.records,
	}
	c.recovery.OnSent(now, &o.sent)
	c.paths.manager.OnSent(id, protocol.ByteCount(len(b)))
	if active {
		c.idle.onSentAckEliciting(now)
	}
}
