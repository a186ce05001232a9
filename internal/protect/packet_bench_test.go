package protect

import (
	"fmt"
	"testing"

	"github.com/quic-go/quic-go/internal/protocol"
)

// payloadSizes are those of an ACK, a short message, packets of common paths and of the loopback interface.
var payloadSizes = []int{30, 300, 1200, 1452, 16000}

// BenchmarkSealSize seals packets of several sizes with AES-128-GCM.
func BenchmarkSealSize(b *testing.B) {
	for _, size := range payloadSizes {
		b.Run(fmt.Sprintf("size=%d", size), func(b *testing.B) {
			s, _ := newPair(b, suiteAES128GCMSHA256, 32)
			packet, payload := shortPacket(5, 2, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				s.Seal(packet, 0, payload, 5, 2)
			}
		})
	}
}

// BenchmarkOpenSize opens them, and copies them before, since that is done in place.
func BenchmarkOpenSize(b *testing.B) {
	for _, size := range payloadSizes {
		b.Run(fmt.Sprintf("size=%d", size), func(b *testing.B) {
			s, o := newPair(b, suiteAES128GCMSHA256, 32)
			packet, payload := shortPacket(5, 2, size)
			sealed := s.Seal(packet, 0, payload, 5, 2)
			buf := make([]byte, len(sealed))
			b.SetBytes(int64(size))
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

// BenchmarkInitialKeys derives the keys of Initial packets, as a server does for each new connection.
func BenchmarkInitialKeys(b *testing.B) {
	dst := protocol.ParseConnectionID([]byte{0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08})
	b.ReportAllocs()
	for b.Loop() {
		InitialKeys(protocol.Version1, dst, protocol.PerspectiveServer)
	}
}

// BenchmarkNewKeys derives the keys of one direction from a secret of TLS.
func BenchmarkNewKeys(b *testing.B) {
	for _, tc := range suites {
		b.Run(tc.name, func(b *testing.B) {
			secret := testSecret(tc.secretLen, 7)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := NewSealer(tc.id, protocol.Version1, secret); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkRetryTag computes the integrity tag of a Retry packet.
func BenchmarkRetryTag(b *testing.B) {
	dst := protocol.ParseConnectionID([]byte{1, 2, 3, 4, 5, 6, 7, 8})
	retry := make([]byte, 100)
	b.ReportAllocs()
	for b.Loop() {
		RetryTag(protocol.Version1, dst, retry)
	}
}
