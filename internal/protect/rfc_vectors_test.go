package protect

import (
	"bytes"
	"encoding/hex"
	"testing"

	"github.com/quic-go/quic-go/internal/protocol"
)

// vectors are the samples of Appendix A of RFC 9001 and of RFC 9369, which have the same shape.
type vectors struct {
	version                                   protocol.Version
	clientSecret, serverSecret                string
	keys                                      [3]keyVector
	clientHeader, clientFrames, clientPacket  string
	serverHeader, serverPayload, serverPacket string
	retryPacket                               string
	chachaSecret, chachaPacket                string
}

type keyVector struct{ key, iv, hp, ku string }

var allVectors = []*vectors{&vectors9001, &vectors9369}

const (
	sampleODCID       = "8394c8f03e515708"
	sampleClientFrame = 1162
	sampleChaChaPN    = 654360564
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func checkHex(t *testing.T, what string, got []byte, want string) {
	t.Helper()
	if hex.EncodeToString(got) != want {
		t.Errorf("%s = %x, want %s", what, got, want)
	}
}

// forEachVersion runs test with the samples of both RFCs.
func forEachVersion(t *testing.T, test func(t *testing.T, v *vectors)) {
	for _, v := range allVectors {
		t.Run(v.version.String(), func(t *testing.T) { test(t, v) })
	}
}

// RFC 9001 and RFC 9369, Appendix A.1.
func TestSampleInitialSecretsAndKeys(t *testing.T) {
	forEachVersion(t, func(t *testing.T, v *vectors) {
		client, server := initialSecrets(v.version, protocol.ParseConnectionID(unhex(t, sampleODCID)))
		checkHex(t, "client secret", client, v.clientSecret)
		checkHex(t, "server secret", server, v.serverSecret)
		l := labelsOf(v.version)
		for i, secret := range [][]byte{client, server} {
			want := v.keys[i]
			checkHex(t, "key", expandLabel(suiteAES128.hash, secret, l.key, 16), want.key)
			checkHex(t, "iv", expandLabel(suiteAES128.hash, secret, l.iv, 12), want.iv)
			checkHex(t, "hp", expandLabel(suiteAES128.hash, secret, l.hp, 16), want.hp)
		}
	})
}

func sealSample(t *testing.T, s *Sealer, header string, payload []byte, pn protocol.PacketNumber, pnLen int) []byte {
	t.Helper()
	b := append([]byte("before"), unhex(t, header)...)
	start, payloadStart := len("before"), len(b)
	b = s.Seal(append(b, payload...), start, payloadStart, pn, pnLen)
	if got := string(b[:start]); got != "before" {
		t.Errorf("bytes before the packet = %q, want %q", got, "before")
	}
	return b[start:]
}

func checkOpen(t *testing.T, o *Opener, packet string, pnOffset int, want Opened) {
	t.Helper()
	got, err := o.Open(unhex(t, packet), pnOffset, want.PN-1)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	if got.PN != want.PN || got.PNLen != want.PNLen || got.First != want.First {
		t.Errorf("Open = PN %d, PNLen %d, First %#x, want %d, %d, %#x",
			got.PN, got.PNLen, got.First, want.PN, want.PNLen, want.First)
	}
	if !bytes.Equal(got.Payload, want.Payload) {
		t.Errorf("payload = %x, want %x", got.Payload, want.Payload)
	}
}

// RFC 9001 and RFC 9369, Appendix A.2 and A.3.
func TestSampleInitialPackets(t *testing.T) {
	forEachVersion(t, func(t *testing.T, v *vectors) {
		cid := protocol.ParseConnectionID(unhex(t, sampleODCID))
		clientSealer, clientOpener := InitialKeys(v.version, cid, protocol.PerspectiveClient)
		serverSealer, serverOpener := InitialKeys(v.version, cid, protocol.PerspectiveServer)

		frames := make([]byte, sampleClientFrame)
		copy(frames, unhex(t, v.clientFrames))
		checkHex(t, "client Initial", sealSample(t, clientSealer, v.clientHeader, frames, 2, 4), v.clientPacket)
		checkOpen(t, serverOpener, v.clientPacket, len(v.clientHeader)/2-4,
			Opened{PN: 2, PNLen: 4, First: unhex(t, v.clientHeader)[0], Payload: frames})

		payload := unhex(t, v.serverPayload)
		checkHex(t, "server Initial", sealSample(t, serverSealer, v.serverHeader, payload, 1, 2), v.serverPacket)
		checkOpen(t, clientOpener, v.serverPacket, len(v.serverHeader)/2-2,
			Opened{PN: 1, PNLen: 2, First: unhex(t, v.serverHeader)[0], Payload: payload})
	})
}

// RFC 9001 and RFC 9369, Appendix A.4.
func TestSampleRetry(t *testing.T) {
	forEachVersion(t, func(t *testing.T, v *vectors) {
		pkt := unhex(t, v.retryPacket)
		cid := protocol.ParseConnectionID(unhex(t, sampleODCID))
		tag := RetryTag(v.version, cid, pkt[:len(pkt)-Overhead])
		if want := pkt[len(pkt)-Overhead:]; !bytes.Equal(tag[:], want) {
			t.Errorf("RetryTag = %x, want %x", tag, want)
		}
		other := RetryTag(v.version, protocol.ParseConnectionID([]byte("other")), pkt[:len(pkt)-Overhead])
		if other == tag {
			t.Error("RetryTag does not depend on the original Destination Connection ID")
		}
	})
}

// RFC 9001 and RFC 9369, Appendix A.5.
func TestSampleChaCha20(t *testing.T) {
	forEachVersion(t, func(t *testing.T, v *vectors) {
		secret, l, want := unhex(t, v.chachaSecret), labelsOf(v.version), v.keys[2]
		checkHex(t, "key", expandLabel(suiteChaCha20.hash, secret, l.key, 32), want.key)
		checkHex(t, "iv", expandLabel(suiteChaCha20.hash, secret, l.iv, 12), want.iv)
		checkHex(t, "hp", expandLabel(suiteChaCha20.hash, secret, l.hp, 32), want.hp)
		checkHex(t, "ku", expandLabel(suiteChaCha20.hash, secret, l.ku, 32), want.ku)

		s, err := NewSealer(suiteChaCha20Poly1305SHA256, v.version, secret)
		if err != nil {
			t.Fatal(err)
		}
		o, err := NewOpener(suiteChaCha20Poly1305SHA256, v.version, secret)
		if err != nil {
			t.Fatal(err)
		}
		checkHex(t, "packet", sealSample(t, s, "4200bff4", []byte{0x01}, sampleChaChaPN, 3), v.chachaPacket)
		checkOpen(t, o, v.chachaPacket, 1, Opened{PN: sampleChaChaPN, PNLen: 3, First: 0x42, Payload: []byte{0x01}})
	})
}
