package protect

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"math"

	"golang.org/x/crypto/chacha20poly1305"
)

// Numbers of the TLS 1.3 cipher suites (RFC 8446, Appendix B.4). TLS_AES_128_CCM_SHA256 and
// TLS_AES_128_CCM_8_SHA256 are not offered by crypto/tls.
const (
	suiteAES128GCMSHA256        uint16 = 0x1301
	suiteAES256GCMSHA384        uint16 = 0x1302
	suiteChaCha20Poly1305SHA256 uint16 = 0x1303
)

// AEAD limits in packets (RFC 9001, Section 6.6).
const (
	gcmConfidentialityLimit    = 1 << 23
	gcmIntegrityLimit          = 1 << 52
	chachaConfidentialityLimit = math.MaxUint64 // "greater than the number of possible packets"
	chachaIntegrityLimit       = 1 << 36
)

// A suite is what a cipher suite means for packet protection.
type suite struct {
	keyLen          int
	hash            kdfHash
	chaCha20        bool // else AES in GCM
	confidentiality uint64
	integrity       uint64
}

var (
	suiteAES128 = suite{
		keyLen: 16, hash: hashSHA256,
		confidentiality: gcmConfidentialityLimit, integrity: gcmIntegrityLimit,
	}
	suiteAES256 = suite{
		keyLen: 32, hash: hashSHA384,
		confidentiality: gcmConfidentialityLimit, integrity: gcmIntegrityLimit,
	}
	suiteChaCha20 = suite{
		keyLen: chacha20poly1305.KeySize, hash: hashSHA256,
		chaCha20:        true,
		confidentiality: chachaConfidentialityLimit, integrity: chachaIntegrityLimit,
	}
)

// suiteFor returns the suite with the given number if secret is one of its secrets.
func suiteFor(id uint16, secret []byte) (*suite, error) {
	var s *suite
	switch id {
	case suiteAES128GCMSHA256:
		s = &suiteAES128
	case suiteAES256GCMSHA384:
		s = &suiteAES256
	case suiteChaCha20Poly1305SHA256:
		s = &suiteChaCha20
	default:
		return nil, fmt.Errorf("cipher suite %#x is not supported", id)
	}
	if len(secret) != int(s.hash) {
		return nil, fmt.Errorf("secret of cipher suite %#x has %d bytes, want %d", id, len(secret), int(s.hash))
	}
	return s, nil
}

func (s *suite) newAEAD(key []byte) (cipher.AEAD, error) {
	if s.chaCha20 {
		return chacha20poly1305.New(key)
	}
	return newGCM(key)
}

func (s *suite) newMasker(key []byte) (masker, error) {
	if s.chaCha20 {
		return newChaCha20Masker(key)
	}
	return newAESMasker(key)
}

func newGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
