package protect

import (
	"crypto/cipher"

	"github.com/quic-go/quic-go/internal/protocol"
)

// A retryKey is the fixed key and nonce with which a version authenticates Retry packets.
type retryKey struct {
	aead  cipher.AEAD
	nonce []byte
}

var (
	retryKeyV1 = newRetryKey( // RFC 9001, Section 5.8
		[]byte{0xbe, 0x0c, 0x69, 0x0b, 0x9f, 0x66, 0x57, 0x5a, 0x1d, 0x76, 0x6b, 0x54, 0xe3, 0x68, 0xc8, 0x4e},
		[]byte{0x46, 0x15, 0x99, 0xd3, 0x5d, 0x63, 0x2b, 0xf2, 0x23, 0x98, 0x25, 0xbb},
	)
	retryKeyV2 = newRetryKey( // RFC 9369, Section 3.3.3
		[]byte{0x8f, 0xb4, 0xb0, 0x1b, 0x56, 0xac, 0x48, 0xe2, 0x60, 0xfb, 0xcb, 0xce, 0xad, 0x7c, 0xcc, 0x92},
		[]byte{0xd8, 0x69, 0x69, 0xbc, 0x2d, 0x7c, 0x6d, 0x99, 0x90, 0xef, 0xb0, 0x4a},
	)
)

func newRetryKey(key, nonce []byte) *retryKey {
	aead, err := newGCM(key)
	if err != nil {
		panic("BUG: Retry key: " + err.Error())
	}
	return &retryKey{aead: aead, nonce: nonce}
}

// RetryTag returns the Retry Integrity Tag (RFC 9001, Section 5.8) of a Retry packet, given without its
// tag, that answers an Initial with Destination Connection ID origDstCID.
func RetryTag(v protocol.Version, origDstCID protocol.ConnectionID, retryWithoutTag []byte) [Overhead]byte {
	k := retryKeyV1
	if v == protocol.Version2 {
		k = retryKeyV2
	}
	pseudo := make([]byte, 0, 1+protocol.MaxConnectionIDLen+len(retryWithoutTag))
	pseudo = append(pseudo, uint8(origDstCID.Len()))
	pseudo = origDstCID.Append(pseudo)
	pseudo = append(pseudo, retryWithoutTag...)
	var tag [Overhead]byte
	k.aead.Seal(tag[:0], k.nonce, nil, pseudo)
	return tag
}
