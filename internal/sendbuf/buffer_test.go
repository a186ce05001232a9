package sendbuf

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/quic-go/quic-go/internal/protocol"
)

// payload returns n bytes that tell their offset.
func payload(off, n int) []byte {
	p := make([]byte, n)
	for i := range p {
		x := uint32(off+i) * 2654435761
		p[i] = byte(x >> 24)
	}
	return p
}

func checkBytes(t *testing.T, b *Buffer, off protocol.ByteCount, n int) {
	t.Helper()
	got := make([]byte, n)
	b.CopyTo(got, off)
	if !bytes.Equal(got, payload(int(off), n)) {
		t.Fatalf("CopyTo(%d bytes, %d) gave other bytes than written", n, off)
	}
}

func checkLost(t *testing.T, b *Buffer, max int, wantOff protocol.ByteCount, wantN int) {
	t.Helper()
	if off, n := b.NextLost(max); off != wantOff || n != wantN {
		t.Fatalf("NextLost(%d) = %d, %d, want %d, %d", max, off, n, wantOff, wantN)
	}
	if b.HasLost() != (wantN > 0) {
		t.Fatalf("HasLost() = %t with %d lost bytes", b.HasLost(), wantN)
	}
}

func TestSendInOrder(t *testing.T) {
	var b Buffer
	const total = 100_000
	b.Write(payload(0, total/2))
	b.Write(payload(total/2, total/2))
	for off := protocol.ByteCount(0); off < total; off += 1000 {
		if b.Sent() != off || b.Unsent() != total-off {
			t.Fatalf("Sent, Unsent = %d, %d, want %d, %d", b.Sent(), b.Unsent(), off, total-off)
		}
		checkBytes(t, &b, off, 1000)
		b.MarkSent(off, 1000)
	}
	for off := protocol.ByteCount(0); off < total; off += 1000 {
		if b.Unacked() != total-off {
			t.Fatalf("Unacked() = %d, want %d", b.Unacked(), total-off)
		}
		checkBytes(t, &b, off, 1000)
		b.Ack(off, 1000)
		if !b.AckedTo(off+1000) || b.AckedTo(off+1001) {
			t.Fatalf("AckedTo is wrong after an acknowledgement up to %d", off+1000)
		}
	}
	if len(b.chunks) != 0 {
		t.Errorf("idle Buffer holds %d chunks", len(b.chunks))
	}
	if b.End() != total {
		t.Errorf("End() = %d, want %d", b.End(), total)
	}
}

func TestLostRangesAreSentAgain(t *testing.T) {
	var b Buffer
	b.Write(payload(0, 1000))
	b.MarkSent(0, 800)
	checkLost(t, &b, 100, 0, 0)
	b.Lost(100, 200)
	b.Lost(500, 100)
	b.Lost(700, 1000) // cut to what was sent
	checkLost(t, &b, 1000, 100, 200)
	checkLost(t, &b, 50, 100, 50)
	checkLost(t, &b, 50, 100, 50) // not consumed
	b.MarkSent(100, 50)
	checkLost(t, &b, 1000, 150, 150)
	b.Ack(200, 50) // acknowledged after it was declared lost
	checkLost(t, &b, 1000, 150, 50)
	b.MarkSent(150, 50)
	checkLost(t, &b, 1000, 250, 50)
	b.MarkSent(250, 50)
	checkLost(t, &b, 1000, 500, 100)
	b.MarkSent(500, 100)
	checkLost(t, &b, 1000, 700, 100)
	b.MarkSent(700, 100)
	checkLost(t, &b, 1000, 0, 0)
	if b.Sent() != 800 {
		t.Errorf("Sent() = %d after retransmissions, want 800", b.Sent())
	}
}

func TestLossOfAcknowledgedBytesIsIgnored(t *testing.T) {
	var b Buffer
	b.Write(payload(0, 1000))
	b.MarkSent(0, 1000)
	b.Ack(0, 100)
	b.Ack(200, 100)
	b.Ack(400, 100)
	b.Lost(50, 400)
	checkLost(t, &b, 1000, 100, 100)
	b.MarkSent(100, 100)
	checkLost(t, &b, 1000, 300, 100)
	b.MarkSent(300, 100)
	checkLost(t, &b, 1000, 0, 0)
	b.Ack(0, 1000)
	b.Lost(0, 1000)
	checkLost(t, &b, 1000, 0, 0)
}

func TestAckOutOfOrder(t *testing.T) {
	var b Buffer
	b.Write(payload(0, 3000))
	b.MarkSent(0, 2500)
	b.Ack(1000, 500)
	b.Ack(2000, 2000) // cut to what was sent
	if got := b.Unacked(); got != 2000 {
		t.Errorf("Unacked() = %d, want 2000", got)
	}
	checkBytes(t, &b, 0, 3000)
	b.Ack(0, 1100)
	if !b.AckedTo(1500) || b.AckedTo(1501) {
		t.Error("the bytes up to 1500 are acknowledged")
	}
	b.Ack(1400, 700)
	if !b.AckedTo(2500) || b.AckedTo(2501) {
		t.Error("the bytes up to 2500 are acknowledged")
	}
	if got := b.Unacked(); got != 500 {
		t.Errorf("Unacked() = %d, want 500", got)
	}
}

func TestTruncate(t *testing.T) {
	for _, test := range []struct {
		name                    string
		end, sent, unacked, off protocol.ByteCount // off, n: what is lost
		n                       int
		chunks                  int
	}{
		{"nothing is beyond", 20_000, 12_000, 10_000, 3000, 1000, 1},
		{"unsent bytes go", 15_000, 12_000, 5000, 3000, 1000, 1},
		{"sent bytes go", 11_500, 11_500, 1500, 3000, 1000, 1},
		{"lost bytes go", 3500, 3500, 500, 3000, 500, 1},
		{"all that is left is acknowledged", 3000, 3000, 0, 0, 0, 0},
		{"acknowledged bytes go", 1000, 1000, 0, 0, 0, 0},
		{"everything goes", 0, 0, 0, 0, 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			var b Buffer
			b.Write(payload(0, 18_000))
			if test.end == 20_000 {
				test.end = 18_000
			}
			b.MarkSent(0, 12_000)
			b.Ack(0, 3000)
			b.Ack(4000, 6000)
			b.Lost(3000, 1000)
			if test.name == "nothing is beyond" {
				test.unacked = 9000
			}
			b.Truncate(test.end)
			if b.End() != test.end || b.Sent() != test.sent || !b.AckedTo(min(test.end, 3000)) {
				t.Errorf("End, Sent = %d, %d, want %d, %d", b.End(), b.Sent(), test.end, test.sent)
			}
			checkLost(t, &b, 20_000, test.off, test.n)
			b.Ack(0, 20_000)
			if !b.AckedTo(test.sent) {
				t.Error("not all is acknowledged")
			}
		})
	}
}

func TestRelease(t *testing.T) {
	var b Buffer
	b.Write(payload(0, 50_000))
	b.MarkSent(0, 40_000)
	b.Lost(1000, 1000)
	b.Ack(5000, 10)
	b.Release()
	if b.HasLost() || b.Unsent() != 0 || b.Unacked() != 0 || b.chunks != nil {
		t.Errorf("after Release: HasLost %t, Unsent %d, Unacked %d, %d chunks", b.HasLost(), b.Unsent(), b.Unacked(), len(b.chunks))
	}
	// Frames that are in flight are still acknowledged or lost.
	b.Ack(0, 1000)
	b.Lost(1000, 1000)
	if b.HasLost() || b.End() != 50_000 {
		t.Errorf("HasLost, End = %t, %d, want false, 50000", b.HasLost(), b.End())
	}
	b.Release()
}

func TestChunkSizes(t *testing.T) {
	for _, test := range []struct {
		name   string
		writes []int
		want   []int
	}{
		{"a small write takes a small chunk", []int{1}, []int{1024}},
		{"writes fill up a chunk", []int{500, 500, 24}, []int{1024}},
		{"the more is held, the larger the next chunk", []int{1024, 1, 4096, 1}, []int{1024, 4096, 16384}},
		{"a large write takes large chunks", []int{20_000}, []int{16384, 16384}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var b Buffer
			for _, n := range test.writes {
				b.Write(make([]byte, n))
			}
			for i, want := range test.want {
				if i >= len(b.chunks) || len(b.chunks[i].mem) != want {
					t.Fatalf("chunk %d of %d is not of size %d", i, len(b.chunks), want)
				}
			}
			if len(b.chunks) != len(test.want) {
				t.Errorf("%d chunks, want %d", len(b.chunks), len(test.want))
			}
		})
	}
}

func TestIdleBufferForgetsLongChunkList(t *testing.T) {
	var b Buffer
	b.Write(make([]byte, 4<<20))
	b.MarkSent(0, 4<<20)
	b.Ack(0, 4<<20)
	if cap(b.chunks) > maxIdleChunkList {
		t.Errorf("idle Buffer keeps a list for %d chunks", cap(b.chunks))
	}
}

func TestWrongUsePanics(t *testing.T) {
	for name, f := range map[string]func(*Buffer){
		"copy behind the end":   func(b *Buffer) { b.CopyTo(make([]byte, 11), 90) },
		"copy of acked bytes":   func(b *Buffer) { b.CopyTo(make([]byte, 1), 9) },
		"sent was not written":  func(b *Buffer) { b.MarkSent(90, 11) },
		"copy after a Truncate": func(b *Buffer) { b.Truncate(50); b.CopyTo(make([]byte, 1), 50) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			var b Buffer
			b.Write(payload(0, 100))
			b.MarkSent(0, 50)
			b.Ack(0, 10)
			f(&b)
		})
	}
}

// A model is a Buffer with one byte of state per byte.
type model struct {
	state []byte // what became of each byte: one of the constants
}

const (
	unsent = iota
	inFlight
	lost
	acked
)

func (m *model) change(off, end protocol.ByteCount, from string, to byte) {
	for i := off; i < min(end, protocol.ByteCount(len(m.state))); i++ {
		if bytes.IndexByte([]byte(from), m.state[i]) >= 0 {
			m.state[i] = to
		}
	}
}

func (m *model) check(t *testing.T, b *Buffer) {
	t.Helper()
	count := [4]protocol.ByteCount{}
	for _, s := range m.state {
		count[s]++
	}
	end := protocol.ByteCount(len(m.state))
	if b.End() != end || b.Unsent() != count[unsent] || b.Sent() != end-count[unsent] || b.Unacked() != end-count[acked] {
		t.Fatalf("End, Unsent, Sent, Unacked = %d, %d, %d, %d, want %d, %d, %d, %d", b.End(), b.Unsent(), b.Sent(), b.Unacked(),
			end, count[unsent], end-count[unsent], end-count[acked])
	}
	first := bytes.IndexByte(m.state, lost)
	if first < 0 {
		checkLost(t, b, 1<<30, 0, 0)
	} else {
		n := 1
		for first+n < len(m.state) && m.state[first+n] == lost {
			n++
		}
		checkLost(t, b, 1<<30, protocol.ByteCount(first), n)
	}
	prefix := protocol.ByteCount(0)
	for prefix < end && m.state[prefix] == acked {
		prefix++
	}
	if !b.AckedTo(prefix) || b.AckedTo(prefix+1) {
		t.Fatalf("not exactly the bytes up to %d are acknowledged", prefix)
	}
	if prefix == end && len(b.chunks) > 0 {
		t.Fatal("idle Buffer holds chunks")
	}
	checkBytes(t, b, prefix, int(end-prefix))
}

// checkNextLostIn checks what NextLostIn(start, end, limit) has returned.
func (m *model) checkNextLostIn(t *testing.T, start, end protocol.ByteCount, limit int, off protocol.ByteCount, n int) {
	t.Helper()
	i := start
	for i < end && m.state[i] != lost {
		i++
	}
	want := 0
	for want < limit && i+protocol.ByteCount(want) < end && m.state[i+protocol.ByteCount(want)] == lost {
		want++
	}
	if n != want || n > 0 && off != i {
		t.Errorf("NextLostIn(%d, %d, %d) = %d, %d, want %d, %d", start, end, limit, off, n, i, want)
	}
}

func TestRandomWalk(t *testing.T) {
	for seed := range uint64(10) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var b Buffer
		var m model
		for step := range 300 {
			end := protocol.ByteCount(len(m.state))
			off := protocol.ByteCount(rng.Int64N(int64(end) + 1))
			n := protocol.ByteCount(rng.IntN(3000))
			switch rng.IntN(8) {
			case 0, 1:
				size := rng.IntN(4000)
				b.Write(payload(len(m.state), size))
				m.state = append(m.state, make([]byte, size)...)
			case 2, 3:
				n = min(n, b.Unsent())
				m.change(b.Sent(), b.Sent()+n, string([]byte{unsent}), inFlight)
				b.MarkSent(b.Sent(), int(n))
			case 4:
				lostOff, lostN := b.NextLost(int(n))
				if rng.IntN(2) == 0 {
					// What is lost in any range, whatever is lost before it.
					to := min(off+protocol.ByteCount(rng.IntN(3000)), end)
					lostOff, lostN = b.NextLostIn(off, to, int(n))
					m.checkNextLostIn(t, off, to, int(n), lostOff, lostN)
				}
				m.change(lostOff, lostOff+protocol.ByteCount(lostN), string([]byte{lost}), inFlight)
				b.MarkSent(lostOff, lostN)
			case 5, 6:
				if rng.IntN(2) == 0 {
					off = protocol.ByteCount(bytes.IndexFunc(append(m.state, 100), func(s rune) bool { return s != acked }))
				}
				b.Ack(off, n)
				m.change(off, off+n, string([]byte{inFlight, lost}), acked)
			case 7:
				b.Lost(off, n)
				m.change(off, off+n, string([]byte{inFlight}), lost)
			}
			if rng.IntN(100) == 0 {
				b.Truncate(off)
				m.state = m.state[:off]
			}
			m.check(t, &b)
			if t.Failed() {
				t.Fatalf("seed %d, step %d", seed, step)
			}
		}
		b.Release()
	}
}
