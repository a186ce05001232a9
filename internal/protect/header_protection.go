package protect

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"

	"golang.org/x/crypto/chacha20"
)

// SampleLen is the length of the ciphertext sample of header protection (RFC 9001, Section 5.4.2).
const SampleLen = 16

// The sample starts where the payload would start if the packet number had 4 bytes.
const sampleOffset = 4

const longHeaderBit = 0x80

// A masker computes the mask of header protection (RFC 9001, Section 5.4.1) of a sample. Only the
// first five bytes of the result count; it is valid until the next call.
type masker interface {
	mask(sample *[SampleLen]byte) *[SampleLen]byte
}

// aesMasker is RFC 9001, Section 5.4.3.
type aesMasker struct {
	block cipher.Block
	out   [SampleLen]byte
}

func newAESMasker(key []byte) (masker, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return &aesMasker{block: block}, nil
}

func (m *aesMasker) mask(sample *[SampleLen]byte) *[SampleLen]byte {
	m.block.Encrypt(m.out[:], sample[:])
	return &m.out
}

// chaCha20Masker is RFC 9001, Section 5.4.4.
type chaCha20Masker struct {
	key [chacha20.KeySize]byte
	out [SampleLen]byte
}

func newChaCha20Masker(key []byte) (masker, error) {
	m := &chaCha20Masker{}
	copy(m.key[:], key)
	return m, nil
}

func (m *chaCha20Masker) mask(sample *[SampleLen]byte) *[SampleLen]byte {
	c, err := chacha20.NewUnauthenticatedCipher(m.key[:], sample[4:])
	if err != nil {
		panic("BUG: ChaCha20: " + err.Error())
	}
	c.SetCounter(binary.LittleEndian.Uint32(sample[:4]))
	clear(m.out[:])
	// Less than one block: a counter of 2^32-1 is the last one that is allowed, and enough.
	c.XORKeyStream(m.out[:5], m.out[:5])
	return &m.out
}

// firstByteMask returns which bits of the first byte header protection covers.
func firstByteMask(first byte) byte {
	if first&longHeaderBit != 0 {
		return 0x0f
	}
	return 0x1f
}

// protectHeader applies header protection to the packet pkt.
func protectHeader(m masker, pkt []byte, pnOffset, pnLen int) {
	sample := (*[SampleLen]byte)(pkt[pnOffset+sampleOffset:])
	mask := m.mask(sample)
	pkt[0] ^= mask[0] & firstByteMask(pkt[0])
	for i := range pnLen {
		pkt[pnOffset+i] ^= mask[1+i]
	}
}

// unprotectHeader removes header protection from pkt, which must be long enough for the sample,
// and returns the packet number as it was sent.
func unprotectHeader(m masker, pkt []byte, pnOffset int) (truncated int64, pnLen int) {
	sample := (*[SampleLen]byte)(pkt[pnOffset+sampleOffset:])
	mask := m.mask(sample)
	pkt[0] ^= mask[0] & firstByteMask(pkt[0])
	pnLen = int(pkt[0]&0x3) + 1
	for i := range pnLen {
		pkt[pnOffset+i] ^= mask[1+i]
		truncated = truncated<<8 | int64(pkt[pnOffset+i])
	}
	return truncated, pnLen
}
