package protect

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"hash"

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
	secret, err := hkdf.Extract(sha256.New, dstCID.Bytes(), salt)
	if err != nil {
		panic("BUG: HKDF-Extract: " + err.Error())
	}
	client = expandLabel(sha256.New, secret, "client in", sha256.Size)
	server = expandLabel(sha256.New, secret, "server in", sha256.Size)
	return client, server
}

// expandLabel is HKDF-Expand-Label with an empty context (RFC 8446, Section 7.1).
func expandLabel(h func() hash.Hash, secret []byte, label string, n int) []byte {
	const prefix = "tls13 "
	info := make([]byte, 0, 4+len(prefix)+len(label))
	info = binary.BigEndian.AppendUint16(info, uint16(n))
	info = append(info, uint8(len(prefix)+len(label)))
	info = append(info, prefix...)
	info = append(info, label...)
	info = append(info, 0)
	out, err := hkdf.Expand(h, secret, string(info), n)
	if err != nil {
		panic("BUG: HKDF-Expand: " + err.Error())
	}
	return out
}
