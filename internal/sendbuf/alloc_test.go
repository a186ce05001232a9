//go:build !race

package sendbuf

import (
	"testing"

	"github.com/quic-go/quic-go/internal/protocol"
)

// The race detector makes sync.Pool forget at random, so this file is not built with it.

const packet = 1200

// transfer writes n bytes, sends them in packets and has them acknowledged in order.
func transfer(b *Buffer, data, scratch []byte) {
	off := b.End()
	b.Write(data)
	for b.Unsent() > 0 {
		n := int(min(b.Unsent(), packet))
		b.CopyTo(scratch[:n], b.Sent())
		b.MarkSent(b.Sent(), n)
	}
	for ; off < b.End(); off += packet {
		b.Ack(off, packet)
	}
}

func TestNoAllocationsInOrder(t *testing.T) {
	var b Buffer
	data, scratch := make([]byte, 1<<20), make([]byte, packet)
	transfer(&b, data, scratch)
	if allocs := testing.AllocsPerRun(50, func() { transfer(&b, data, scratch) }); allocs != 0 {
		t.Errorf("%v allocations for 1 MiB, want 0", allocs)
	}
}

func TestNoAllocationsWithLoss(t *testing.T) {
	var b Buffer
	data, scratch := make([]byte, 60*packet), make([]byte, packet)
	round := func() {
		off := b.End()
		b.Write(data)
		b.MarkSent(off, len(data))
		for i := protocol.ByteCount(1); i < 60; i += 2 {
			b.Ack(off+i*packet, packet)
		}
		b.Lost(off, 60*packet)
		for b.HasLost() {
			lostOff, n := b.NextLost(packet)
			b.CopyTo(scratch[:n], lostOff)
			b.MarkSent(lostOff, n)
			b.Ack(lostOff, protocol.ByteCount(n))
		}
	}
	round()
	if allocs := testing.AllocsPerRun(50, round); allocs != 0 {
		t.Errorf("%v allocations, want 0", allocs)
	}
}

func BenchmarkInOrder(b *testing.B) {
	var buf Buffer
	data, scratch := make([]byte, 1<<20), make([]byte, packet)
	b.SetBytes(1 << 20)
	b.ReportAllocs()
	for b.Loop() {
		transfer(&buf, data, scratch)
	}
}

// BenchmarkPacket is the cost of one packet while 1 MiB is in flight.
func BenchmarkPacket(b *testing.B) {
	var buf Buffer
	data, scratch := make([]byte, packet), make([]byte, packet)
	buf.Write(make([]byte, 1<<20))
	buf.MarkSent(0, 1<<20)
	acked := protocol.ByteCount(0)
	b.SetBytes(packet)
	b.ReportAllocs()
	for b.Loop() {
		buf.Write(data)
		buf.CopyTo(scratch, buf.Sent())
		buf.MarkSent(buf.Sent(), packet)
		buf.Ack(acked, packet)
		acked += packet
	}
}

// BenchmarkHalfLost is the cost of a packet when every other one is lost.
func BenchmarkHalfLost(b *testing.B) {
	var buf Buffer
	const packets = 1000
	data, scratch := make([]byte, packets*packet), make([]byte, packet)
	b.ReportAllocs()
	for b.Loop() {
		off := buf.End()
		buf.Write(data)
		buf.MarkSent(off, len(data))
		for i := protocol.ByteCount(1); i < packets; i += 2 {
			buf.Ack(off+i*packet, packet)
			buf.Lost(off+(i-1)*packet, packet)
		}
		for buf.HasLost() {
			lostOff, n := buf.NextLost(packet)
			buf.CopyTo(scratch[:n], lostOff)
			buf.MarkSent(lostOff, n)
			buf.Ack(lostOff, protocol.ByteCount(n))
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/packets, "ns/packet")
}
