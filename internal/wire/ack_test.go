package wire

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/rangeset"
)

func TestAckFrameQueries(t *testing.T) {
	f := &AckFrame{AckRanges: []AckRange{{50, 60}, {30, 30}, {2, 20}}}
	if f.LargestAcked() != 60 || f.LowestAcked() != 2 || !f.HasMissingRanges() {
		t.Errorf("largest, lowest, missing = %d, %d, %t, want 60, 2, true", f.LargestAcked(), f.LowestAcked(), f.HasMissingRanges())
	}
	for pn := range protocol.PacketNumber(70) {
		want := pn >= 50 && pn <= 60 || pn == 30 || pn >= 2 && pn <= 20
		if got := f.AcksPacket(pn); got != want {
			t.Errorf("AcksPacket(%d) = %t, want %t", pn, got, want)
		}
	}
	if n := f.AckRanges[0].Len(); n != 11 {
		t.Errorf("Len = %d, want 11", n)
	}
	f.AckRanges = f.AckRanges[:1]
	if f.HasMissingRanges() {
		t.Error("a single range has missing ranges")
	}
}

func TestEmptyAckFrame(t *testing.T) {
	f := &AckFrame{AckRanges: []AckRange{{5, 6}}, DelayTime: 1, ECT0: 1, ECT1: 2, ECNCE: 3}
	f.Reset()
	if len(f.AckRanges) != 0 || cap(f.AckRanges) != 1 || f.DelayTime != 0 || f.ECT0 != 0 || f.ECT1 != 0 || f.ECNCE != 0 {
		t.Errorf("after Reset: %+v with room for %d ranges, want an empty frame with room for 1", f, cap(f.AckRanges))
	}
	f.Truncate(0, protocol.Version1)
	if f.LargestAcked() != -1 || f.LowestAcked() != -1 || f.HasMissingRanges() || f.AcksPacket(0) || f.Length(protocol.Version1) != 0 {
		t.Errorf("an empty frame has content: %+v", f)
	}
}

func TestAckFrameTruncate(t *testing.T) {
	var ranges []AckRange
	for pn := protocol.PacketNumber(10_000); pn > 0; pn -= 100 {
		ranges = append(ranges, AckRange{pn - 1, pn})
	}
	for maxSize := range protocol.ByteCount(400) {
		f := &AckFrame{AckRanges: slices.Clone(ranges), ECT0: 1}
		f.Truncate(maxSize, protocol.Version1)
		kept := len(f.AckRanges)
		if kept == 0 || !slices.Equal(f.AckRanges, ranges[:kept]) {
			t.Fatalf("maxSize %d: ranges are %v", maxSize, f.AckRanges)
		}
		if kept > 1 && f.Length(protocol.Version1) > maxSize {
			t.Errorf("maxSize %d: length is %d", maxSize, f.Length(protocol.Version1))
		}
		if kept == len(ranges) {
			continue
		}
		f.AckRanges = ranges[:kept+1]
		if f.Length(protocol.Version1) <= maxSize {
			t.Errorf("maxSize %d: %d ranges would fit, %d are kept", maxSize, kept+1, kept)
		}
	}
}

// receivedSet returns a random set and its ranges as an ACK frame lists them.
func receivedSet(r *rand.Rand, n int) (*rangeset.Set[protocol.PacketNumber], []AckRange) {
	var set rangeset.Set[protocol.PacketNumber]
	var ranges []AckRange
	next := protocol.PacketNumber(r.Int64N(100))
	for range n {
		end := next + 1 + protocol.PacketNumber(r.Int64N(1<<r.IntN(16)))
		set.Add(next, end)
		ranges = append(ranges, AckRange{next, end - 1})
		next = end + 1 + protocol.PacketNumber(r.Int64N(1<<r.IntN(16)))
	}
	slices.Reverse(ranges)
	return &set, ranges
}

// TestAppendAck compares AppendAck with AckFrame.
func TestAppendAck(t *testing.T) {
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 7))
		set, ranges := receivedSet(r, 1+r.IntN(100))
		delay := time.Duration(r.Int64N(int64(time.Second)))
		var ecn *ECNCounts
		f := &AckFrame{AckRanges: ranges, DelayTime: delay}
		if seed%3 > 0 {
			ecn = &ECNCounts{ECT0: r.Uint64() >> 40, ECT1: seed & 1, CE: 5}
			f.ECT0, f.ECT1, f.ECNCE = ecn.ECT0, ecn.ECT1, ecn.CE
		}
		want, err := f.Append([]byte("x"), protocol.Version1)
		if err != nil {
			t.Fatal(err)
		}
		if got := AppendAck([]byte("x"), set, delay, protocol.AckDelayExponent, ecn, 1<<20); !bytes.Equal(got, want) {
			t.Errorf("seed %d: AppendAck = %x, want %x", seed, got, want)
		}
	}
}

func TestAppendAckInLittleRoom(t *testing.T) {
	set, ranges := receivedSet(rand.New(rand.NewPCG(1, 7)), 100)
	ecn := &ECNCounts{ECT0: 100}
	p := testParser()
	reported := 0
	for maxLen := range 600 {
		b := AppendAck(nil, set, 0, 3, ecn, maxLen)
		if len(b) > maxLen {
			t.Fatalf("maxLen %d: %d bytes", maxLen, len(b))
		}
		if len(b) == 0 {
			if reported > 0 {
				t.Errorf("maxLen %d: nothing fits, but did before", maxLen)
			}
			continue
		}
		var d Decoded
		if n, err := p.Next(b, protocol.Encryption1RTT, &d); n != len(b) || err != nil {
			t.Fatalf("maxLen %d: Next = %d, %v, want %d", maxLen, n, err, len(b))
		}
		n := len(d.Ack.Ranges)
		if n < reported || !slices.Equal(d.Ack.Ranges, ranges[:n]) || d.Ack.ECT0 != 100 {
			t.Fatalf("maxLen %d: %d ranges after %d: %+v", maxLen, n, reported, d.Ack)
		}
		// The next range takes at most 6 bytes, the longer range count one.
		if n < len(ranges) && len(b) < maxLen-7 {
			t.Errorf("maxLen %d: only %d bytes used", maxLen, len(b))
		}
		reported = n
	}
	if reported != len(ranges) {
		t.Errorf("%d ranges reported at last, want %d", reported, len(ranges))
	}
}

func TestAppendAckEdges(t *testing.T) {
	var empty rangeset.Set[protocol.PacketNumber]
	if b := AppendAck([]byte("x"), &empty, 0, 3, nil, 100); !bytes.Equal(b, []byte("x")) {
		t.Errorf("AppendAck of nothing = %x, want 78", b)
	}
	var one rangeset.Set[protocol.PacketNumber]
	one.Add(0, 1)
	for _, tt := range []struct {
		name   string
		delay  time.Duration
		ecn    *ECNCounts
		maxLen int
		want   []byte
	}{
		{"exact room", 0, nil, 5, []byte{2, 0, 0, 0, 0}},
		{"too little room", 0, nil, 4, nil},
		{"no room", 0, nil, 0, nil},
		{"negative room", 0, nil, -1, nil},
		{"negative delay", -time.Second, nil, 5, []byte{2, 0, 0, 0, 0}},
		{"delay", 80 * time.Microsecond, nil, 5, []byte{2, 0, 10, 0, 0}},
		{"ECN counts of 0", 0, &ECNCounts{}, 5, []byte{2, 0, 0, 0, 0}},
		{"ECN counts", 0, &ECNCounts{CE: 1}, 8, []byte{3, 0, 0, 0, 0, 0, 0, 1}},
		{"too little room for ECN counts", 0, &ECNCounts{CE: 1}, 7, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if b := AppendAck(nil, &one, tt.delay, 3, tt.ecn, tt.maxLen); !bytes.Equal(b, tt.want) {
				t.Errorf("AppendAck = %x, want %x", b, tt.want)
			}
		})
	}
}

func TestAppendAckDoesNotAllocate(t *testing.T) {
	set, _ := receivedSet(rand.New(rand.NewPCG(1, 7)), 64)
	b := make([]byte, 0, 1200)
	ecn := &ECNCounts{ECT0: 1}
	if n := testing.AllocsPerRun(100, func() { AppendAck(b, set, time.Millisecond, 3, ecn, 1200) }); n != 0 {
		t.Errorf("AppendAck allocates %v times", n)
	}
}

func BenchmarkAppendAck(b *testing.B) {
	for name, n := range map[string]int{"1 range": 1, "32 ranges": 32} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			set, _ := receivedSet(rand.New(rand.NewPCG(1, 7)), n)
			buf := make([]byte, 0, 1200)
			for b.Loop() {
				AppendAck(buf, set, time.Millisecond, 3, nil, 1200)
			}
		})
	}
}
