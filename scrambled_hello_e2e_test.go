package quic_test

import (
	"bytes"
	"crypto/tls"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/quictest"
	"github.com/quic-go/quic-go/internal/wire"
)

// cryptoFrames returns the CRYPTO frames in packets, in the order in which they were sent.
func cryptoFrames(packets []*quictest.Received) (frames []*wire.CryptoFrame) {
	for _, r := range packets {
		for _, f := range r.Frames {
			if f, ok := f.(*wire.CryptoFrame); ok {
				frames = append(frames, f)
			}
		}
	}
	return frames
}

func inOrder(frames []*wire.CryptoFrame) bool {
	at := protocol.ByteCount(0)
	for _, f := range frames {
		if f.Offset != at {
			return false
		}
		at += protocol.ByteCount(len(f.Data))
	}
	return true
}

// firstFlights returns what a client sends at first, after a Retry, and when nobody answers.
func firstFlights(t *testing.T, curves []tls.CurveID) (flights [3][]*quictest.Received) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, protocol.PerspectiveClient)
		s.tls.ServerName = "localhost"
		s.tls.CurvePreferences = curves
		s.peerOptions.HoldHandshake = true
		s.start()
		collect := func(d time.Duration) []*quictest.Received {
			time.Sleep(d)
			packets := s.peer.Packets()
			s.peer.Forget()
			return packets
		}
		flights[0] = collect(50 * time.Millisecond)
		s.peer.SendRetry([]byte("token"))
		flights[1] = collect(50 * time.Millisecond)
		flights[2] = collect(2 * time.Second)
		s.complete()
	})
	return flights
}

func TestClientHelloIsScrambled(t *testing.T) {
	for _, curves := range [][]tls.CurveID{nil, {tls.X25519}} { // two datagrams, one datagram
		var hello []byte
		for i, packets := range firstFlights(t, curves) {
			frames := cryptoFrames(packets)
			if len(frames) < 2 || inOrder(frames) || frames[0].Offset == 0 {
				t.Errorf("flight %d: %d CRYPTO frames, in order %t", i, len(frames), inOrder(frames))
			}
			for _, f := range frames {
				if bytes.Contains(f.Data, []byte("localhost")) {
					t.Errorf("flight %d: a frame with the name of the server", i)
				}
			}
			if i == 0 {
				hello = helloOf(packets)
			}
			if !bytes.Contains(hello, []byte("localhost")) || i == 1 && !bytes.Equal(helloOf(packets), hello) {
				t.Errorf("flight %d: %d bytes, the ClientHello has %d", i, len(helloOf(packets)), len(hello))
			}
		}
	}
}

func TestClientHelloInOrder(t *testing.T) {
	t.Setenv("QUIC_GO_DISABLE_CLIENTHELLO_SCRAMBLING", "true")
	flights := firstFlights(t, nil)
	for i, packets := range flights[:2] {
		if frames := cryptoFrames(packets); !inOrder(frames) || len(frames) != 2 {
			t.Errorf("flight %d: %d CRYPTO frames, in order %t, want one in each of two datagrams", i, len(frames), inOrder(frames))
		}
	}
}
