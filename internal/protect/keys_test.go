package protect

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"testing"

	"github.com/quic-go/quic-go/internal/protocol"
)

var suites = []struct {
	name      string
	id        uint16
	secretLen int
}{
	{"AES-128-GCM", suiteAES128GCMSHA256, 32},
	{"AES-256-GCM", suiteAES256GCMSHA384, 48},
	{"ChaCha20-Poly1305", suiteChaCha20Poly1305SHA256, 32},
}

func testSecret(n int, seed byte) []byte { return bytes.Repeat([]byte{seed}, n) }

func newPair(t testing.TB, id uint16, secretLen int) (*Sealer, *Opener) {
	t.Helper()
	s, err := NewSealer(id, protocol.Version1, testSecret(secretLen, 7))
	if err != nil {
		t.Fatal(err)
	}
	o, err := NewOpener(id, protocol.Version1, testSecret(secretLen, 7))
	if err != nil {
		t.Fatal(err)
	}
	return s, o
}

// shortPacket returns a short header packet that is not sealed yet; the payload starts at 5+pnLen.
func shortPacket(pn protocol.PacketNumber, pnLen, payload int) (b []byte, payloadStart int) {
	b = make([]byte, 0, 64+payload+Overhead)
	b = append(b, 0x40|byte(pnLen-1), 1, 2, 3, 4)
	b = append(b, binary.BigEndian.AppendUint32(nil, uint32(pn))[4-pnLen:]...)
	payloadStart = len(b)
	for i := range payload {
		b = append(b, byte(i))
	}
	return b, payloadStart
}

const shortPNOffset = 5

func TestSealOpenRoundTrip(t *testing.T) {
	for _, tc := range suites {
		t.Run(tc.name, func(t *testing.T) {
			s, o := newPair(t, tc.id, tc.secretLen)
			for pnLen := 1; pnLen <= 4; pnLen++ {
				for _, size := range []int{4, 5, 100, 1400, 65000} {
					pn := 1<<40 + protocol.PacketNumber(size)
					b, payload := shortPacket(pn, pnLen, size)
					plain := bytes.Clone(b[payload:])
					b = s.Seal(b, 0, payload, pn, pnLen)
					if got, want := len(b), payload+size+Overhead; got != want {
						t.Fatalf("len = %d, want %d", got, want)
					}
					got, err := o.Open(b, shortPNOffset, pn-1)
					if err != nil {
						t.Fatalf("Open(pnLen %d, size %d): %v", pnLen, size, err)
					}
					if got.PN != pn || !bytes.Equal(got.Payload, plain) {
						t.Errorf("Open = number %d, equal %t, want %d, true", got.PN, bytes.Equal(got.Payload, plain), pn)
					}
				}
			}
		})
	}
}

func TestOpenDetectsEveryFlippedBit(t *testing.T) {
	for _, tc := range suites {
		s, o := newPair(t, tc.id, tc.secretLen)
		b, payload := shortPacket(9, 2, 20)
		sealed := s.Seal(b, 0, payload, 9, 2)
		for i := range len(sealed) * 8 {
			pkt := bytes.Clone(sealed)
			pkt[i/8] ^= 1 << (i % 8)
			if _, err := o.Open(pkt, shortPNOffset, 8); !errors.Is(err, ErrDecrypt) {
				t.Fatalf("%s: Open with bit %d flipped = %v, want ErrDecrypt", tc.name, i, err)
			}
			// A stateless reset token may be there.
			if i/8 < len(pkt)-Overhead && !bytes.Equal(pkt[len(pkt)-Overhead:], sealed[len(sealed)-Overhead:]) {
				t.Fatalf("%s: Open changed the last %d bytes", tc.name, Overhead)
			}
		}
	}
}

func TestOpenTooShortForSample(t *testing.T) {
	for _, tc := range suites {
		_, o := newPair(t, tc.id, tc.secretLen)
		for n := range shortPNOffset + sampleOffset + SampleLen {
			if _, err := o.Open(make([]byte, n), shortPNOffset, -1); !errors.Is(err, ErrTooShort) {
				t.Errorf("%s: Open of %d bytes = %v, want ErrTooShort", tc.name, n, err)
			}
		}
		if _, err := o.Open(make([]byte, shortPNOffset+sampleOffset+SampleLen), shortPNOffset, -1); !errors.Is(err, ErrDecrypt) {
			t.Errorf("%s: Open of the shortest packet = %v, want ErrDecrypt", tc.name, err)
		}
		if _, err := o.Open(make([]byte, 100), 0, -1); !errors.Is(err, ErrTooShort) {
			t.Errorf("%s: Open with packet number offset 0 = %v, want ErrTooShort", tc.name, err)
		}
	}
}

func TestUnknownSuiteAndWrongSecretLength(t *testing.T) {
	for _, tc := range []struct {
		name      string
		suite     uint16
		secretLen int
	}{
		{"CCM", 0x1304, 32},
		{"TLS 1.2 suite", 0xc02f, 32},
		{"zero", 0, 32},
		{"SHA-384 secret for a SHA-256 suite", suiteAES128GCMSHA256, 48},
		{"SHA-256 secret for a SHA-384 suite", suiteAES256GCMSHA384, 32},
		{"empty secret", suiteChaCha20Poly1305SHA256, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			secret := make([]byte, tc.secretLen)
			if _, err := NewSealer(tc.suite, protocol.Version1, secret); err == nil {
				t.Error("NewSealer = nil error, want one")
			}
			if _, err := NewOpener(tc.suite, protocol.Version1, secret); err == nil {
				t.Error("NewOpener = nil error, want one")
			}
			k := NewOneRTT(protocol.Version1, Limits{})
			if err := errors.Join(k.SetReadSecret(tc.suite, secret), k.SetWriteSecret(tc.suite, secret)); err == nil {
				t.Error("OneRTT = nil error, want one")
			}
			if k.CanOpen() || k.CanSeal() {
				t.Errorf("CanOpen, CanSeal = %t, %t, want false, false", k.CanOpen(), k.CanSeal())
			}
		})
	}
}

func TestPacketNumberIsDecodedRelativeToLargest(t *testing.T) {
	s, o := newPair(t, suiteAES128GCMSHA256, 32)
	const pn protocol.PacketNumber = 0xa82f9b32 // RFC 9000, Appendix A.3
	b, payload := shortPacket(pn, 2, 20)
	sealed := s.Seal(b, 0, payload, pn, 2)
	got, err := o.Open(bytes.Clone(sealed), shortPNOffset, 0xa82f30ea)
	if err != nil || got.PN != pn {
		t.Errorf("Open = number %d, error %v, want %d, nil", got.PN, err, pn)
	}
	if _, err := o.Open(bytes.Clone(sealed), shortPNOffset, 0xa83f30ea); !errors.Is(err, ErrDecrypt) {
		t.Errorf("Open with a wrong number = %v, want ErrDecrypt", err)
	}
}

// A counter of 2^32-1 is the last one of ChaCha20; it must not be taken for an overflow.
func TestChaCha20MaskOfExtremeSamples(t *testing.T) {
	key := testSecret(32, 3)
	m, err := newChaCha20Masker(key)
	if err != nil {
		t.Fatal(err)
	}
	for _, fill := range []byte{0x00, 0x7f, 0x80, 0xff} {
		sample := [SampleLen]byte(bytes.Repeat([]byte{fill}, SampleLen))
		for range 3 { // the result does not depend on earlier samples
			got, want := m.mask(&sample)[:5], chaCha20Block(key, sample[:])[:5]
			if !bytes.Equal(got, want) {
				t.Errorf("mask of sample %x = %x, want %x", sample, got, want)
			}
		}
	}
}

// chaCha20Block is the block function of RFC 8439, Section 2.3, of counter || nonce.
func chaCha20Block(key, counterNonce []byte) []byte {
	state := [16]uint32{0x61707865, 0x3320646e, 0x79622d32, 0x6b206574}
	for i := range 8 {
		state[4+i] = binary.LittleEndian.Uint32(key[4*i:])
	}
	for i := range 4 {
		state[12+i] = binary.LittleEndian.Uint32(counterNonce[4*i:])
	}
	x := state
	quarter := func(a, b, c, d int) {
		x[a] += x[b]
		x[d] = bits.RotateLeft32(x[d]^x[a], 16)
		x[c] += x[d]
		x[b] = bits.RotateLeft32(x[b]^x[c], 12)
		x[a] += x[b]
		x[d] = bits.RotateLeft32(x[d]^x[a], 8)
		x[c] += x[d]
		x[b] = bits.RotateLeft32(x[b]^x[c], 7)
	}
	for range 10 {
		for i := range 4 {
			quarter(i, 4+i, 8+i, 12+i)
		}
		for i := range 4 {
			quarter(i, 4+(i+1)%4, 8+(i+2)%4, 12+(i+3)%4)
		}
	}
	var out []byte
	for i := range x {
		out = binary.LittleEndian.AppendUint32(out, x[i]+state[i])
	}
	return out
}

func TestSealRefusesPacketsWithoutSample(t *testing.T) {
	s, _ := newPair(t, suiteAES128GCMSHA256, 32)
	defer func() {
		if got := fmt.Sprint(recover()); len(got) < 4 || got[:4] != "BUG:" {
			t.Errorf("panic = %q, want one that begins with BUG:", got)
		}
	}()
	b, payload := shortPacket(1, 2, 1)
	s.Seal(b, 0, payload, 1, 2)
}

func TestSealAndOpenDoNotAllocate(t *testing.T) {
	for _, tc := range suites {
		s, o := newPair(t, tc.id, tc.secretLen)
		b, payload := shortPacket(5, 2, 1400)
		if n := testing.AllocsPerRun(100, func() {
			s.Seal(b[:payload+1400], 0, payload, 5, 2)
		}); n != 0 {
			t.Errorf("%s: Seal allocates %v times, want 0", tc.name, n)
		}
		b, payload = shortPacket(5, 2, 1400)
		sealed := s.Seal(b, 0, payload, 5, 2)
		pkt := make([]byte, len(sealed))
		if n := testing.AllocsPerRun(100, func() {
			copy(pkt, sealed)
			if _, err := o.Open(pkt, shortPNOffset, 4); err != nil {
				t.Error(err)
			}
		}); n != 0 {
			t.Errorf("%s: Open allocates %v times, want 0", tc.name, n)
		}
	}
}

func BenchmarkSeal(b *testing.B) {
	for _, tc := range suites {
		b.Run(tc.name, func(b *testing.B) {
			s, _ := newPair(b, tc.id, tc.secretLen)
			pkt, payload := shortPacket(5, 2, 1400)
			b.SetBytes(1400)
			b.ReportAllocs()
			for b.Loop() {
				s.Seal(pkt, 0, payload, 5, 2)
			}
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	for _, tc := range suites {
		b.Run(tc.name, func(b *testing.B) {
			s, o := newPair(b, tc.id, tc.secretLen)
			pkt, payload := shortPacket(5, 2, 1400)
			sealed := s.Seal(pkt, 0, payload, 5, 2)
			buf := make([]byte, len(sealed))
			b.SetBytes(1400)
			b.ReportAllocs()
			for b.Loop() {
				copy(buf, sealed)
				if _, err := o.Open(buf, shortPNOffset, 4); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestKeysAllocateLittle: a handshake makes some dozen of them.
func TestKeysAllocateLittle(t *testing.T) {
	const limit = 6 // Sealer, packetKey and its AES and GCM, masker and its AES
	secret := testSecret(32, 1)
	got := testing.AllocsPerRun(100, func() {
		if _, err := NewSealer(suiteAES128GCMSHA256, protocol.Version1, secret); err != nil {
			t.Fatal(err)
		}
	})
	if got > limit {
		t.Errorf("NewSealer: %.0f allocations, want %d at most", got, limit)
	}
}
