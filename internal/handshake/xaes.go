//go:build unfinished

package handshake

import (
	"crypto/aes"
	"crypto/cipher"
)

const (
	xaesKeyLen   = 32
	xaesNonceLen = 24
	xaesOverhead = 16
)

// xaes is XAES-256-GCM of the C2SP: AES-256-GCM with a key derived for each message from the first half
// of a 24-byte nonce. Random nonces of that length may be used without a limit worth counting, those of
// AES-GCM, 12 bytes, may not: a key for tokens is in use for years, on many servers.
type xaes struct {
	block cipher.Block
	k1    [aes.BlockSize]byte // subkey of CMAC (NIST SP 800-38B)
}

func newXAES(key *[xaesKeyLen]byte) (*xaes, error) {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	x := &xaes{block: block}
	block.Encrypt(x.k1[:], x.k1[:])
	var msb byte
	for i := len(x.k1) - 1; i >= 0; i-- {
		msb, x.k1[i] = x.k1[i]>>7, x.k1[i]<<1|msb
	}
	x.k1[len(x.k1)-1] ^= msb * 0x87
	return x, nil
}

// derive returns the AEAD for nonces that begin with the 12 bytes of nonce.
func (x *xaes) derive(nonce []byte) (cipher.AEAD, error) {
	var key [xaesKeyLen]byte
	for i := range 2 {
		m := key[i*aes.BlockSize:][:aes.BlockSize]
		m[1], m[2] = byte(i+1), 'X'
		copy(m[4:], nonce)
		for j := range m {
			m[j] ^= x.k1[j]
		}
		x.block.Encrypt(m, m)
	}
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// seal appends the ciphertext and tag of plain to dst.
func (x *xaes) seal(dst []byte, nonce *[xaesNonceLen]byte, plain []byte) ([]byte, error) {
	aead, err := x.derive(nonce[:12])
	if err != nil {
		return nil, err
	}
	return aead.Seal(dst, nonce[12:], plain, nil), nil
}

// open is the inverse of seal.
func (x *xaes) open(dst []byte, nonce *[xaesNonceLen]byte, sealed []byte) ([]byte, error) {
	aead, err := x.derive(nonce[:12])
	if err != nil {
		return nil, err
	}
	return aead.Open(dst, nonce[12:], sealed, nil)
}
