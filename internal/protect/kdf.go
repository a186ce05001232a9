package protect

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/binary"

	"github.com/quic-go/quic-go/internal/protocol"
)

// labels are the HKDF labels of a QUIC version.
type labels struct{ key, iv, hp, ku string }

var (
	labelsV1 = labels{key: "quic key", iv: "quic iv", hp: "quic hp", ku: "quic ku"}         // RFC 9001, Sections 5.1, 6.1
	labelsV2 = labels{key: "quicv2 key", iv: "quicv2 iv", hp: "quicv2 hp", ku: "quicv2 ku"} // RFC 9369, Section 3.3.2
)

func labelsOf(v protocol.Version) *labels {
	if v == protocol.Version2 {
		return &labelsV2
	}
	return &labelsV1
}

// Salts of the initial secret.
var (
	initialSaltV1 = []byte{ // RFC 9001, Section 5.2
		0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17,
		0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc, 0xbb, 0x7f, 0x0a,
	}
	initialSaltV2 = []byte{ // RFC 9369, Section 3.3.1
		0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93,
		0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb, 0xf9, 0xbd, 0x2e, 0xd9,
	}
)

// initialSecrets returns the secrets of Initial packets (RFC 9001, Section 5.2).
func initialSecrets(v protocol.Version, dstCID protocol.ConnectionID) (client, server []byte) {
	salt := initialSaltV1
	if v == protocol.Version2 {
		salt = initialSaltV2
	}
	secret := hmacSHA256(salt, dstCID.Bytes()) // HKDF-Extract
	client = expandLabel(hashSHA256, secret[:], "client in", sha256.Size)
	server = expandLabel(hashSHA256, secret[:], "server in", sha256.Size)
	return client, server
}

// A kdfHash is the hash function of a cipher suite: its size in bytes.
type kdfHash int

const (
	hashSHA256 kdfHash = sha256.Size
	hashSHA384 kdfHash = sha512.Size384
)

// maxMessage is more than the longest message: the input of HKDF-Expand, or a connection ID.
const maxMessage = 64

// The pads of HMAC (RFC 2104, Section 2).
var (
	hmacInner = [sha512.BlockSize]byte(bytes.Repeat([]byte{0x36}, sha512.BlockSize))
	hmacOuter = [sha512.BlockSize]byte(bytes.Repeat([]byte{0x5c}, sha512.BlockSize))
)

// hmacSHA256 is HMAC (RFC 2104) of a message of at most maxMessage bytes with a key of at most a block. It makes none of the
// objects of crypto/hmac, of which a handshake would need some hundred.
func hmacSHA256(key, message []byte) [sha256.Size]byte {
	var buf [sha256.BlockSize + maxMessage]byte
	inner := sha256.Sum256(padded(buf[:], key, sha256.BlockSize, &hmacInner, message))
	return sha256.Sum256(padded(buf[:], key, sha256.BlockSize, &hmacOuter, inner[:]))
}

func hmacSHA384(key, message []byte) [sha512.Size384]byte {
	var buf [sha512.BlockSize + maxMessage]byte
	inner := sha512.Sum384(padded(buf[:], key, sha512.BlockSize, &hmacInner, message))
	return sha512.Sum384(padded(buf[:], key, sha512.BlockSize, &hmacOuter, inner[:]))
}

// padded puts a block with the key, mixed with pad, and the message into buf.
func padded(buf, key []byte, blockSize int, pad *[sha512.BlockSize]byte, message []byte) []byte {
	copy(buf[:blockSize], pad[:])
	subtle.XORBytes(buf, buf[:len(key)], key)
	return buf[:blockSize+copy(buf[blockSize:], message)]
}

// expandLabel is HKDF-Expand-Label with an empty context (RFC 8446, Section 7.1). n is at most the size of the hash, so that one
// round of HKDF-Expand is enough (RFC 5869, Section 2.3). It is inlined, so that the result can be on the caller's stack.
func expandLabel(h kdfHash, secret []byte, label string, n int) []byte {
	okm := expandRound(h, secret, label, n)
	return okm[:n]
}

func expandRound(h kdfHash, secret []byte, label string, n int) (okm [sha512.Size384]byte) {
	const prefix = "tls13 "
	var buf [maxMessage]byte
	info := binary.BigEndian.AppendUint16(buf[:0], uint16(n))
	info = append(info, uint8(len(prefix)+len(label)))
	info = append(info, prefix...)
	info = append(info, label...)
	info = append(info, 0) // no context
	info = append(info, 1) // the number of the round
	if h == hashSHA384 {
		return hmacSHA384(secret, info)
	}
	sum := hmacSHA256(secret, info)
	copy(okm[:], sum[:])
	return okm
}
