package protect

import (
	"bytes"
	"crypto/cipher"
	"errors"
	"testing"
)

// A countingAEAD counts decryptions.
type countingAEAD struct {
	cipher.AEAD
	n *int
}

func (c countingAEAD) Open(dst, nonce, ciphertext, additionalData []byte) ([]byte, error) {
	*c.n++
	return c.AEAD.Open(dst, nonce, ciphertext, additionalData)
}

// countDecryptions counts the decryptions with all keys for reading that e has now.
func (e *endpoint) countDecryptions() *int {
	n := new(int)
	for _, g := range []*generation{e.read.prev, e.read.cur, e.read.next} {
		if g != nil {
			g.key.aead = countingAEAD{g.key.aead, n}
		}
	}
	return n
}

// flipKeyPhase changes the Key Phase bit of a packet. Header protection is a XOR.
func flipKeyPhase(pkt []byte) []byte {
	pkt = bytes.Clone(pkt)
	pkt[0] ^= keyPhaseBit
	return pkt
}

// RFC 9001, Section 6.3: "Endpoints responding to an apparent key update MUST NOT generate a timing side-channel signal
// that might indicate that the Key Phase bit was invalid".
func TestWrongKeyPhaseCostsOneDecryption(t *testing.T) {
	check := func(t *testing.T, b *endpoint, pkt []byte) {
		t.Helper()
		n := b.countDecryptions()
		phase := b.Phase()
		if _, err := b.receive(testStart, flipKeyPhase(pkt)); !errors.Is(err, ErrDecrypt) {
			t.Errorf("Open = %v, want ErrDecrypt", err)
		}
		if *n != 1 {
			t.Errorf("%d decryptions, want 1", *n)
		}
		if b.Phase() != phase {
			t.Errorf("Phase = %d, want %d", b.Phase(), phase)
		}
		b.mustReceive(testStart, pkt, phase)
	}
	t.Run("without an update", func(t *testing.T) {
		a, b := newTestEndpoints(t, Limits{})
		exchange(testStart, a, b)
		check(t, b, a.send())
	})
	t.Run("reordered after an update", func(t *testing.T) {
		a, b := newTestEndpoints(t, Limits{})
		exchange(testStart, a, b)
		a.update(testStart)
		late := a.send()
		b.mustReceive(testStart, a.send(), 1)
		check(t, b, late)
	})
}

// The memory of the previous phase goes with its keys.
func TestPreviousPhaseIsForgotten(t *testing.T) {
	a, b := newTestEndpoints(t, Limits{})
	exchange(testStart, a, b)
	a.update(testStart)
	b.mustReceive(testStart, a.send(), 1)
	if _, err := b.receive(testStart, flipKeyPhase(a.send())); !errors.Is(err, ErrDecrypt) {
		t.Fatalf("Open = %v, want ErrDecrypt", err)
	}
	if b.read.prev == nil || len(b.read.scratch) == 0 {
		t.Fatal("no keys of the previous phase within three PTO")
	}
	b.mustReceive(testStart.Add(3*testPTO+1), a.send(), 1)
	if b.read.prev != nil || b.read.scratch != nil {
		t.Error("something of the previous phase is kept after three PTO")
	}
}

func TestWrongKeyPhaseDoesNotAllocate(t *testing.T) {
	for _, updated := range []string{"no update", "update"} {
		t.Run(updated, func(t *testing.T) {
			a, b := newTestEndpoints(t, Limits{})
			exchange(testStart, a, b)
			if updated == "update" {
				a.update(testStart)
				b.mustReceive(testStart, a.send(), 1)
			}
			pkt := flipKeyPhase(a.send())
			buf := make([]byte, len(pkt))
			if n := testing.AllocsPerRun(100, func() {
				copy(buf, pkt)
				if _, err := b.Open(testStart, buf, shortPNOffset, b.largest, testPTO); !errors.Is(err, ErrDecrypt) {
					t.Errorf("Open = %v, want ErrDecrypt", err)
				}
			}); n != 0 {
				t.Errorf("Open allocates %v times, want 0", n)
			}
		})
	}
}

// TestFirstPacketOfNextPhase: the first packet that arrives may be of the next Key Phase.
func TestFirstPacketOfNextPhase(t *testing.T) {
	a, b := newTestEndpoints(t, Limits{})
	b.send()
	a.rotate()
	b.mustReceive(testStart, a.send(), 1)
	if b.Phase() != 1 {
		t.Errorf("Phase = %d, want 1", b.Phase())
	}
}
