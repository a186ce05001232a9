package quic

import (
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/recovery"
)

// Bounds of a round-trip time from an earlier connection. A server needs some time for its part of the handshake.
const (
	minSeedRTT = 10 * time.Millisecond
	maxSeedRTT = time.Second
)

// seedRTT returns what the estimate of the round-trip time starts with, if one of an earlier connection is known. RFC 9002,
// Section 6.2.2: "Resumed connections over the same network MAY use the previous connection's final smoothed RTT value as the
// resumed connection's initial RTT."
func seedRTT(rtt time.Duration) time.Duration {
	if rtt <= 0 {
		return 0
	}
	return min(max(rtt, minSeedRTT), maxSeedRTT)
}

func (c *Conn) newRecovery() {
	_, ecn, _ := c.transport.conn.Capabilities()
	random := newRandomSource()
	c.out.random = random
	c.out.records = make([]recovery.Record, 0, usualRecords)
	c.recovery = recovery.New(recovery.Params{
		Perspective:      c.perspective,
		MTU:              c.maxPacketSize,
		NewController:    c.transport.CongestionControl.newController(random),
		AddressValidated: c.params.addressValidated,
		MaxTracked:       protocol.MaxTrackedSentPackets,
		Skip:             random,
		EnableECN:        ecn,
		InitialRTT:       seedRTT(c.params.initialRTT),
	})
}

// onRecoveryResult tells the owners of what was sent about its fate.
func (c *Conn) onRecoveryResult() {
	c.log.lost(&c.result)
	for i := range c.result.Acked {
		c.onRecordAcked(&c.result.Acked[i])
	}
	for i := range c.result.Lost {
		c.onRecordLost(&c.result.Lost[i])
	}
	for i := range c.result.Probe {
		c.onRecordLost(&c.result.Probe[i])
	}
}

func (c *Conn) onRecordAcked(r *recovery.Record) {
	switch r.Kind {
	case recordCrypto:
		c.tls.Crypto(r.Level).Ack(r.Offset, r.Length)
	case recordNewConnectionID:
		c.issued.OnAcked(r.Value)
	case recordRetireConnectionID:
		c.received.OnAcked(r.Value)
	case recordAckFrequency:
		c.recovery.OnAckFrequencyAcked(r.Value)
	case recordPing, recordImmediateAck, recordNewToken, recordHandshakeDone, recordPathChallenge, recordPathResponse, recordDatagram:
	default:
		c.streams.onAcked(r)
	}
}

// onRecordLost queues again what has to be repeated. It is also called for what a probe repeats although it is not
// lost (RFC 9002, Section 6.2.4).
func (c *Conn) onRecordLost(r *recovery.Record) {
	switch r.Kind {
	case recordCrypto:
		if !c.keys.dropped[r.Level] {
			c.tls.Crypto(r.Level).Lost(r.Offset, r.Length)
		}
	case recordNewConnectionID:
		c.issued.OnLost(r.Value)
	case recordRetireConnectionID:
		c.received.OnLost(r.Value)
	case recordHandshakeDone:
		c.control.handshakeDone = true
	case recordNewToken:
		c.queueNewToken()
	case recordAckFrequency:
		c.recovery.OnAckFrequencyLost(r.Value)
	case recordPing, recordImmediateAck, recordPathChallenge, recordPathResponse, recordDatagram:
	default:
		c.streams.onLost(r)
	}
}
