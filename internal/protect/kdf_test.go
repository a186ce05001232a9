package protect

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"hash"
	"math/rand/v2"
	"testing"

	"github.com/quic-go/quic-go/internal/protocol"
)

func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// The key schedule is that of crypto/hkdf.
func TestKeyDerivationIsHKDF(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, h := range []struct {
		own kdfHash
		std func() hash.Hash
	}{{hashSHA256, sha256.New}, {hashSHA384, sha512.New384}} {
		for _, l := range []string{labelsV1.key, labelsV1.ku, labelsV2.iv, labelsV2.ku, "server in"} {
			for _, n := range []int{12, 16, 32, int(h.own)} {
				secret := randomBytes(r, int(h.own))
				info := fmt.Sprintf("\x00%c%ctls13 %s\x00", n, 6+len(l), l)
				want, err := hkdf.Expand(h.std, secret, info, n)
				if err != nil {
					t.Fatal(err)
				}
				if got := expandLabel(h.own, secret, l, n); !bytes.Equal(got, want) {
					t.Errorf("%s, %d bytes: %x, want %x", l, n, got, want)
				}
			}
		}
	}
	for n := range protocol.MaxConnectionIDLen + 1 {
		cid := randomBytes(r, n)
		want, err := hkdf.Extract(sha256.New, cid, initialSaltV1)
		if err != nil {
			t.Fatal(err)
		}
		if got := hmacSHA256(initialSaltV1, cid); !bytes.Equal(got[:], want) {
			t.Errorf("connection ID of %d bytes: %x, want %x", n, got, want)
		}
	}
}

func BenchmarkExpandLabel(b *testing.B) {
	secret := make([]byte, sha256.Size)
	b.ReportAllocs()
	for b.Loop() {
		expandLabel(hashSHA256, secret, labelsV1.key, 16)
	}
}
