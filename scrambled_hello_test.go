package quic

import (
	"crypto/tls"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/sendbuf"
)

// clientHello returns the ClientHello of crypto/tls for a server.
func clientHello(t *testing.T, name string) []byte {
	t.Helper()
	c := tls.QUICClient(&tls.QUICConfig{TLSConfig: &tls.Config{ServerName: name, MinVersion: tls.VersionTLS13, NextProtos: []string{"h3"}}})
	defer c.Close()
	c.SetTransportParameters(make([]byte, 100))
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for e := c.NextEvent(); e.Kind != tls.QUICNoEvent; e = c.NextEvent() {
		if e.Kind == tls.QUICWriteData {
			return slices.Clone(e.Data)
		}
	}
	t.Fatal("no ClientHello")
	return nil
}

func TestServerNameOfClientHello(t *testing.T) {
	for _, name := range []string{"quic.example", "a.de", strings.Repeat("long.", 40) + "example"} {
		hello := clientHello(t, name)
		start, end := serverName(hello)
		if got := string(hello[start:end]); got != name {
			t.Errorf("server name %q, want %q", got, name)
		}
		for n := range hello {
			if s, e := serverName(hello[:n]); s > e || e > n || e > 0 && string(hello[s:e]) != name {
				t.Errorf("server name at [%d, %d) of the first %d bytes", s, e, n)
			}
		}
	}
	if start, end := serverName(clientHello(t, "192.0.2.1")); start != 0 || end != 0 {
		t.Errorf("server name at [%d, %d), want none for an address", start, end)
	}
}

func TestServerNameOfGarbage(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	hello := clientHello(t, "quic.example")
	for range 10_000 {
		b := slices.Clone(hello[:r.IntN(len(hello))])
		for range 1 + r.IntN(5) {
			if len(b) > 0 {
				b[r.IntN(len(b))] = byte(r.Uint32())
			}
		}
		if start, end := serverName(b); start > end || end > len(b) {
			t.Fatalf("server name at [%d, %d) of %d bytes: %x", start, end, len(b), b)
		}
	}
}

// The pieces are all of the ClientHello, each byte once, and the name is in the first and the last one.
func TestScrambledHello(t *testing.T) {
	const off = 17
	for _, name := range []string{"quic.example", "192.0.2.1"} {
		hello := clientHello(t, name)
		orders := make(map[helloPiece]bool)
		for seed := range uint64(200) {
			var h scrambledHello
			h.cut(hello, off, rand.New(rand.NewPCG(seed, 1)).Int)
			orders[h.pieces[0]] = true
			if len(h.pieces) < 2 || len(h.pieces) > helloCuts+2 {
				t.Fatalf("%d pieces", len(h.pieces))
			}
			if start, end := serverName(hello); end > 0 {
				first, last := h.pieces[0], h.pieces[len(h.pieces)-1]
				if first.start != last.end || first.start <= off+protocol.ByteCount(start) || first.start >= off+protocol.ByteCount(end) {
					t.Errorf("seed %d: pieces %v do not cut the name at [%d, %d)", seed, h.pieces, start, end)
				}
			}
			slices.SortFunc(h.pieces, func(a, b helloPiece) int { return int(a.start - b.start) })
			at := protocol.ByteCount(off)
			for _, p := range h.pieces {
				if p.start != at || p.end <= p.start {
					t.Fatalf("seed %d: pieces %v", seed, h.pieces)
				}
				at = p.end
			}
			if want := off + protocol.ByteCount(len(hello)); at != want {
				t.Errorf("seed %d: pieces end at %d, want %d", seed, at, want)
			}
		}
		if len(orders) < 20 {
			t.Errorf("%d first pieces in 200 ClientHellos", len(orders))
		}
	}
}

// What was lost is sent again in the order of the pieces, and what is acknowledged is not.
func TestScrambledHelloAfterLoss(t *testing.T) {
	var buf sendbuf.Buffer
	buf.Write(make([]byte, 300))
	buf.MarkSent(0, 300)
	h := scrambledHello{pieces: []helloPiece{{200, 300}, {0, 100}, {100, 200}}}
	send := func(limit int) (sent []helloPiece) {
		for {
			off, n := h.next(&buf, limit)
			if n == 0 {
				return sent
			}
			buf.MarkSent(off, n)
			sent = append(sent, helloPiece{off, off + protocol.ByteCount(n)})
		}
	}
	expect := func(got []helloPiece, want ...helloPiece) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("sent %v, want %v", got, want)
		}
	}
	buf.Lost(0, 300)
	expect(send(80), helloPiece{200, 280}, helloPiece{280, 300}, helloPiece{0, 80}, helloPiece{80, 100}, helloPiece{100, 180}, helloPiece{180, 200})
	expect(send(80))
	buf.Ack(50, 30)
	buf.Lost(0, 250)
	expect(send(1000), helloPiece{200, 250}, helloPiece{0, 50}, helloPiece{80, 100}, helloPiece{100, 200})
}
