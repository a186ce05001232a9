package sendbuf

import (
	"bytes"
	"testing"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/sendbuf"
)

// maxWritten bounds the bytes of a program.
const maxWritten = 1 << 15

// maxInstructions keeps a program short: the model is slow.
const maxInstructions = 100

// States of a byte.
const (
	unsent byte = iota
	inFlight
	lost
	acked
)

// A model is a Buffer that keeps one state per byte. The value of a byte follows from its offset.
type model struct{ state []byte }

func (m *model) change(off, n int, to byte, from ...byte) {
	end := min(off+n, len(m.state))
	for i := off; i < end; i++ {
		if bytes.IndexByte(from, m.state[i]) >= 0 {
			m.state[i] = to
		}
	}
}

// firstLost returns the first lost range, cut to limit bytes.
func (m *model) firstLost(limit int) (off, n int) {
	off = bytes.IndexByte(m.state, lost)
	if off < 0 {
		return 0, 0
	}
	for n < limit && off+n < len(m.state) && m.state[off+n] == lost {
		n++
	}
	return off, n
}

func (m *model) ackedTo() int {
	n := 0
	for n < len(m.state) && m.state[n] == acked {
		n++
	}
	return n
}

func payload(off, n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte((off+i)*7 ^ (off+i)>>8)
	}
	return p
}

func (m *model) check(t *testing.T, b *sendbuf.Buffer) {
	var count [4]int
	for _, s := range m.state {
		count[s]++
	}
	end := len(m.state)
	if int(b.End()) != end || int(b.Unsent()) != count[unsent] || int(b.Sent()) != end-count[unsent] || int(b.Unacked()) != end-count[acked] {
		t.Fatalf("End, Unsent, Sent, Unacked = %d, %d, %d, %d, want %d, %d, %d, %d", b.End(), b.Unsent(), b.Sent(), b.Unacked(),
			end, count[unsent], end-count[unsent], end-count[acked])
	}
	off, n := b.NextLost(maxWritten)
	if wantOff, wantN := m.firstLost(maxWritten); int(off) != wantOff || n != wantN || b.HasLost() != (wantN > 0) {
		t.Fatalf("NextLost() = %d, %d, want %d, %d", off, n, wantOff, wantN)
	}
	ackedTo := m.ackedTo()
	if !b.AckedTo(protocol.ByteCount(ackedTo)) || b.AckedTo(protocol.ByteCount(ackedTo+1)) {
		t.Fatalf("not exactly the bytes up to %d are acknowledged", ackedTo)
	}
	got := make([]byte, end-ackedTo)
	b.CopyTo(got, protocol.ByteCount(ackedTo))
	if !bytes.Equal(got, payload(ackedTo, len(got))) {
		t.Fatalf("the bytes from %d to %d are not those written", ackedTo, end)
	}
}

// An instruction is five bytes: what to do, an offset and a length in two bytes each.
func FuzzBuffer(f *testing.F) {
	const write, send, resend, ack, lose, truncate, release = 0, 1, 2, 3, 4, 5, 6
	f.Add([]byte{write, 0, 0, 4, 0, send, 0, 0, 2, 0, ack, 0, 0, 1, 0, send, 0, 0, 2, 0, ack, 0, 0, 4, 0})
	f.Add([]byte{write, 0, 0, 80, 0, send, 0, 0, 80, 0, ack, 2, 0, 1, 0, ack, 4, 0, 1, 0, lose, 0, 0, 8, 0, resend, 0, 0, 1, 0, resend, 0, 0, 4, 0, ack, 0, 0, 80, 0})
	f.Add([]byte{write, 0, 0, 60, 0, send, 0, 0, 40, 0, lose, 30, 0, 5, 0, truncate, 32, 0, 0, 0, ack, 0, 0, 40, 0, write, 0, 0, 1, 0})
	f.Add([]byte{write, 0, 0, 9, 0, send, 0, 0, 5, 0, lose, 0, 0, 9, 0, ack, 1, 0, 1, 0, release, 0, 0, 0, 0, ack, 0, 0, 9, 0, write, 0, 0, 9, 0})

	f.Fuzz(func(t *testing.T, program []byte) {
		var b sendbuf.Buffer
		var m model
		program = program[:min(len(program), 5*maxInstructions)]
		for ; len(program) >= 5; program = program[5:] {
			off, n := int(program[1])<<8|int(program[2]), int(program[3])<<8|int(program[4])
			switch program[0] % 7 {
			case write:
				n = min(n, maxWritten-len(m.state))
				b.Write(payload(len(m.state), n))
				m.state = append(m.state, make([]byte, n)...)
			case send:
				n = min(n, int(b.Unsent()))
				off = int(b.Sent())
				b.MarkSent(b.Sent(), n)
				m.change(off, n, inFlight, unsent)
			case resend:
				lostOff, lostN := b.NextLost(n)
				b.MarkSent(lostOff, lostN)
				m.change(int(lostOff), lostN, inFlight, lost)
			case ack:
				b.Ack(protocol.ByteCount(off), protocol.ByteCount(n))
				m.change(off, n, acked, inFlight, lost)
			case lose:
				b.Lost(protocol.ByteCount(off), protocol.ByteCount(n))
				m.change(off, n, lost, inFlight)
			case truncate:
				b.Truncate(protocol.ByteCount(off))
				m.state = m.state[:min(off, len(m.state))]
			case release:
				b.Release()
				m.change(0, len(m.state), acked, unsent, inFlight, lost)
			}
			m.check(t, &b)
		}
		b.Release()
	})
}
