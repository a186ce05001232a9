package token

import (
	"bytes"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/quic-go/quic-go/internal/handshake"
	"github.com/quic-go/quic-go/internal/protocol"
)

var issued = time.Unix(1_700_000_000, 0)

func generator(t testing.TB, key byte) *handshake.TokenGenerator {
	g, err := handshake.NewTokenGenerator(handshake.TokenProtectorKey{key})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// FuzzDecode decodes arbitrary bytes.
func FuzzDecode(f *testing.F) {
	f.Add([]byte{})
	f.Add(make([]byte, handshake.NewTokenLen))
	f.Add(make([]byte, handshake.RetryTokenLen))
	f.Add(bytes.Repeat([]byte{0xff}, handshake.RetryTokenLen+1))
	g := generator(f, 1)
	f.Fuzz(func(t *testing.T, b []byte) {
		// The key is not known to the fuzzer, and no token of it is in the corpus.
		if _, err := g.Decode(b); !errors.Is(err, handshake.ErrInvalidToken) {
			t.Errorf("Decode = %v, want ErrInvalidToken", err)
		}
	})
}

// FuzzChanged decodes tokens of which some bytes were changed or the length.
func FuzzChanged(f *testing.F) {
	f.Add(true, []byte{192, 0, 2, 1}, uint16(443), []byte("original"), []byte("source"), uint16(0), byte(0), int64(0))
	f.Add(false, []byte{192, 0, 2, 1}, uint16(443), []byte(""), []byte(""), uint16(30), byte(1), int64(1000))
	f.Add(true, bytes.Repeat([]byte{1}, 16), uint16(0), make([]byte, 20), make([]byte, 20), uint16(100), byte(0x80), int64(11_000))
	f.Add(false, []byte{}, uint16(1), []byte{}, []byte{}, uint16(80), byte(0), int64(-6000))
	g, other := generator(f, 1), generator(f, 2)
	f.Fuzz(func(t *testing.T, retry bool, ip []byte, port uint16, odcid, src []byte, pos uint16, flip byte, ageMS int64) {
		if len(odcid) > protocol.MaxConnectionIDLen || len(src) > protocol.MaxConnectionIDLen {
			return
		}
		addr := &net.UDPAddr{IP: ip, Port: int(port)}
		orig, source := protocol.ParseConnectionID(odcid), protocol.ParseConnectionID(src)
		b, err := g.NewToken(issued, protocol.Version1, addr, time.Millisecond)
		if retry {
			b, err = g.NewRetryToken(issued, protocol.Version1, addr, orig, source)
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := other.Decode(b); err == nil {
			t.Fatal("a token of another key was accepted")
		}
		if _, err := g.Decode(b[:int(pos)%len(b)]); err == nil {
			t.Fatal("a part of a token was accepted")
		}
		b[int(pos)%len(b)] ^= flip
		tok, err := g.Decode(b)
		if (err == nil) != (flip == 0) {
			t.Fatalf("Decode with %#x flipped at %d = %v", flip, pos, err)
		}
		if err != nil {
			return
		}
		if tok.IsRetry != retry || !tok.Issued.Equal(issued) {
			t.Errorf("Decode = %+v, want retry %t, issued %v", tok, retry, issued)
		}
		if retry && (tok.OriginalDstCID != orig || tok.RetrySrcCID != source) {
			t.Errorf("connection IDs = %s, %s, want %s, %s", tok.OriginalDstCID, tok.RetrySrcCID, orig, source)
		}
		age := time.Duration(ageMS%(1<<40)) * time.Millisecond
		inTime := age >= -5*time.Second && age <= handshake.RetryTokenLifetime
		now := issued.Add(age)
		if got := tok.ValidRetry(now, protocol.Version1, addr, source); got != (retry && inTime) {
			t.Errorf("ValidRetry after %v = %t, want %t", age, got, retry && inTime)
		}
		if got := tok.ValidNew(now, protocol.Version1, addr, handshake.RetryTokenLifetime); got != (!retry && inTime) {
			t.Errorf("ValidNew after %v = %t, want %t", age, got, !retry && inTime)
		}
	})
}
