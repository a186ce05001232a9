package quic_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	quic "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/internal/netsim"
	"github.com/quic-go/quic-go/internal/testcert"
)

// An earlyBed is a client that keeps sessions and a server that can be set up anew, connected by a simulated network.
type earlyBed struct {
	net      *netsim.Net
	client   *quic.Transport
	server   *quic.Transport
	listener *quic.EarlyListener
	// clientTLS has a session cache. serverTLS and the configs may be changed between listen calls.
	clientTLS, serverTLS       *tls.Config
	clientConfig, serverConfig *quic.Config
}

func newEarlyBed(t *testing.T, o netsim.Options) *earlyBed {
	t.Helper()
	client, server, n := netsim.Pair(1, o)
	b := &earlyBed{
		net:          n,
		client:       &quic.Transport{Conn: client},
		server:       &quic.Transport{Conn: server},
		clientTLS:    testcert.ClientConfig("test"),
		serverTLS:    testcert.ServerConfig("test"),
		clientConfig: &quic.Config{EnableDatagrams: true},
		serverConfig: &quic.Config{EnableDatagrams: true, Allow0RTT: true},
	}
	b.clientTLS.ClientSessionCache = tls.NewLRUClientSessionCache(10)
	t.Cleanup(func() {
		b.client.Close()
		b.server.Close()
		n.Close()
		synctest.Wait()
	})
	return b
}

// listen replaces the listener by one with the current configs.
func (b *earlyBed) listen(t *testing.T) {
	t.Helper()
	if b.listener != nil {
		b.listener.Close()
	}
	var err error
	if b.listener, err = b.server.ListenEarly(b.serverTLS, b.serverConfig); err != nil {
		t.Fatalf("ListenEarly: %v", err)
	}
}

func (b *earlyBed) addr() net.Addr { return b.server.Conn.LocalAddr() }

// prime makes the client get a session ticket.
func (b *earlyBed) prime(t *testing.T) {
	t.Helper()
	b.listen(t)
	c, err := b.client.Dial(t.Context(), b.addr(), b.clientTLS, b.clientConfig)
	if err != nil {
		t.Fatalf("Dial: %v", err)
	}
	s := b.accept(t)
	settle() // the ticket arrives
	c.CloseWithError(0, "")
	<-s.Context().Done()
}

func (b *earlyBed) accept(t *testing.T) *quic.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, err := b.listener.Accept(ctx)
	if err != nil {
		t.Fatalf("Accept: %v", err)
	}
	return c
}

// dialEarly dials with the session of prime.
func (b *earlyBed) dialEarly(t *testing.T) *quic.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, err := b.client.DialEarly(ctx, b.addr(), b.clientTLS, b.clientConfig)
	if err != nil {
		t.Fatalf("DialEarly: %v", err)
	}
	return c
}

// isOpen reports whether the channel is not closed.
func isOpen(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return false
	default:
		return true
	}
}

func TestResumption(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newEarlyBed(t, delayed())
		b.prime(t)
		c, err := b.client.Dial(t.Context(), b.addr(), b.clientTLS, b.clientConfig)
		if err != nil {
			t.Fatal(err)
		}
		s := b.accept(t)
		for _, conn := range []*quic.Conn{c, s} {
			st := conn.ConnectionState()
			if !st.TLS.DidResume || st.Used0RTT {
				t.Errorf("DidResume %t, Used0RTT %t, want true, false", st.TLS.DidResume, st.Used0RTT)
			}
		}
		testTransfer(t, c, s, randomBytes(1, 10_000))
	})
}

func TestZeroRTTAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newEarlyBed(t, delayed())
		b.prime(t)
		start := time.Now()
		c := b.dialEarly(t)
		if d := time.Since(start); d != 0 || !isOpen(c.HandshakeComplete()) {
			t.Errorf("DialEarly returns after %s, the handshake is over: %t", d, !isOpen(c.HandshakeComplete()))
		}
		str, err := c.OpenStream()
		if err != nil {
			t.Fatal(err)
		}
		h := watch(str)
		mustWrite(t, str, "early")
		if err := str.Close(); err != nil {
			t.Fatal(err)
		}
		if err := c.SendDatagram([]byte("datagram")); err != nil {
			t.Errorf("SendDatagram: %v", err)
		}
		s := b.accept(t)
		in, err := s.AcceptStream(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		mustReadAll(t, in, "early")
		if d := time.Since(start); d != 10*time.Millisecond || !isOpen(s.HandshakeComplete()) {
			t.Errorf("the data arrives after %s, want half a round trip; the handshake is over: %t", d, !isOpen(s.HandshakeComplete()))
		}
		if got, err := s.ReceiveDatagram(t.Context()); string(got) != "datagram" || err != nil {
			t.Errorf("ReceiveDatagram = %q, %v", got, err)
		}
		mustWrite(t, in, "answer")
		in.Close()
		mustReadAll(t, str, "answer")
		next, err := c.NextConnection(t.Context())
		if next != c || err != nil {
			t.Errorf("NextConnection = %p, %v, want %p", next, err, c)
		}
		<-s.HandshakeComplete()
		for _, conn := range []*quic.Conn{c, s} {
			if st := conn.ConnectionState(); !st.Used0RTT || !st.TLS.DidResume {
				t.Errorf("DidResume %t, Used0RTT %t, want true, true", st.TLS.DidResume, st.Used0RTT)
			}
		}
		h.waitRetired(t)
		h.expectOrder(t, "0-RTT stream")
		testTransfer(t, s, c, randomBytes(1, 100_000))
	})
}

// The 0-RTT flight and the handshake lose packets.
func TestZeroRTTAcceptedWithLoss(t *testing.T) {
	for n := 1; n <= 8; n++ {
		synctest.Test(t, func(t *testing.T) {
			b := newEarlyBed(t, delayed())
			b.prime(t)
			data := randomBytes(uint64(n), 20_000)
			up := netsim.Direction{Delay: 10 * time.Millisecond, DropNth: []int{b.net.UpStats().Sent + n}}
			down := netsim.Direction{Delay: 10 * time.Millisecond, DropNth: []int{b.net.DownStats().Sent + n}}
			b.net.SetUp(up)
			b.net.SetDown(down)
			c := b.dialEarly(t)
			str, err := c.OpenStream()
			if err != nil {
				t.Fatal(err)
			}
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
			<-c.HandshakeComplete()
			if b.net.UpStats().Lost != 1 || !s.ConnectionState().Used0RTT {
				t.Errorf("%d packets lost, Used0RTT %t", b.net.UpStats().Lost, s.ConnectionState().Used0RTT)
			}
		})
	}
}

// What makes the server reject 0-RTT.
var zeroRTTRejections = []struct {
	name   string
	change func(b *earlyBed)
}{
	{"fresh ticket keys", func(b *earlyBed) { b.serverTLS = testcert.ServerConfig("test") }},
	{"smaller stream limit", func(b *earlyBed) { b.serverConfig.MaxIncomingStreams = 99 }},
	{"smaller unidirectional stream limit", func(b *earlyBed) { b.serverConfig.MaxIncomingUniStreams = 99 }},
	{"smaller stream window", func(b *earlyBed) { b.serverConfig.InitialStreamReceiveWindow = 1000 }},
	{"smaller connection window", func(b *earlyBed) { b.serverConfig.InitialConnectionReceiveWindow = 1000 }},
	{"datagrams disabled", func(b *earlyBed) { b.serverConfig.EnableDatagrams = false }},
	{"0-RTT disabled", func(b *earlyBed) { b.serverConfig.Allow0RTT = false }},
}

// Guarantee 15: the streams of before are Abandoned with Err0RTTRejected, then Retired. Stream IDs start again.
func TestGuarantee15ZeroRTTRejectedEndToEnd(t *testing.T) {
	for _, tt := range zeroRTTRejections {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newEarlyBed(t, delayed())
				b.prime(t)
				tt.change(b)
				b.listen(t)
				testZeroRTTRejected(t, b)
			})
		})
	}
}

// rejectedStreams are streams of 0-RTT in different states.
type rejectedStreams struct {
	open, closed, reset, stopped *quic.Stream
	uni                          *quic.SendStream
	histories                    []*history
}

func openRejectedStreams(t *testing.T, c *quic.Conn) *rejectedStreams {
	t.Helper()
	r := &rejectedStreams{}
	for _, s := range []**quic.Stream{&r.open, &r.closed, &r.reset, &r.stopped} {
		var err error
		if *s, err = c.OpenStream(); err != nil {
			t.Fatal(err)
		}
		r.histories = append(r.histories, watch(*s))
		mustWrite(t, *s, "rejected")
	}
	var err error
	if r.uni, err = c.OpenUniStream(); err != nil {
		t.Fatal(err)
	}
	r.histories = append(r.histories, watch(r.uni))
	r.closed.Close()
	r.reset.CancelWrite(1)
	r.stopped.CancelRead(1)
	return r
}

func testZeroRTTRejected(t *testing.T, b *earlyBed) {
	c := b.dialEarly(t)
	if !isOpen(c.HandshakeComplete()) {
		t.Fatal("DialEarly has waited for the handshake")
	}
	old := openRejectedStreams(t, c)
	blocked := make(chan error, 2)
	go func() {
		_, err := old.open.Read(make([]byte, 1))
		blocked <- err
	}()
	go func() {
		_, err := c.AcceptStream(t.Context())
		blocked <- err
	}()
	s := b.accept(t)
	<-c.HandshakeComplete()
	for range 2 {
		if err := <-blocked; err != quic.Err0RTTRejected {
			t.Errorf("blocked call: %v, want %v", err, quic.Err0RTTRejected)
		}
	}
	for _, h := range old.histories {
		h.waitRetired(t)
		h.expectOrder(t, "rejected")
	}
	expectZeroRTTRejected(t, c, old)
	if _, err := c.NextConnection(t.Context()); err != nil {
		t.Fatalf("NextConnection: %v", err)
	}
	for _, conn := range []*quic.Conn{c, s} {
		if conn.ConnectionState().Used0RTT {
			t.Error("Used0RTT is set")
		}
	}
	expectUsableAfterRejection(t, c, s, old)
}

// expectUsableAfterRejection is called after NextConnection.
func expectUsableAfterRejection(t *testing.T, c, s *quic.Conn, old *rejectedStreams) {
	t.Helper()
	str, err := c.OpenStream()
	if err != nil {
		t.Fatalf("OpenStream: %v", err)
	}
	if str.StreamID() != old.open.StreamID() {
		t.Errorf("the first new stream is %d, want %d", str.StreamID(), old.open.StreamID())
	}
	mustWrite(t, str, "second")
	str.Close()
	in, err := s.AcceptStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	mustReadAll(t, in, "second")
	testTransfer(t, c, s, randomBytes(1, 100_000))
	testTransfer(t, s, c, randomBytes(2, 100_000))
	// The objects of before still answer for themselves, although there is another stream of the same ID.
	if st, err := old.open.SendState(); st != quic.SendStateAbandoned || err != quic.Err0RTTRejected {
		t.Errorf("SendState = %s, %v", st, err)
	}
	for _, h := range old.histories {
		if n := h.retired(); n != 1 {
			t.Errorf("the stream has retired %d times", n)
		}
	}
}

func expectZeroRTTRejected(t *testing.T, c *quic.Conn, old *rejectedStreams) {
	t.Helper()
	for _, s := range []*quic.Stream{old.open, old.closed, old.reset, old.stopped} {
		if st, err := s.SendState(); st != quic.SendStateAbandoned || err != quic.Err0RTTRejected {
			t.Errorf("stream %d: SendState = %s, %v", s.StreamID(), st, err)
		}
		if st, err := s.ReceiveState(); st != quic.ReceiveStateAbandoned || err != quic.Err0RTTRejected {
			t.Errorf("stream %d: ReceiveState = %s, %v", s.StreamID(), st, err)
		}
		if _, err := s.Write([]byte("x")); err != quic.Err0RTTRejected {
			t.Errorf("stream %d: Write: %v", s.StreamID(), err)
		}
		if _, err := s.Read(make([]byte, 1)); err != quic.Err0RTTRejected {
			t.Errorf("stream %d: Read: %v", s.StreamID(), err)
		}
		if err := context.Cause(s.Context()); err != quic.Err0RTTRejected {
			t.Errorf("stream %d: cause of the context: %v", s.StreamID(), err)
		}
	}
	if st, err := old.uni.SendState(); st != quic.SendStateAbandoned || err != quic.Err0RTTRejected {
		t.Errorf("unidirectional stream: SendState = %s, %v", st, err)
	}
	if _, err := c.OpenStream(); err != quic.Err0RTTRejected {
		t.Errorf("OpenStream: %v", err)
	}
	if _, err := c.OpenUniStreamSync(t.Context()); err != quic.Err0RTTRejected {
		t.Errorf("OpenUniStreamSync: %v", err)
	}
	if _, err := c.AcceptUniStream(t.Context()); err != quic.Err0RTTRejected {
		t.Errorf("AcceptUniStream: %v", err)
	}
	if err := context.Cause(c.Context()); err != nil {
		t.Errorf("the connection has ended: %v", err)
	}
	expectNoStreams(t, c)
}

// Without a ticket for 0-RTT DialEarly waits for the handshake, and nothing is rejected.
func TestDialEarlyWithoutZeroRTT(t *testing.T) {
	tests := []struct {
		name    string
		before  func(b *earlyBed) // the ticket is issued
		after   func(b *earlyBed)
		resumed bool
	}{
		{name: "no session", after: func(b *earlyBed) { b.clientTLS.ClientSessionCache = nil }},
		{name: "ticket without 0-RTT", before: func(b *earlyBed) { b.serverConfig.Allow0RTT = false }, resumed: true},
		{name: "other application protocol", after: func(b *earlyBed) {
			b.clientTLS.NextProtos = []string{"other"}
			b.serverTLS.NextProtos = []string{"other"}
		}, resumed: true},
		{name: "other application protocol and smaller limits", after: func(b *earlyBed) {
			b.clientTLS.NextProtos = []string{"other"}
			b.serverTLS.NextProtos = []string{"other"}
			b.serverConfig.InitialConnectionReceiveWindow = 1000
		}, resumed: true},
		{name: "other QUIC version", after: func(b *earlyBed) {
			b.clientConfig.Versions = []quic.Version{quic.Version2}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newEarlyBed(t, delayed())
				if tt.before != nil {
					tt.before(b)
				}
				b.prime(t)
				if tt.after != nil {
					tt.after(b)
				}
				b.listen(t)
				c := b.dialEarly(t)
				if isOpen(c.HandshakeComplete()) {
					t.Error("DialEarly has not waited for the handshake")
				}
				s := b.accept(t)
				if st := c.ConnectionState(); st.Used0RTT || st.TLS.DidResume != tt.resumed {
					t.Errorf("DidResume %t, Used0RTT %t, want %t, false", st.TLS.DidResume, st.Used0RTT, tt.resumed)
				}
				testTransfer(t, c, s, randomBytes(1, 10_000))
			})
		})
	}
}

// A client that does not want 0-RTT is not bound to the limits of before.
func TestResumptionWithSmallerLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newEarlyBed(t, delayed())
		b.prime(t)
		b.serverConfig.InitialConnectionReceiveWindow = 1000
		b.serverConfig.MaxIncomingStreams = 1
		b.listen(t)
		c, err := b.client.Dial(t.Context(), b.addr(), b.clientTLS, b.clientConfig)
		if err != nil {
			t.Fatal(err)
		}
		testTransfer(t, c, b.accept(t), randomBytes(1, 10_000))
	})
}

// NextConnection ends with the context of the caller and with the connection.
func TestNextConnectionEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newEarlyBed(t, delayed())
		b.prime(t)
		b.net.SetDown(netsim.Direction{Loss: 1})
		c := b.dialEarly(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := c.NextConnection(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("NextConnection: %v, want %v", err, context.Canceled)
		}
		if _, err := c.NextConnection(t.Context()); !errors.Is(err, &quic.IdleTimeoutError{}) {
			t.Errorf("NextConnection: %v, want an idle timeout", err)
		}
	})
}

// A ticket is good for several connections, as it may have to be where a client makes some at the same time.
func TestZeroRTTWithTheSameTicket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newEarlyBed(t, delayed())
		b.prime(t)
		b.clientTLS.ClientSessionCache = &frozenCache{ClientSessionCache: b.clientTLS.ClientSessionCache}
		for i := range 3 {
			c := b.dialEarly(t)
			s := b.accept(t)
			<-c.HandshakeComplete()
			if !s.ConnectionState().Used0RTT {
				t.Errorf("connection %d: 0-RTT was not used", i+1)
			}
			c.CloseWithError(0, "")
		}
	})
}

// A frozenCache stores nothing.
type frozenCache struct{ tls.ClientSessionCache }

func (*frozenCache) Put(string, *tls.ClientSessionState) {}

// A server that has used up what it may send to an unvalidated address waits, with an acknowledgement that is due, until it hears
// from the client. It does not spin.
func TestZeroRTTAnswerAtAmplificationLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newEarlyBed(t, delayed())
		b.serverConfig.HandshakeIdleTimeout = time.Minute // the client's probes after the black hole may be seconds apart
		b.prime(t)
		now := b.net.Elapsed()
		b.net.SetUp(netsim.Direction{
			Delay:      10 * time.Millisecond,
			BlackHoles: []netsim.Window{{Start: now + 15*time.Millisecond, End: now + 3*time.Second}},
		})
		answer := randomBytes(1, 100_000)
		c := b.dialEarly(t)
		str, err := c.OpenStream()
		if err != nil {
			t.Fatal(err)
		}
		mustWrite(t, str, "request")
		time.Sleep(12 * time.Millisecond)
		mustWrite(t, str, "more") // its acknowledgement will wait
		str.Close()
		s := b.accept(t)
		in, err := s.AcceptStream(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			in.Write(answer)
			in.Close()
		}()
		time.Sleep(2 * time.Second)
		if up, down := b.net.UpStats(), b.net.DownStats(); up.BlackHoled == 0 || !isOpen(s.HandshakeComplete()) {
			t.Errorf("%+v, %+v: the handshake is complete: %t", up, down, !isOpen(s.HandshakeComplete()))
		}
		mustReadAll(t, str, string(answer))
		mustReadAll(t, in, "requestmore")
	})
}
