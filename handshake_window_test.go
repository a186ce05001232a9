package quic_test

import (
	"testing"
	"testing/synctest"
	"time"

	quic "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/quictest"
	"github.com/quic-go/quic-go/internal/wire"
)

// The end of a client's handshake is lost while packets with data fill the congestion window, whose loss cannot be found
// before the handshake is confirmed. The client repeats it all the same.
func TestFinishedIsRepeatedAlthoughWindowIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, protocol.PerspectiveClient)
		s.transport.CongestionControl = quic.CongestionBBRv3
		s.half()
		s.peer.HoldAcks()
		s.peer.SendCryptoAt(handshake, 0, s.peer.TakeCrypto(handshake))
		s.await()
		s.write(100_000)
		s.peer.Timeout = time.Minute
		// Of the client's Handshake packets only a PING arrives, all CRYPTO frames are lost.
		_, r := quictest.ExpectIn(s.peer, func(*wire.PingFrame) bool { return true })
		if r.Level != handshake {
			t.Fatalf("PING in %s", r)
		}
		s.peer.Ack(handshake, r.PN)
		time.Sleep(100 * time.Millisecond)
		for range 3 { // what is repeated now is lost, too
			s.peer.Forget()
			_, r := quictest.ExpectIn(s.peer, func(f *wire.CryptoFrame) bool { return f.Offset == 0 })
			if r.Level != handshake {
				t.Fatalf("CRYPTO in %s", r)
			}
		}
	})
}

// A client that does not know yet that the handshake is confirmed repeats its end, which the server ignores if it has got it. What
// else is in flight may be nothing that is ever repeated; it probes for it all the same, so that the server answers.
func TestProbesBeforeConfirmationElicitAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, protocol.PerspectiveClient)
		s.config.EnableDatagrams = true
		s.half()
		s.peer.SendCryptoAt(handshake, 0, s.peer.TakeCrypto(handshake))
		s.await()
		s.pause() // the peer acknowledges 1-RTT packets
		s.peer.HoldAcks()
		if err := s.conn.SendDatagram([]byte("not repeated")); err != nil {
			t.Fatal(err)
		}
		s.peer.Timeout = 10 * time.Second
		for range 3 {
			s.peer.ExpectPacket(func(r *quictest.Received) bool {
				_, ping := r.Frames[len(r.Frames)-1].(*wire.PingFrame)
				return r.Level == oneRTT && ping && !r.First
			})
		}
	})
}
