package quic

import (
	"crypto/hmac"
	"crypto/sha256"
	"testing"
	"time"

	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/wire"
)

func TestStatelessResetToken(t *testing.T) {
	key := StatelessResetKey{1, 2, 3}
	inBubble(t, &Transport{StatelessResetKey: &key}, func(t *testing.T, n *rawNet) {
		n.listen(t, nil)
		mac := hmac.New(sha256.New, key[:])
		mac.Write([]byte("abcd"))
		if got, want := n.transport.statelessResetToken(cid("abcd")), [16]byte(mac.Sum(nil)); got != protocol.StatelessResetToken(want) {
			t.Errorf("token = %x, want %x", got, want)
		}
	})
}

func TestTokensWithoutKeyDiffer(t *testing.T) {
	var a, b Transport
	a.resets.init(nil)
	b.resets.init(nil)
	if a.resets.enabled || a.statelessResetToken(cid("abcd")) == b.statelessResetToken(cid("abcd")) {
		t.Error("Transports without a key send stateless resets, or have the same key")
	}
}

// A-04, T-027: sizes of the answers to packets of unknown connections.
func TestStatelessResetSizes(t *testing.T) {
	var key StatelessResetKey
	inBubble(t, &Transport{StatelessResetKey: &key, ConnectionIDLength: 8}, func(t *testing.T, n *rawNet) {
		n.listen(t, nil)
		want := n.transport.statelessResetToken(cid("unknown!"))
		for size := 1; size <= 1400; size++ {
			n.send(t, shortPacket(cid("unknown!"), size))
			b := n.receive(t)
			if size <= minStatelessReset {
				if b != nil {
					t.Fatalf("%d bytes are answered with %d, want no answer", size, len(b))
				}
				continue
			}
			if len(b) < minStatelessReset || len(b) >= size {
				t.Fatalf("%d bytes are answered with %d, want at least %d and less than asked", size, len(b), minStatelessReset)
			}
			if b[0]&0xc0 != 0x40 || protocol.StatelessResetToken(b[len(b)-16:]) != want {
				t.Fatalf("answer is %x, want a short header and the token %x", b, want)
			}
			time.Sleep(time.Millisecond)
		}
	})
}

func TestNoStatelessReset(t *testing.T) {
	var key StatelessResetKey
	long := defaultInitial().packet()
	for _, tc := range []struct {
		name      string
		transport *Transport
		packet    []byte
	}{
		{"without a key", &Transport{}, shortPacket(cid("aaaa"), 100)},
		{"for a long header", &Transport{StatelessResetKey: &key}, long},
		{"without connection IDs", &Transport{StatelessResetKey: &key, ConnectionIDGenerator: randomConnectionIDs(0)}, shortPacket(cid(""), 100)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inBubble(t, tc.transport, func(t *testing.T, n *rawNet) {
				if err := n.transport.init(); err != nil {
					t.Fatal(err)
				}
				n.send(t, tc.packet)
				n.wantNothing(t, tc.name)
			})
		})
	}
}

func TestStatelessResetsAreLimited(t *testing.T) {
	var r statelessResets
	now := monotime.Now()
	for second := range 3 {
		sent := 0
		for range 5000 {
			if r.allow(now) {
				sent++
			}
			now = now.Add(100 * time.Microsecond)
		}
		if sent != protocol.MaxStatelessResetsPerSecond {
			t.Errorf("%d stateless resets in half second %d, want %d", sent, second, protocol.MaxStatelessResetsPerSecond)
		}
		now = now.Add(time.Second)
	}
}

func TestTransportLimitsStatelessResets(t *testing.T) {
	var key StatelessResetKey
	inBubble(t, &Transport{StatelessResetKey: &key}, func(t *testing.T, n *rawNet) {
		n.listen(t, nil)
		sent := 0
		for range protocol.MaxStatelessResetsPerSecond + 500 {
			n.send(t, shortPacket(cid("aaaa"), 100))
			if n.receive(t) != nil {
				sent++
			}
		}
		if sent != protocol.MaxStatelessResetsPerSecond {
			t.Errorf("%d stateless resets at once, want %d", sent, protocol.MaxStatelessResetsPerSecond)
		}
	})
}

// Two endpoints that answer each other's stateless resets come to an end.
func TestStatelessResetLoopEnds(t *testing.T) {
	key := StatelessResetKey{7}
	inBubble(t, &Transport{StatelessResetKey: &key}, func(t *testing.T, n *rawNet) {
		if err := n.transport.init(); err != nil {
			t.Fatal(err)
		}
		b, exchanges := shortPacket(cid("aaaa"), 1400), 0
		for ; b != nil; exchanges++ {
			n.send(t, b)
			b = n.receive(t)
		}
		if exchanges > 100 {
			t.Errorf("%d exchanges, want at most 100", exchanges)
		}
	})
}

// T-207, T-209, T-210, T-211: which datagrams are stateless resets.
func TestIsStatelessReset(t *testing.T) {
	inBubble(t, &Transport{}, func(t *testing.T, n *rawNet) {
		tr := n.transport
		a, b := idleConn(t, tr, cid("aaaa")), idleConn(t, tr, cid("bbbb"))
		tokA, tokB := protocol.StatelessResetToken{1}, protocol.StatelessResetToken{2}
		reset := func(size int, first byte, tok protocol.StatelessResetToken) []byte {
			data := make([]byte, size)
			data[0] = first
			copy(data[size-16:], tok[:])
			return data
		}
		if got := tr.isStatelessReset(reset(50, 0x40, tokA)); got != nil {
			t.Error("a token that nobody has added matches")
		}
		tr.addResetToken(tokA, a)
		tr.addResetToken(tokB, b)
		for _, tc := range []struct {
			name string
			data []byte
			want *Conn
		}{
			{"of the first connection", reset(21, 0x40, tokA), a},
			{"of the second connection", reset(1400, 0x43, tokB), b},
			{"with a long header", reset(50, 0xc0, tokA), a},
			{"too short", reset(20, 0x40, tokA), nil},
			{"unknown", reset(50, 0x40, protocol.StatelessResetToken{3}), nil},
			{"with the token before the end", append(reset(50, 0x40, tokA), 0), nil},
		} {
			if got := tr.isStatelessReset(tc.data); got != tc.want {
				t.Errorf("%s: %p, want %p", tc.name, got, tc.want)
			}
		}
		tr.removeResetToken(tokA)
		tr.removeResetToken(tokB)
		if got := tr.isStatelessReset(reset(50, 0x40, tokA)); got != nil || len(tr.table.byResetToken) != 0 {
			t.Error("a removed token matches")
		}
	})
}

func TestStatelessResetOfUnknownConnectionIDEndsConnection(t *testing.T) {
	for _, first := range []byte{0x40, 0xc0} {
		inBubble(t, &Transport{}, func(t *testing.T, n *rawNet) {
			tr := n.transport
			c := idleConn(t, tr, cid("aaaa"))
			if err := tr.register(c, stageOther, cid("aaaa")); err != nil {
				t.Fatal(err)
			}
			tok := protocol.StatelessResetToken{1}
			tr.addResetToken(tok, c)
			c.start()
			b := append([]byte{first, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, tok[:]...)
			n.send(t, b)
			wantCause(t, c, &StatelessResetError{})
			tr.removeResetToken(tok)
		})
	}
}

func TestIsStatelessResetDoesNotAllocate(t *testing.T) {
	inBubble(t, &Transport{}, func(t *testing.T, n *rawNet) {
		tr := n.transport
		tr.addResetToken(protocol.StatelessResetToken{1}, idleConn(t, tr, cid("aaaa")))
		data := shortPacket(cid("aaaa"), 1200)
		if got := testing.AllocsPerRun(100, func() { tr.isStatelessReset(data) }); got != 0 {
			t.Errorf("%v allocations, want 0", got)
		}
	})
}

func FuzzUnmatchedDatagram(f *testing.F) {
	f.Add(defaultInitial().packet())
	f.Add(shortPacket(cid("aaaa"), 60))
	f.Add(wire.AppendVersionNegotiation(nil, []byte("a"), []byte("b"), []protocol.Version{Version1}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) == 0 || len(b) > 1500 {
			return
		}
		var key StatelessResetKey
		inBubble(t, &Transport{StatelessResetKey: &key}, func(t *testing.T, n *rawNet) {
			n.listen(t, &Config{Allow0RTT: true})
			n.send(t, b)
			sent := 0
			for r := n.receive(t); r != nil; r = n.receive(t) {
				sent += len(r)
			}
			if sent > 3*len(b) {
				t.Errorf("%d bytes are answered with %d", len(b), sent)
			}
		})
	})
}
