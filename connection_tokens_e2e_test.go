package quic_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	quic "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/internal/netsim"
)

// An addressCheck records what a server knew about its clients.
type addressCheck struct {
	mu       sync.Mutex
	asked    int
	verified []bool
}

func (a *addressCheck) install(s *setup) {
	s.serverTransport = func(tr *quic.Transport) {
		tr.VerifySourceAddress = func(net.Addr) bool {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.asked++
			return true
		}
		tr.ConnContext = func(ctx context.Context, info *quic.ClientInfo) (context.Context, error) {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.verified = append(a.verified, info.AddrVerified)
			return ctx, nil
		}
	}
}

func TestRetryVerifiesAddress(t *testing.T) {
	for _, v := range []quic.Version{quic.Version1, quic.Version2} {
		for drop := range 4 {
			inSetup(t, func(t *testing.T, s *setup) {
				check := &addressCheck{}
				check.install(s)
				s.clientConfig.Versions = []quic.Version{v}
				if drop > 0 {
					s.net.Up.DropNth, s.net.Down.DropNth = []int{drop}, []int{drop}
				}
				c, server, err := s.dial(t)
				if err != nil {
					t.Fatal(err)
				}
				if len(check.verified) != 1 || !check.verified[0] || check.asked == 0 {
					t.Errorf("AddrVerified %v, asked %d times", check.verified, check.asked)
				}
				testTransfer(t, c, server, randomBytes(1, 10_000))
			})
		}
	}
}

// The token of an earlier connection saves the Retry.
func TestTokenOfEarlierConnectionSavesRetry(t *testing.T) {
	inSetup(t, func(t *testing.T, s *setup) {
		check := &addressCheck{}
		check.install(s)
		s.clientConfig.TokenStore = quic.NewLRUTokenStore(1, 5)
		tr, l := s.listen(t)
		first := 0
		for i := range 3 {
			c, err := tr.Dial(t.Context(), l.Addr(), s.clientTLS, s.clientConfig)
			if err != nil {
				t.Fatal(err)
			}
			settle() // the token arrives
			c.CloseWithError(0, "")
			if i == 0 {
				first = check.asked // once for each Initial
			}
			if first == 0 || check.asked != first || len(check.verified) != i+1 || !check.verified[i] {
				t.Errorf("connection %d: asked %d times, AddrVerified %v", i+1, check.asked, check.verified)
			}
		}
	})
}

// Without VerifySourceAddress there is no Retry and the address is not verified before the handshake.
func TestNoRetryByDefault(t *testing.T) {
	inSetup(t, func(t *testing.T, s *setup) {
		var verified *bool
		s.serverConfig.GetConfigForClient = func(i *quic.ClientInfo) (*quic.Config, error) {
			verified = &i.AddrVerified
			return nil, nil
		}
		if _, _, err := s.dial(t); err != nil {
			t.Fatal(err)
		}
		if *verified {
			t.Error("AddrVerified is set")
		}
	})
}

// The close of a listener leaves the accepted connections and those in the queue open.
func TestListenerCloseKeepsConnections(t *testing.T) {
	inSetup(t, func(t *testing.T, s *setup) {
		tr, l := s.listen(t)
		dial := func() *quic.Conn {
			c, err := tr.Dial(t.Context(), l.Addr(), s.clientTLS, s.clientConfig)
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		first := dial()
		accepted, err := l.Accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		second := dial()
		settle()
		for range 2 {
			if err := l.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		}
		queued, err := l.Accept(t.Context())
		if err != nil {
			t.Fatalf("Accept of a connection that is there: %v", err)
		}
		if _, err := l.Accept(t.Context()); err != quic.ErrServerClosed {
			t.Errorf("Accept: %v, want %v", err, quic.ErrServerClosed)
		}
		testTransfer(t, first, accepted, randomBytes(1, 10_000))
		testTransfer(t, second, queued, randomBytes(2, 10_000))
	})
}

// The close of a Transport ends its connections without a word to the peers.
func TestTransportCloseIsSilent(t *testing.T) {
	inSetup(t, func(t *testing.T, s *setup) {
		p := newPair(t, pairOptions{net: delayed(), client: &quic.Config{MaxIdleTimeout: 10 * time.Second}})
		start := time.Now()
		for range 2 {
			if err := p.clientTr.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		}
		if err := context.Cause(p.client.Context()); err != quic.ErrTransportClosed {
			t.Errorf("the connection ends with %v", err)
		}
		<-p.server.Context().Done()
		if err := context.Cause(p.server.Context()); !errors.Is(err, &quic.IdleTimeoutError{}) || time.Since(start) < 9*time.Second {
			t.Errorf("the peer's connection ends with %v after %s", err, time.Since(start))
		}
	})
}

// Idle timeouts: the shorter one counts, but not less than 5 seconds of the peer's.
func TestIdleTimeouts(t *testing.T) {
	for _, tt := range []struct{ client, server, clientEnds, serverEnds time.Duration }{
		{0, 0, 30 * time.Second, 30 * time.Second},
		{7 * time.Second, 0, 7 * time.Second, 7 * time.Second},
		{0, 9 * time.Second, 9 * time.Second, 9 * time.Second},
		{time.Second, 0, time.Second, 5 * time.Second},
	} {
		inSetup(t, func(t *testing.T, s *setup) {
			s.clientConfig.MaxIdleTimeout, s.serverConfig.MaxIdleTimeout = tt.client, tt.server
			p := newPair(t, pairOptions{net: delayed(), client: s.clientConfig, server: s.serverConfig})
			start := time.Now()
			<-p.client.Context().Done()
			c := time.Since(start)
			<-p.server.Context().Done()
			d := time.Since(start)
			near := func(got, want time.Duration) bool { return (got - want).Abs() < 500*time.Millisecond }
			if !near(c, tt.clientEnds) || !near(d, tt.serverEnds) {
				t.Errorf("%+v: the client ends after %s, the server after %s", tt, c, d)
			}
		})
	}
}

// Dial on a socket leaves the socket open, and usable, after the connection.
func TestDialLeavesSocketOpen(t *testing.T) {
	inSetup(t, func(t *testing.T, s *setup) {
		client, server, n := netsim.Pair(1, delayed())
		defer n.Close()
		l, err := quic.Listen(server, s.serverTLS, nil)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			c, err := quic.Dial(t.Context(), client, l.Addr(), s.clientTLS, nil)
			if err != nil {
				t.Fatalf("Dial: %v", err)
			}
			sc, err := l.Accept(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			testTransfer(t, c, sc, randomBytes(1, 10_000))
			c.CloseWithError(0, "")
			<-sc.Context().Done()
		}
		settle()
		l.Close()
		if _, err := server.WriteTo([]byte("plain"), client.LocalAddr()); err != nil {
			t.Errorf("WriteTo: %v", err)
		}
		b := make([]byte, 2000)
		for {
			k, _, err := client.ReadFrom(b)
			if err != nil {
				t.Fatalf("ReadFrom: %v", err)
			}
			if strings.HasPrefix(string(b[:k]), "plain") {
				break
			}
		}
	})
}
