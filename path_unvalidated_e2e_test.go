package quic_test

import (
	"testing"
	"testing/synctest"
	"time"

	quic "github.com/quic-go/quic-go"
)

// The client's address changes again before its new one is validated: the server validates the newest, and sends as much
// as before.
func TestRebindingDuringValidation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairOptions{net: delayed(), client: &quic.Config{KeepAlivePeriod: time.Second}})
		testTransfer(t, p.server, p.client, randomBytes(1, 100_000))
		for range 3 {
			p.net.Rebind()
			s, err := p.client.OpenUniStream()
			if err != nil {
				t.Fatal(err)
			}
			s.Write([]byte("from another address"))
			time.Sleep(12 * time.Millisecond) // the server has it, but no answer to a challenge
		}
		start := time.Now()
		testTransfer(t, p.server, p.client, randomBytes(2, 1<<20))
		if d := time.Since(start); d > 2*time.Second {
			t.Errorf("the transfer takes %s", d)
		}
		if got, want := p.server.RemoteAddr().String(), p.net.ClientAddr(p.clientTr.Conn.LocalAddr()).String(); got != want {
			t.Errorf("the server's RemoteAddr is %s, want %s", got, want)
		}
	})
}

// The client's address changes before it has heard of the confirmation of the handshake, and it has only connection IDs to
// repeat. The server follows its probes.
func TestRebindingBeforeConfirmation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newUnconnectedPair(t, pairOptions{net: delayed()})
		client, err := p.clientTr.Dial(t.Context(), p.listener.Addr(), p.clientTLS, nil)
		if err != nil {
			t.Fatal(err)
		}
		p.net.Rebind() // what the server answers to the end of the handshake is lost
		server, err := p.listener.Accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		testTransfer(t, server, client, randomBytes(1, 100_000))
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("the transfer takes %s", d)
		}
	})
}
