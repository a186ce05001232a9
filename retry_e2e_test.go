package quic_test

import (
	"crypto/tls"
	"testing"
	"time"

	quic "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/internal/netsim"
	"github.com/quic-go/quic-go/internal/protocol"
)

func (l *versionLog) count(client bool, typ protocol.PacketType) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, h := range l.log {
		if h.client == client && h.typ == typ {
			n++
		}
	}
	return n
}

// A ClientHello takes two datagrams with the key shares that crypto/tls offers by default, one with fewer. Each of both is
// answered by one Retry; another one follows if that is lost.
func TestOneRetryForClientHello(t *testing.T) {
	for _, tt := range []struct {
		name    string
		curves  []tls.CurveID
		lost    int // of the server's datagrams
		retries int
	}{
		{"large", nil, 0, 1},
		{"small", []tls.CurveID{tls.X25519}, 0, 1},
		{"large, Retry is lost", nil, 1, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inSetup(t, func(t *testing.T, s *setup) {
				var log versionLog
				check := &addressCheck{}
				check.install(s)
				s.net.OnSent = log.hook
				s.net.Down.DropNth = []int{tt.lost}
				s.clientTLS.CurvePreferences = tt.curves
				if _, _, err := s.dial(t); err != nil {
					t.Fatal(err)
				}
				if n := log.count(false, protocol.PacketTypeRetry); n != tt.retries || check.asked != n {
					t.Errorf("%d Retry packets, VerifySourceAddress called %d times, want %d", n, check.asked, tt.retries)
				}
			})
		})
	}
}

// The RTT that comes with the token of an earlier connection is what the first PTO of both sides rests on: 60 ms instead of a
// second.
func TestTokenSeedsRTT(t *testing.T) {
	const early = 300 * time.Millisecond
	inSetup(t, func(t *testing.T, s *setup) {
		conf := &quic.Config{TokenStore: quic.NewLRUTokenStore(1, 5)}
		p := newPair(t, pairOptions{net: delayed(), client: conf})
		again := func() {
			settle() // the token arrives
			p.client.CloseWithError(0, "")
			p.server.CloseWithError(0, "")
			settle()
		}
		again()
		// The client's first flight is lost.
		p.net.SetUp(netsim.Direction{Loss: 1})
		time.AfterFunc(20*time.Millisecond, func() { p.net.SetUp(delayed().Up) })
		start := time.Now()
		p.connect(t, conf)
		if d := time.Since(start); d > early {
			t.Errorf("the handshake took %s", d)
		}
		again()
		// Only the client's first flight arrives. The server repeats its own.
		time.AfterFunc(5*time.Millisecond, func() { p.net.SetUp(netsim.Direction{Loss: 1}) })
		if _, err := p.clientTr.Dial(t.Context(), p.listener.Addr(), p.clientTLS, conf); err != nil {
			t.Fatal(err)
		}
		before := p.net.DownStats().Sent
		time.Sleep(early)
		if after := p.net.DownStats().Sent; after <= before {
			t.Errorf("the server has sent %d datagrams at once and %d after %s", before, after, early)
		}
	})
}
