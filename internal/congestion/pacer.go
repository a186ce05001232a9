package congestion

import (
	"math/bits"
	"time"

	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
)

const (
	// burstPackets: "Senders SHOULD limit bursts to the initial congestion window".
	// RFC 9002, Section 7.7.
	burstPackets = initialWindowPackets
	// burstTime lets a fast sender fill the batches that it hands to the kernel, and makes up
	// for timers that fire late.
	burstTime = 2 * protocol.TimerGranularity
	// maxBurst bounds what burstTime gives.
	maxBurst protocol.ByteCount = 1 << 20
)

// A Pacer is a leaky bucket that fills at a given rate (RFC 9002, Section 7.7). The rate, in
// bytes per second, may differ between calls; it holds from the previous call on. Rate 0
// switches pacing off.
type Pacer struct {
	last     monotime.Time // when the bucket was filled up to; zero before the first packet
	level    protocol.ByteCount
	fraction uint64 // of a byte, in units of 1e-9
}

// NewPacer returns a Pacer with a full bucket.
func NewPacer() *Pacer { return &Pacer{} }

// Budget returns how many bytes may leave now. Less than a packet means to wait.
func (p *Pacer) Budget(now monotime.Time, rate uint64, mtu protocol.ByteCount) protocol.ByteCount {
	if rate == 0 {
		return protocol.MaxByteCount
	}
	p.fill(now, rate, mtu)
	return max(p.level, 0)
}

// Take notes that size bytes left. Packets that pacing does not hold back, such as probes,
// may take more than the budget; what follows waits for it.
func (p *Pacer) Take(now monotime.Time, size protocol.ByteCount, rate uint64, mtu protocol.ByteCount) {
	if rate == 0 {
		p.last = 0
		return
	}
	p.fill(now, rate, mtu)
	p.level = max(p.level-size, -maxBurst)
}

// NextSend returns when to send again: zero if a whole packet may leave now, otherwise the
// time at which the bucket holds what a rest of one TimerGranularity brings, but a packet at
// least, so that a fast sender wakes up for batches and not for single packets.
func (p *Pacer) NextSend(now monotime.Time, rate uint64, mtu protocol.ByteCount) monotime.Time {
	if p.Budget(now, rate, mtu) >= mtu {
		return 0
	}
	batch := min(max(mtu, bytesIn(protocol.TimerGranularity, rate)), burst(rate, mtu))
	// At least 1, and since at most 2*maxBurst bytes are missing the product fits 64 bits.
	missing := uint64(batch-p.level)*uint64(time.Second) - p.fraction
	return p.last.Add(time.Duration((missing-1)/rate + 1))
}

// fill adds what came in since the last call.
func (p *Pacer) fill(now monotime.Time, rate uint64, mtu protocol.ByteCount) {
	limit := burst(rate, mtu)
	if p.last.IsZero() {
		p.last, p.level, p.fraction = now, limit, 0
		return
	}
	if !now.After(p.last) {
		return
	}
	hi, lo := bits.Mul64(uint64(now.Sub(p.last)), rate)
	lo, carry := bits.Add64(lo, p.fraction, 0)
	p.last = now
	if hi += carry; hi >= uint64(time.Second) {
		p.level, p.fraction = limit, 0
		return
	}
	n, rest := bits.Div64(hi, lo, uint64(time.Second))
	if n >= uint64(max(limit-p.level, 0)) {
		p.level, p.fraction = limit, 0
		return
	}
	p.level += protocol.ByteCount(n)
	p.fraction = rest
}

// burst returns the capacity of the bucket.
func burst(rate uint64, mtu protocol.ByteCount) protocol.ByteCount {
	return max(burstPackets*mtu, min(bytesIn(burstTime, rate), maxBurst))
}

// bytesIn returns rate*d, at most maxBurst.
func bytesIn(d time.Duration, rate uint64) protocol.ByteCount {
	hi, lo := bits.Mul64(uint64(d), rate)
	if hi >= uint64(time.Second) {
		return maxBurst
	}
	n, _ := bits.Div64(hi, lo, uint64(time.Second))
	return protocol.ByteCount(min(n, uint64(maxBurst)))
}
