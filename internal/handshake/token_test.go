package handshake

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
)

var (
	tokenTime   = time.Unix(1_700_000_000, 123)
	tokenAddr   = &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1000}
	tokenODCID  = protocol.ParseConnectionID([]byte("original"))
	tokenSrcCID = protocol.ParseConnectionID([]byte("retry source"))
)

func newTestGenerator(t testing.TB, key TokenProtectorKey) *TokenGenerator {
	t.Helper()
	g, err := NewTokenGenerator(key)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func retryToken(t testing.TB, g *TokenGenerator) []byte {
	t.Helper()
	b, err := g.NewRetryToken(tokenTime, protocol.Version1, tokenAddr, tokenODCID, tokenSrcCID)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func newToken(t testing.TB, g *TokenGenerator) []byte {
	t.Helper()
	b, err := g.NewToken(tokenTime, protocol.Version1, tokenAddr, 42*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRetryTokenRoundTrip(t *testing.T) {
	g := newTestGenerator(t, TokenProtectorKey{1})
	for _, n := range []int{0, 1, 8, 20} {
		odcid := protocol.ParseConnectionID(make([]byte, n))
		b, err := g.NewRetryToken(tokenTime, protocol.Version2, tokenAddr, odcid, tokenSrcCID)
		if err != nil || len(b) != RetryTokenLen {
			t.Fatalf("NewRetryToken = %d bytes, %v, want %d, nil", len(b), err, RetryTokenLen)
		}
		tok, err := g.Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		if !tok.IsRetry || tok.Version != protocol.Version2 || tok.OriginalDstCID != odcid || tok.RetrySrcCID != tokenSrcCID {
			t.Errorf("Decode = %+v, want a Retry token with %s and %s", tok, odcid, tokenSrcCID)
		}
		if !tok.Issued.Equal(tokenTime) {
			t.Errorf("Issued = %v, want %v", tok.Issued, tokenTime)
		}
	}
}

func TestNewTokenRoundTrip(t *testing.T) {
	g := newTestGenerator(t, TokenProtectorKey{1})
	for _, tc := range []struct{ rtt, want time.Duration }{
		{0, 0}, {42 * time.Millisecond, 42 * time.Millisecond}, {-1, 0}, {1000 * time.Hour, maxEncodableRTT},
	} {
		b, err := g.NewToken(tokenTime, protocol.Version1, tokenAddr, tc.rtt)
		if err != nil || len(b) != NewTokenLen {
			t.Fatalf("NewToken = %d bytes, %v, want %d, nil", len(b), err, NewTokenLen)
		}
		tok, err := g.Decode(b)
		if err != nil || tok.IsRetry || tok.RTT != tc.want || !tok.Issued.Equal(tokenTime) {
			t.Errorf("Decode = %+v, %v, want a token with RTT %v of %v", tok, err, tc.want, tokenTime)
		}
	}
}

// TestTokenKeys: the keys are those of crypto/hkdf, on which servers that share a TokenProtectorKey have to agree.
func TestTokenKeys(t *testing.T) {
	key := TokenProtectorKey{1}
	g := newTestGenerator(t, key)
	secret, err := hkdf.Extract(sha256.New, key[:], nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, salt := range [][tokenSaltLen]byte{{}, {1}, {2}} {
		got := g.expand(salt)
		want, err := hkdf.Expand(sha256.New, secret, tokenKeyDerivation+string(salt[:]), len(got))
		if err != nil || !bytes.Equal(got[:], want) {
			t.Errorf("expand(%x) = %x, want %x, %v", salt, got, want, err)
		}
	}
}

func TestTokensAreUnique(t *testing.T) {
	g := newTestGenerator(t, TokenProtectorKey{1})
	a, b := newToken(t, g), newToken(t, g)
	ta, errA := g.Decode(a)
	tb, errB := g.Decode(b)
	if err := errors.Join(errA, errB); err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(a, b) || ta.ID == tb.ID {
		t.Error("two tokens are equal")
	}
}

func TestTokenValidity(t *testing.T) {
	g := newTestGenerator(t, TokenProtectorKey{1})
	retry, errR := g.Decode(retryToken(t, g))
	fresh, errN := g.Decode(newToken(t, g))
	if err := errors.Join(errR, errN); err != nil {
		t.Fatal(err)
	}
	const maxAge = time.Hour
	otherPort := &net.UDPAddr{IP: tokenAddr.IP, Port: 1001}
	otherIP := &net.UDPAddr{IP: net.IPv4(192, 0, 2, 2), Port: tokenAddr.Port}
	mapped := &net.UDPAddr{IP: tokenAddr.IP.To4(), Port: tokenAddr.Port}
	for _, tc := range []struct {
		name              string
		age               time.Duration
		version           protocol.Version
		addr              net.Addr
		dst               protocol.ConnectionID
		validRetry, valid bool
	}{
		{"as issued", 0, protocol.Version1, tokenAddr, tokenSrcCID, true, true},
		{"IPv4 address of 4 instead of 16 bytes", 0, protocol.Version1, mapped, tokenSrcCID, true, true},
		{"age of 10 s", RetryTokenLifetime, protocol.Version1, tokenAddr, tokenSrcCID, true, true},
		{"older than 10 s", RetryTokenLifetime + 1, protocol.Version1, tokenAddr, tokenSrcCID, false, true},
		{"maximum age", maxAge, protocol.Version1, tokenAddr, tokenSrcCID, false, true},
		{"older than the maximum age", maxAge + 1, protocol.Version1, tokenAddr, tokenSrcCID, false, false},
		{"slightly in the future", -maxTokenSkew, protocol.Version1, tokenAddr, tokenSrcCID, true, true},
		{"in the future", -maxTokenSkew - 1, protocol.Version1, tokenAddr, tokenSrcCID, false, false},
		{"other version", 0, protocol.Version2, tokenAddr, tokenSrcCID, false, false},
		{"other port", 0, protocol.Version1, otherPort, tokenSrcCID, false, true},
		{"other IP", 0, protocol.Version1, otherIP, tokenSrcCID, false, false},
		{"not a UDP address", 0, protocol.Version1, &net.UnixAddr{Name: "x", Net: "unixgram"}, tokenSrcCID, false, false},
		{"no address", 0, protocol.Version1, nil, tokenSrcCID, false, false},
		{"other connection ID", 0, protocol.Version1, tokenAddr, tokenODCID, false, true},
	} {
		now := tokenTime.Add(tc.age)
		if got := retry.ValidRetry(now, tc.version, tc.addr, tc.dst); got != tc.validRetry {
			t.Errorf("%s: ValidRetry = %t, want %t", tc.name, got, tc.validRetry)
		}
		if got := fresh.ValidNew(now, tc.version, tc.addr, maxAge); got != tc.valid {
			t.Errorf("%s: ValidNew = %t, want %t", tc.name, got, tc.valid)
		}
		if retry.ValidNew(now, tc.version, tc.addr, maxAge) || fresh.ValidRetry(now, tc.version, tc.addr, tc.dst) {
			t.Errorf("%s: a token passed as one of the other kind", tc.name)
		}
	}
}

func TestTokensOfOtherAddressTypes(t *testing.T) {
	g := newTestGenerator(t, TokenProtectorKey{1})
	addr := &net.UnixAddr{Name: "socket", Net: "unixgram"}
	b, err := g.NewRetryToken(tokenTime, protocol.Version1, addr, tokenODCID, tokenSrcCID)
	if err != nil {
		t.Fatal(err)
	}
	tok, err := g.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	other := &net.UnixAddr{Name: "other", Net: "unixgram"}
	same := tok.ValidRetry(tokenTime, protocol.Version1, addr, tokenSrcCID)
	if differs := tok.ValidRetry(tokenTime, protocol.Version1, other, tokenSrcCID); !same || differs {
		t.Errorf("ValidRetry = %t for the same address, %t for another, want true, false", same, differs)
	}
}

func TestForgedTokens(t *testing.T) {
	g := newTestGenerator(t, TokenProtectorKey{1})
	other := newTestGenerator(t, TokenProtectorKey{2})
	for _, tok := range [][]byte{retryToken(t, g), newToken(t, g)} {
		if _, err := other.Decode(tok); !errors.Is(err, ErrInvalidToken) {
			t.Errorf("Decode with another key = %v, want ErrInvalidToken", err)
		}
		for i := range len(tok) * 8 {
			bad := bytes.Clone(tok)
			bad[i/8] ^= 1 << (i % 8)
			if _, err := g.Decode(bad); !errors.Is(err, ErrInvalidToken) {
				t.Fatalf("Decode with bit %d flipped = %v, want ErrInvalidToken", i, err)
			}
		}
		for n := range len(tok) {
			if _, err := g.Decode(tok[:n]); !errors.Is(err, ErrInvalidToken) {
				t.Fatalf("Decode of the first %d bytes = %v, want ErrInvalidToken", n, err)
			}
		}
		if _, err := g.Decode(append(tok, 0)); !errors.Is(err, ErrInvalidToken) {
			t.Errorf("Decode with a byte appended = %v, want ErrInvalidToken", err)
		}
	}
}

func TestRandomBytesAreNoToken(t *testing.T) {
	g := newTestGenerator(t, TokenProtectorKey{1})
	rnd := rand.NewChaCha8([32]byte{5})
	for n := range 3 * RetryTokenLen {
		b := make([]byte, n)
		rnd.Read(b)
		if _, err := g.Decode(b); !errors.Is(err, ErrInvalidToken) {
			t.Errorf("Decode of %d random bytes = %v, want ErrInvalidToken", n, err)
		}
	}
}

func BenchmarkDecodeToken(b *testing.B) {
	g := newTestGenerator(b, TokenProtectorKey{1})
	tok := retryToken(b, g)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := g.Decode(tok); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNewToken(b *testing.B) {
	g := newTestGenerator(b, TokenProtectorKey{1})
	b.ReportAllocs()
	for b.Loop() {
		newToken(b, g)
	}
}
