package quic

import (
	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/recovery"
	"github.com/quic-go/quic-go/internal/udp"
)

// maxRefusedProbes bounds how many MTU probes the system refuses in a row until others get a turn.
const maxRefusedProbes = 16

// mtuLimit returns up to which size packets of the path may grow.
func (c *Conn) mtuLimit() protocol.ByteCount {
	limit := min(c.peerParams.MaxUDPPayloadSize, udp.MaxBatchBytes)
	// RFC 9000, Section 14: "UDP datagrams MUST NOT be fragmented at the IP layer." Where we cannot forbid that, a probe
	// that arrives proves nothing.
	if _, _, df := c.activePath().transport.conn.Capabilities(); c.config.DisablePathMTUDiscovery || !df {
		limit = min(limit, protocol.ByteCount(c.config.InitialPacketSize))
	}
	return limit
}

// applyMTU makes packets as large as the discovery says.
func (c *Conn) applyMTU() {
	if size := c.mtu.Current(); size != c.maxPacketSize {
		c.maxPacketSize = size
		c.recovery.SetMTU(size)
		c.updateMaxDatagramPayload()
	}
}

// onMTUResult tells the discovery about the fate of packets.
func (c *Conn) onMTUResult(now monotime.Time) {
	r := &c.result
	if r.MTUProbeAcked > 0 {
		c.mtu.OnProbeAcked(now, r.MTUProbeAcked)
	}
	if r.LargestAckedSize > 0 {
		c.mtu.OnAcked(r.LargestAckedSentAt, r.LargestAckedSize)
	}
	if r.MTUProbeLost > 0 {
		c.mtu.OnProbeLost(now, r.MTUProbeLost)
	}
	for i := range r.LostDetails {
		c.mtu.OnLost(r.LostDetails[i].SentAt, r.LostDetails[i].Size)
	}
	if r.PTO && !c.life.confirmed {
		c.mtu.OnPTO()
	}
	c.applyMTU()
}

// probeMTU sends a probe if one is due. It reports whether other packets should wait until there is room for
// the probe in the congestion window.
func (c *Conn) probeMTU(now monotime.Time) (wait bool) {
	if !c.paths.manager.Validated(c.paths.manager.Active()) {
		return false
	}
	for range maxRefusedProbes {
		size := c.mtu.NextProbe(now, c.recovery.Stats().BytesSent)
		window := c.recovery.Controller().Window()
		if size == 0 || size > window {
			return false
		}
		if c.recovery.InFlight()+size > window {
			return true
		}
		if c.sendMTUProbe(now, size) {
			return false
		}
	}
	return false
}

// sendMTUProbe sends a packet with PING and PADDING of the given size. It reports whether the system accepted it. If not, its
// number is free for the next packet.
func (c *Conn) sendMTUProbe(now monotime.Time, size protocol.ByteCount) bool {
	o := &c.out
	o.begin(c.activeDst())
	b, d, ok := c.openPacket(o.batch, int(size), protocol.Encryption1RTT)
	if !ok {
		return true
	}
	b = c.appendPing(b)
	if c.recovery.HasImmediateAck() { // the peer need not wait for more (draft-ietf-quic-ack-frequency-12, Section 8.3)
		b = c.appendImmediateAck(b)
	}
	b = c.closePacket(b, d)
	b = c.sealPackets(b, int(size))
	o.ecn = c.recovery.ECN()
	p := c.activePath()
	if err := p.transport.conn.WriteBatch(b, len(b), o.ecn, &p.dst); udp.IsMessageTooLong(err) {
		c.mtu.OnTooLong(now, size)
		return false
	}
	c.log.probeSent(b)
	o.sent = recovery.Sent{
		Space:        protocol.SpaceAppData,
		Level:        protocol.Encryption1RTT,
		PN:           d.pn,
		Size:         size,
		AckEliciting: true,
		MTUProbe:     true,
		ECN:          o.ecn,
		AckedUpTo:    protocol.InvalidPacketNumber,
		Records:      o.records,
	}
	c.recovery.OnSent(now, &o.sent)
	c.idle.onSentAckEliciting(now)
	c.mtu.OnProbeSent(c.recovery.Stats().BytesSent)
	return true
}
