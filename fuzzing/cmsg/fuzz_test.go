package cmsg

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/udp"
)

// message is a control message of 64-bit Linux.
func message(level, typ uint32, data []byte) []byte {
	b := make([]byte, 16, 48)
	binary.NativeEndian.PutUint64(b, uint64(16+len(data)))
	binary.NativeEndian.PutUint32(b[8:], level)
	binary.NativeEndian.PutUint32(b[12:], typ)
	b = append(b, data...)
	return append(b, make([]byte, -len(b)&7)...)
}

func FuzzParseControl(f *testing.F) {
	tos := message(0, 1, []byte{2})
	tclass := message(41, 67, []byte{3, 0, 0, 0})
	pktinfo4 := message(0, 8, []byte{1, 0, 0, 0, 127, 0, 0, 1, 127, 0, 0, 2})
	pktinfo6 := message(41, 50, append(make([]byte, 15), 1, 2, 0, 0, 0))
	gro := message(17, 104, []byte{0xb0, 4, 0, 0})
	all := bytes.Join([][]byte{gro, tos, tclass, pktinfo4, pktinfo6}, nil)
	for _, seed := range [][]byte{nil, tos, tclass, pktinfo4, pktinfo6, gro, all, all[:len(all)-5], all[:17], message(0, 8, nil)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		exact := bytes.Clone(b)
		first := udp.ParseControl(exact[:len(exact):len(exact)])
		if !bytes.Equal(exact, b) {
			t.Fatal("ParseControl changed its input")
		}
		if first.ECN > protocol.ECNCE {
			t.Errorf("ECN = %d", first.ECN)
		}
		if first.Local.Is4In6() || first.Local.Zone() != "" {
			t.Errorf("Local = %v", first.Local)
		}
		// What lies behind the bytes is not read.
		longer := append(bytes.Clone(b), all...)
		if got := udp.ParseControl(longer[:len(b)]); got != first {
			t.Errorf("ParseControl depends on the bytes behind: %v, then %v", first, got)
		}
	})
}
