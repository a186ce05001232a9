package link

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	quicproxy "github.com/quic-go/quic-go/integrationtests/tools/proxy"
)

const (
	up   = quicproxy.DirectionIncoming
	down = quicproxy.DirectionOutgoing
)

// newLink is a link without sockets.
func newLink(o Options) *Link {
	return &Link{options: o, start: time.Unix(1000, 0), random: rand.New(rand.NewPCG(1, 0))}
}

func TestLossComesInShortBursts(t *testing.T) {
	l := newLink(Options{Loss: 0.3})
	lost, inRow, longest := 0, 0, 0
	const n = 10_000
	for range n {
		if !l.loses(down, l.start, make([]byte, 100)) {
			inRow = 0
			continue
		}
		lost++
		inRow++
		longest = max(longest, inRow)
	}
	if lost < n*27/100 || lost > n*31/100 {
		t.Errorf("%d of %d lost, want a bit less than 30 %%", lost, n)
	}
	if longest != maxBurst {
		t.Errorf("%d lost in a row, want %d at most", longest, maxBurst)
	}
}

func TestCorruption(t *testing.T) {
	l := newLink(Options{Corrupt: 0.3})
	corrupted := 0
	for range 1000 {
		b := make([]byte, 100)
		if l.loses(up, l.start, b) {
			t.Fatal("a datagram is lost")
		}
		if !bytes.Equal(b, make([]byte, 100)) {
			corrupted++
		}
	}
	if corrupted < 250 || corrupted > 320 {
		t.Errorf("%d of 1000 corrupted, want a bit less than 300", corrupted)
	}
}

func TestBlackouts(t *testing.T) {
	l := newLink(Options{On: 5 * time.Second, Off: 2 * time.Second})
	for at, want := range map[time.Duration]bool{0: false, 4999 * time.Millisecond: false, 5 * time.Second: true, 6999 * time.Millisecond: true, 7 * time.Second: false, 12 * time.Second: true} {
		if got := l.loses(up, l.start.Add(at), make([]byte, 100)); got != want {
			t.Errorf("lost after %v: %t, want %t", at, got, want)
		}
	}
}

func TestFirstDatagramsAreDropped(t *testing.T) {
	l := newLink(Options{DropFirst: 2})
	for i, want := range []bool{false, true, true, false, false} {
		if l.loses(down, l.start, make([]byte, 100)) {
			t.Errorf("datagram %d of the server is lost", i)
		}
		if got := l.loses(up, l.start, make([]byte, 100)); got != want {
			t.Errorf("datagram %d is lost: %t, want %t", i, got, want)
		}
	}
}

func TestBottleneck(t *testing.T) {
	l := newLink(Options{Rate: 8_000_000, Delay: time.Millisecond}) // 1 ms for 1000 bytes
	b := make([]byte, 1000)
	sent := 0
	now := time.Now() // delay looks at the clock
	for ; !l.loses(up, now, b) && sent < 100; sent++ {
		l.delay(up, nil, nil, b)
	}
	if sent < queueLimit || sent > queueLimit+5 {
		t.Errorf("%d datagrams at once, want a queue of %d", sent, queueLimit)
	}
	if d := l.delay(down, nil, nil, b); d < time.Millisecond || d > 2*time.Millisecond {
		t.Errorf("delay %v of the other direction, want 2ms", d)
	}
}

func TestLargeDatagramsVanish(t *testing.T) {
	l := newLink(Options{})
	if l.drop(down, nil, nil, make([]byte, maxDatagramSize)) {
		t.Error("a datagram that fits is lost")
	}
	if !l.drop(down, nil, nil, make([]byte, maxDatagramSize+1)) {
		t.Error("a datagram that is too large is not lost")
	}
}
