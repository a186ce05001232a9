package handshake

import (
	"testing"

	"github.com/quic-go/quic-go/internal/protocol"
)

func TestTakeFlight(t *testing.T) {
	// Messages of RFC 8446, Section 4, that begin with their type and length.
	const (
		serverHello         = "\x02\x00\x00\x03abc"
		encryptedExtensions = "\x08\x00\x00\x00"
		certificate         = "\x0b\x00\x01\x04"
		finished            = "\x14\x00\x00\x02xy"
		keyUpdate           = "\x18\x00\x00\x01\x00"
	)
	certificateBody := string(make([]byte, 0x104))
	for _, test := range []struct {
		name  string
		level protocol.EncryptionLevel
		views []string
		want  []int
		fault bool // of the last view
	}{
		{"an Initial message may end its level", protocol.EncryptionInitial, []string{serverHello + serverHello}, []int{7}, false},
		{"a flight is taken as a whole", protocol.EncryptionHandshake,
			[]string{encryptedExtensions + certificate + certificateBody + finished}, []int{4 + 4 + 0x104 + 6}, false},
		{"what follows Finished is not taken", protocol.EncryptionHandshake, []string{encryptedExtensions + finished + finished}, []int{10}, false},
		{"pieces of messages are taken", protocol.EncryptionHandshake,
			[]string{encryptedExtensions + certificate[:1], certificate[1:3], certificate[3:] + certificateBody + finished[:5], finished[5:] + finished},
			[]int{5, 2, 1 + 0x104 + 5, 1}, false},
		{"what precedes a fault is taken", protocol.EncryptionHandshake, []string{encryptedExtensions + keyUpdate}, []int{4}, true},
		{"a fault is found in the first byte", protocol.EncryptionHandshake, []string{encryptedExtensions, keyUpdate[:1]}, []int{4, 0}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := &Driver{p: Params{Perspective: protocol.PerspectiveClient}, reading: test.level}
			for i, view := range test.views {
				n, err := d.takeFlight(&d.levels[test.level], []byte(view))
				last := i == len(test.views)-1
				if n != test.want[i] || (err != nil) != (test.fault && last) {
					t.Errorf("view %d: takeFlight = %d, %v, want %d, fault %t", i, n, err, test.want[i], test.fault && last)
				}
			}
		})
	}
}
