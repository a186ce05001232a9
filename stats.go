package quic

import (
	"sync"
	"time"
)

// ConnectionStats are statistics of a connection. Packets and bytes are those of UDP payloads.
type ConnectionStats struct {
	// MinRTT is the smallest round-trip time seen on the path.
	MinRTT time.Duration
	// LatestRTT is the last sample.
	LatestRTT time.Duration
	// SmoothedRTT is the smoothed round-trip time of RFC 9002, Section 5.3.
	SmoothedRTT time.Duration
	// MeanDeviation is its variation, rttvar of RFC 9002, Section 5.3.
	MeanDeviation time.Duration

	// CongestionWindow is the congestion window in bytes.
	CongestionWindow uint64

	BytesSent       uint64
	PacketsSent     uint64
	BytesReceived   uint64
	PacketsReceived uint64
	// BytesLost and PacketsLost count what was declared lost, even if it arrived later.
	BytesLost   uint64
	PacketsLost uint64
}

// statsSnapshot is what the loop publishes for ConnectionStats.
type statsSnapshot struct {
	mu       sync.Mutex // rank 4
	snapshot ConnectionStats

	bytesReceived, packetsReceived uint64 // loop only
}

func (s *statsSnapshot) onReceived(size int) {
	s.bytesReceived += uint64(size)
	s.packetsReceived++
}

// ConnectionStats returns the statistics of the connection.
func (c *Conn) ConnectionStats() ConnectionStats {
	c.stats.mu.Lock()
	defer c.stats.mu.Unlock()
	return c.stats.snapshot
}

// publishStats is called once a turn.
func (c *Conn) publishStats() {
	rtt, sent := c.recovery.RTT(), c.recovery.Stats()
	c.stats.mu.Lock()
	defer c.stats.mu.Unlock()
	c.stats.snapshot = ConnectionStats{
		MinRTT:           rtt.Min(),
		LatestRTT:        rtt.Latest(),
		SmoothedRTT:      rtt.Smoothed(),
		MeanDeviation:    rtt.MeanDeviation(),
		CongestionWindow: uint64(c.recovery.Controller().Window()),
		BytesSent:        uint64(sent.BytesSent),
		PacketsSent:      sent.PacketsSent,
		BytesReceived:    c.stats.bytesReceived,
		PacketsReceived:  c.stats.packetsReceived,
		BytesLost:        uint64(sent.BytesLost),
		PacketsLost:      sent.PacketsLost,
	}
}
