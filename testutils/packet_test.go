package testutils

import (
	"bytes"
	"testing"

	"github.com/quic-go/quic-go/internal/protect"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/wire"
)

var (
	src   = protocol.ParseConnectionID([]byte{1, 1, 1, 1})
	dst   = protocol.ParseConnectionID([]byte{2, 2, 2, 2, 2})
	odcid = protocol.ParseConnectionID([]byte{3, 3, 3, 3, 3, 3, 3, 3})
	token = []byte("token")
)

func TestComposeInitialPacket(t *testing.T) {
	tests := []struct {
		name    string
		frames  []Frame
		payload int
	}{
		{"without frames it is as long as a client's first packet", nil, 1200},
		{"one small frame", []Frame{&PingFrame{}}, 1},
		{"two frames", []Frame{&PingFrame{}, &CryptoFrame{Offset: 5, Data: make([]byte, 100)}}, 105},
	}
	for _, test := range tests {
		for _, sentBy := range []protocol.Perspective{protocol.PerspectiveClient, protocol.PerspectiveServer} {
			for _, v := range protocol.SupportedVersions {
				b := ComposeInitialPacket(src, dst, odcid, token, test.frames, sentBy, v)
				h, err := wire.ParseLongHeader(b)
				if err != nil {
					t.Fatalf("%s: %v", test.name, err)
				}
				if h.Type != protocol.PacketTypeInitial || h.Version != v || h.SrcCID != src || h.DstCID != dst ||
					!bytes.Equal(h.Token, token) || h.PacketLen != len(b) {
					t.Errorf("%s: header %+v of %d bytes", test.name, h, len(b))
				}
				_, opener := protect.InitialKeys(v, odcid, sentBy.Opposite())
				o, err := opener.Open(b, h.PNOffset, protocol.InvalidPacketNumber)
				if err != nil || o.PN != 0 || len(o.Payload) != test.payload {
					t.Errorf("%s: packet %d with %d bytes, %v; want packet 0 with %d bytes", test.name, o.PN, len(o.Payload), err, test.payload)
				}
			}
		}
	}
}

func TestComposeInitialPacketRefusesFramesThatCannotBeEncoded(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a negative offset was encoded")
		}
	}()
	ComposeInitialPacket(src, dst, odcid, nil, []Frame{&CryptoFrame{Offset: -1}}, protocol.PerspectiveClient, protocol.Version1)
}

func TestComposeRetryPacket(t *testing.T) {
	for _, v := range protocol.SupportedVersions {
		b := ComposeRetryPacket(src, dst, odcid, token, v)
		h, err := wire.ParseLongHeader(b)
		if err != nil {
			t.Fatal(err)
		}
		if h.Type != protocol.PacketTypeRetry || h.SrcCID != src || h.DstCID != dst || !bytes.Equal(h.Token, token) {
			t.Errorf("header %+v", h)
		}
		if want := protect.RetryTag(v, odcid, b[:len(b)-16]); h.RetryTag != want {
			t.Errorf("tag %x, want %x", h.RetryTag, want)
		}
	}
}
