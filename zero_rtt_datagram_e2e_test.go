package quic_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go/internal/netsim"
)

// Datagrams can be sent in 0-RTT packets for as long as the handshake takes, also when its probe timeouts have made
// packets smaller.
func TestZeroRTTDatagramsAfterProbeTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newEarlyBed(t, delayed())
		b.clientConfig.HandshakeIdleTimeout = 20 * time.Second
		b.prime(t)
		up := delayed().Up
		up.BlackHoles = []netsim.Window{{Start: b.net.Elapsed(), End: b.net.Elapsed() + 4*time.Second}}
		b.net.SetUp(up)
		c := b.dialEarly(t)
		sent := 0
		for ; isOpen(c.HandshakeComplete()); sent++ {
			if err := c.SendDatagram([]byte("early")); err != nil {
				t.Fatalf("SendDatagram %d: %v", sent, err)
			}
			time.Sleep(50 * time.Millisecond)
		}
		if sent < 80 {
			t.Errorf("the handshake is complete after %d datagrams", sent)
		}
		if got, err := b.accept(t).ReceiveDatagram(t.Context()); err != nil || string(got) != "early" {
			t.Errorf("ReceiveDatagram = %q, %v", got, err)
		}
	})
}
