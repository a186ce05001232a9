package quic_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	quic "github.com/quic-go/quic-go"
)

// Nothing of a rejected 0-RTT attempt is sent on the connection that goes on: no datagram that the server does not take any
// more, no control frame of an old stream, no credit that is not there.
func TestRejectedZeroRTTLeavesNothingBehind(t *testing.T) {
	for _, tt := range zeroRTTRejections {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newEarlyBed(t, delayed())
				b.serverConfig.InitialConnectionReceiveWindow = 200_000
				b.prime(t)
				tt.change(b)
				b.listen(t)
				testNothingLeftBehind(t, b)
			})
		})
	}
}

func testNothingLeftBehind(t *testing.T, b *earlyBed) {
	c := b.dialEarly(t)
	var old []*quic.Stream
	for range 100 {
		s, err := c.OpenStream()
		if err != nil {
			t.Fatal(err)
		}
		old = append(old, s)
		go s.Write(make([]byte, 10_000)) // more than fits the congestion window or the credit
	}
	synctest.Wait()
	const datagrams = 40
	results := make(chan error, datagrams)
	for range datagrams {
		go func() { results <- c.SendDatagram(make([]byte, 1000)) }()
	}
	waiting := make(chan error, 1)
	go func() {
		_, err := c.OpenStreamSync(t.Context())
		waiting <- err
	}()
	synctest.Wait()
	for i, s := range old {
		switch i % 4 {
		case 0:
			s.CancelWrite(1)
		case 1:
			s.CancelRead(1)
		case 2:
			s.SetReliableBoundary()
			s.CancelWrite(1)
		}
	}
	s := b.accept(t)
	if _, err := c.NextConnection(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-waiting; err != quic.Err0RTTRejected {
		t.Errorf("OpenStreamSync: %v, want %v", err, quic.Err0RTTRejected)
	}
	for range datagrams {
		<-results // whatever they say, they end
	}
	testTransfer(t, c, s, randomBytes(1, 500_000))
	testTransfer(t, s, c, randomBytes(2, 500_000))
	a, in := openBoth(t, c, s)
	endNormally(t, a, in)
	for _, conn := range []*quic.Conn{c, s} {
		if err := context.Cause(conn.Context()); err != nil {
			t.Errorf("the connection has ended: %v", err)
		}
	}
	expectNoStreams(t, c, s)
	// The calls that waited at the time of the rejection may go on.
	if n := quic.ReceivedDatagrams(s); n > datagrams-datagramQueueLen {
		t.Errorf("%d datagrams of the rejected attempt have arrived", n)
	}
}

// A Listener, which is not an EarlyListener, takes 0-RTT too; Accept waits for the end of the handshake.
func TestZeroRTTWithListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newEarlyBed(t, delayed())
		b.prime(t)
		b.listener.Close()
		l, err := b.server.Listen(b.serverTLS, b.serverConfig)
		if err != nil {
			t.Fatal(err)
		}
		c := b.dialEarly(t)
		str, err := c.OpenStream()
		if err != nil {
			t.Fatal(err)
		}
		mustWrite(t, str, "early")
		str.Close()
		s, err := l.Accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if isOpen(s.HandshakeComplete()) || !s.ConnectionState().Used0RTT {
			t.Errorf("the handshake is complete: %t, Used0RTT %t", !isOpen(s.HandshakeComplete()), s.ConnectionState().Used0RTT)
		}
		in, err := s.AcceptStream(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		mustReadAll(t, in, "early")
	})
}

// The Config of GetConfigForClient decides about 0-RTT.
func TestZeroRTTFollowsConfigForClient(t *testing.T) {
	for _, accept := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			b := newEarlyBed(t, delayed())
			b.prime(t)
			chosen := b.serverConfig.Clone()
			if !accept {
				chosen.InitialConnectionReceiveWindow = 1000
			}
			b.serverConfig = &quic.Config{Allow0RTT: true, GetConfigForClient: func(*quic.ClientInfo) (*quic.Config, error) {
				return chosen, nil
			}}
			b.listen(t)
			c := b.dialEarly(t)
			s := b.accept(t)
			<-c.HandshakeComplete()
			if got := s.ConnectionState().Used0RTT; got != accept {
				t.Errorf("Used0RTT %t, want %t", got, accept)
			}
		})
	}
}

// 0-RTT within the limits that the client remembers, which are exhausted until the handshake is complete.
func TestZeroRTTStopsAtRememberedLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newEarlyBed(t, delayed())
		b.serverConfig.InitialConnectionReceiveWindow = 5000
		b.serverConfig.MaxIncomingUniStreams = 2
		b.prime(t)
		b.serverConfig.InitialConnectionReceiveWindow = 50_000
		b.serverConfig.MaxIncomingUniStreams = 3
		b.listen(t)
		c := b.dialEarly(t)
		for i := range 3 {
			if _, err := c.OpenUniStream(); (err == nil) != (i < 2) {
				t.Errorf("stream %d: %v", i+1, err)
			}
		}
		str, err := c.OpenStream()
		if err != nil {
			t.Fatal(err)
		}
		data := randomBytes(1, 40_000)
		go func() {
			str.Write(data)
			str.Close()
		}()
		s := b.accept(t)
		in, err := s.AcceptStream(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		mustReadAll(t, in, string(data))
		if _, err := c.OpenUniStream(); err != nil {
			t.Errorf("OpenUniStream with the new limit: %v", err)
		}
	})
}

// Dial is given up at any time of the handshake: nothing is left, and the server survives.
func TestDialGivenUpAtAnyTime(t *testing.T) {
	for ms := range 60 {
		synctest.Test(t, func(t *testing.T) {
			p := newUnconnectedPair(t, pairOptions{net: delayed()})
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(ms)*time.Millisecond)
			defer cancel()
			c, err := p.clientTr.Dial(ctx, p.listener.Addr(), p.clientTLS, nil)
			if err == nil {
				c.CloseWithError(0, "")
			} else if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Dial: %v", err)
			}
			time.Sleep(20 * time.Second)
			accept, stop := context.WithTimeout(t.Context(), time.Second)
			defer stop()
			for {
				s, err := p.listener.Accept(accept)
				if err != nil {
					break
				}
				if s.Context().Err() == nil {
					t.Errorf("given up after %d ms: the server's connection is still there", ms)
				}
			}
			if c, err = p.clientTr.Dial(t.Context(), p.listener.Addr(), p.clientTLS, nil); err != nil {
				t.Fatalf("Dial: %v", err)
			}
			s, err := p.listener.Accept(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			testTransfer(t, c, s, randomBytes(1, 10_000))
		})
	}
}

// Transports and listeners are closed while clients dial and connections work.
func TestCloseInAnyOrder(t *testing.T) {
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) {
			p := newUnconnectedPair(t, pairOptions{seed: seed, net: delayed()})
			r := rand.New(rand.NewPCG(seed, 4))
			var wg sync.WaitGroup
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			for range 5 {
				pause := time.Duration(r.IntN(50)) * time.Millisecond
				wg.Go(func() {
					time.Sleep(pause)
					c, err := p.clientTr.Dial(ctx, p.listener.Addr(), p.clientTLS, nil)
					if err != nil {
						return
					}
					s, err := c.OpenStreamSync(ctx)
					if err == nil {
						s.Write(make([]byte, 100_000))
						s.Close()
						io.Copy(io.Discard, s)
					}
					c.CloseWithError(0, "")
				})
			}
			wg.Go(func() {
				for {
					c, err := p.listener.Accept(ctx)
					if err != nil {
						return
					}
					wg.Go(func() {
						s, err := c.AcceptStream(ctx)
						if err == nil {
							io.Copy(s, s)
							s.Close()
						}
						<-c.Context().Done()
					})
				}
			})
			for i, end := range []func(){func() { p.listener.Close() }, func() { p.serverTr.Close() }, func() { p.clientTr.Close() }} {
				pause := time.Duration(r.IntN(150)) * time.Millisecond
				if i == 0 || r.IntN(2) == 0 {
					wg.Go(func() {
						time.Sleep(pause)
						end()
					})
				}
			}
			wg.Wait()
		})
	}
}
