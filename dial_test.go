package quic_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	quic "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/internal/testcert"
	"github.com/quic-go/quic-go/testutils/simnet"
)

// A site is a network without delay for any number of Transports.
type site struct {
	t      *testing.T
	router simnet.PerfectRouter
	addr   *net.UDPAddr // of the server
	hosts  byte
}

func newSite(t *testing.T) *site {
	return &site{t: t, addr: &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 443}}
}

// transport completes tr with a socket at addr; nil is a new one. It is closed at the end of the test.
func (s *site) transport(addr *net.UDPAddr, tr *quic.Transport) *quic.Transport {
	if addr == nil {
		s.hosts++
		addr = &net.UDPAddr{IP: net.IPv4(198, 51, 100, s.hosts), Port: 1000}
	}
	conn := simnet.NewSimConn(addr, &s.router)
	tr.Conn = conn
	s.t.Cleanup(func() {
		tr.Close()
		conn.Close()
		synctest.Wait()
	})
	return tr
}

// listen starts a server.
func (s *site) listen(tr *quic.Transport, conf *quic.Config) *quic.Listener {
	s.t.Helper()
	l, err := s.transport(s.addr, tr).Listen(testcert.ServerConfig("test"), conf)
	if err != nil {
		s.t.Fatal(err)
	}
	return l
}

// dial connects from a new address.
func (s *site) dial(conf *quic.Config) (*quic.Conn, error) {
	return s.transport(nil, &quic.Transport{}).Dial(s.t.Context(), s.addr, testcert.ClientConfig("test"), conf)
}

func (s *site) mustDial(conf *quic.Config) *quic.Conn {
	s.t.Helper()
	c, err := s.dial(conf)
	if err != nil {
		s.t.Fatalf("Dial: %v", err)
	}
	return c
}

func (s *site) mustAccept(l *quic.Listener) *quic.Conn {
	s.t.Helper()
	c, err := l.Accept(s.t.Context())
	if err != nil {
		s.t.Fatalf("Accept: %v", err)
	}
	return c
}

// wantEnd waits for the end of a connection, which must be because of want.
func wantEnd(t *testing.T, c *quic.Conn, want error) {
	t.Helper()
	<-c.Context().Done()
	if got := context.Cause(c.Context()); !errors.Is(got, want) {
		t.Errorf("the connection ends with %v, want %v", got, want)
	}
}

func TestDialNegotiatesVersion(t *testing.T) {
	for _, tc := range []struct {
		client, server []quic.Version
		want           quic.Version
	}{
		{nil, nil, quic.Version1},
		{[]quic.Version{quic.Version2}, nil, quic.Version2},
		{[]quic.Version{quic.Version2, quic.Version1}, []quic.Version{quic.Version1}, quic.Version1},
		{[]quic.Version{quic.Version1, quic.Version2}, []quic.Version{quic.Version2}, quic.Version2},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t)
			l := s.listen(&quic.Transport{}, &quic.Config{Versions: tc.server})
			c := s.mustDial(&quic.Config{Versions: tc.client})
			accepted := s.mustAccept(l)
			if a, b := c.ConnectionState().Version, accepted.ConnectionState().Version; a != tc.want || b != tc.want {
				t.Errorf("client %v, server %v: %v and %v, want %v", tc.client, tc.server, a, b, tc.want)
			}
			testTransfer(t, c, accepted, []byte("data"))
		})
	}
}

// T-008.
func TestDialWithoutCommonVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.listen(&quic.Transport{}, &quic.Config{Versions: []quic.Version{quic.Version1}})
		_, err := s.dial(&quic.Config{Versions: []quic.Version{quic.Version2}})
		vn, ok := errors.AsType[*quic.VersionNegotiationError](err)
		if !ok || len(vn.Ours) != 1 || vn.Ours[0] != quic.Version2 || len(vn.Theirs) != 2 {
			t.Errorf("Dial = %v, want a VersionNegotiationError", err)
		}
	})
}

// A Dial on a bare socket survives a Version Negotiation packet, too: both connections are without connection ID.
func TestDialOnSocketNegotiatesVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.listen(&quic.Transport{}, &quic.Config{Versions: []quic.Version{quic.Version1}})
		conn := simnet.NewSimConn(&net.UDPAddr{IP: net.IPv4(198, 51, 100, 1), Port: 1}, &s.router)
		defer conn.Close()
		conf := &quic.Config{Versions: []quic.Version{quic.Version2, quic.Version1}}
		for range 3 {
			c, err := quic.Dial(t.Context(), conn, s.addr, testcert.ClientConfig("test"), conf)
			if err != nil {
				t.Fatal(err)
			}
			c.CloseWithError(0, "")
			if _, err := conn.WriteTo([]byte("x"), conn.LocalAddr()); err != nil {
				t.Fatalf("the socket is closed: %v", err)
			}
			wantReader(t, conn)
		}
	})
}

// wantReader fails the test if somebody else has read the datagram that conn has sent to itself.
func wantReader(t *testing.T, conn net.PacketConn) {
	t.Helper()
	for {
		n, from, err := conn.ReadFrom(make([]byte, 10))
		if err != nil {
			t.Fatalf("ReadFrom = %v: somebody else still reads", err)
		}
		if n == 1 && from.String() == conn.LocalAddr().String() {
			return
		}
	}
}

func TestRetryHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var infos []quic.ClientInfo
		retries := 0
		s := newSite(t)
		l := s.listen(&quic.Transport{
			VerifySourceAddress: func(net.Addr) bool { retries++; return true },
			ConnContext: func(ctx context.Context, info *quic.ClientInfo) (context.Context, error) {
				infos = append(infos, *info)
				return ctx, nil
			},
		}, nil)
		store := quic.NewLRUTokenStore(1, 4)
		tr := s.transport(nil, &quic.Transport{})
		for i := range 3 {
			c, err := tr.Dial(t.Context(), s.addr, testcert.ClientConfig("test"), &quic.Config{TokenStore: store})
			if err != nil {
				t.Fatal(err)
			}
			accepted := s.mustAccept(l)
			testTransfer(t, accepted, c, []byte("data"))
			time.Sleep(time.Second)
			c.CloseWithError(0, "")
			// One for each datagram of the ClientHello; later there is a token of a NEW_TOKEN frame.
			if i == 0 && retries == 0 || i > 0 && retries > 0 {
				t.Errorf("%d Retries for connection %d, want some for the first only", retries, i)
			}
			retries = 0
		}
		if len(infos) != 3 {
			t.Errorf("%d connections, want 3", len(infos))
		}
		for _, info := range infos {
			if !info.AddrVerified {
				t.Error("the address is not verified")
			}
		}
	})
}

func TestRefusedByServer(t *testing.T) {
	errNo := errors.New("no")
	refused := &quic.TransportError{ErrorCode: quic.ConnectionRefused, Remote: true}
	for _, tc := range []struct {
		name string
		tr   *quic.Transport
		conf *quic.Config
	}{
		{"GetConfigForClient", &quic.Transport{}, &quic.Config{
			GetConfigForClient: func(*quic.ClientInfo) (*quic.Config, error) { return nil, errNo },
		}},
		{"ConnContext", &quic.Transport{
			ConnContext: func(context.Context, *quic.ClientInfo) (context.Context, error) { return nil, errNo },
		}, nil},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t)
			s.listen(tc.tr, tc.conf)
			if _, err := s.dial(nil); !errors.Is(err, refused) || err.Error() != "CONNECTION_REFUSED (remote)" {
				t.Errorf("%s: Dial = %v, want %v", tc.name, err, refused)
			}
		})
	}
}

func TestAcceptQueueOverflow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		l := s.listen(&quic.Transport{}, nil)
		for range 32 {
			s.mustDial(nil)
			synctest.Wait() // until the server's handshake is complete, too
		}
		c, err := s.dial(nil)
		if err == nil {
			<-c.Context().Done()
			err = context.Cause(c.Context())
		}
		if want := (&quic.TransportError{ErrorCode: quic.ConnectionRefused, Remote: true}); !errors.Is(err, want) {
			t.Errorf("connection 33: %v, want %v", err, want)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		for range 32 {
			if c := s.mustAccept(l); c.Context().Err() != nil {
				t.Errorf("a queued connection ends with the listener: %v", context.Cause(c.Context()))
			}
		}
		if _, err := l.Accept(t.Context()); !errors.Is(err, quic.ErrServerClosed) {
			t.Errorf("Accept = %v, want %v", err, quic.ErrServerClosed)
		}
	})
}

func TestListenerCloseLeavesConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		conn := simnet.NewSimConn(s.addr, &s.router)
		defer conn.Close()
		l, err := quic.Listen(conn, testcert.ServerConfig("test"), nil)
		if err != nil {
			t.Fatal(err)
		}
		c := s.mustDial(nil)
		accepted := s.mustAccept(l)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		testTransfer(t, c, accepted, []byte("data"))
		testTransfer(t, accepted, c, []byte("data"))
		if _, err := s.dial(nil); !errors.Is(err, &quic.IdleTimeoutError{}) {
			t.Errorf("Dial to a closed listener = %v, want %v", err, &quic.IdleTimeoutError{})
		}
		accepted.CloseWithError(1, "")
		wantEnd(t, c, &quic.ApplicationError{ErrorCode: 1, Remote: true})
		if _, err := conn.WriteTo([]byte("x"), s.addr); err != nil {
			t.Fatal(err)
		}
		wantReader(t, conn)
	})
}

func TestTransportCloseEndsConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		server := &quic.Transport{}
		l := s.listen(server, nil)
		c := s.mustDial(&quic.Config{MaxIdleTimeout: 8 * time.Second})
		accepted := s.mustAccept(l)
		queued := s.mustDial(nil)
		server.Close()
		if _, err := accepted.OpenStream(); !errors.Is(err, quic.ErrTransportClosed) {
			t.Errorf("OpenStream = %v, want %v", err, quic.ErrTransportClosed)
		}
		wantEnd(t, accepted, quic.ErrTransportClosed)
		start := time.Now()
		wantEnd(t, c, &quic.IdleTimeoutError{}) // nobody has told it
		if d := time.Since(start); d < 7*time.Second {
			t.Errorf("the peer's connection ends after %v, want an idle timeout", d)
		}
		wantEnd(t, queued, &quic.IdleTimeoutError{})
	})
}

func TestSocketErrorEndsConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		l := s.listen(&quic.Transport{}, nil)
		tr := s.transport(nil, &quic.Transport{})
		a, err := tr.Dial(t.Context(), s.addr, testcert.ClientConfig("test"), nil)
		if err != nil {
			t.Fatal(err)
		}
		s.mustAccept(l)
		tr.Conn.Close()
		wantEnd(t, a, quic.ErrTransportClosed)
		wantEnd(t, a, net.ErrClosed)
		err = context.Cause(a.Context())
		if !strings.HasPrefix(err.Error(), "quic: transport closed: ") {
			t.Errorf("the connection ends with %v, want the cause", err)
		}
		if _, got := tr.Dial(t.Context(), s.addr, testcert.ClientConfig("test"), nil); got != err {
			t.Errorf("Dial = %v, want %v", got, err)
		}
	})
}

func TestDialEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		simnet.NewSimConn(s.addr, &s.router) // silence
		tr := s.transport(nil, &quic.Transport{})
		cause := errors.New("my cause")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(cause) })
		if _, err := tr.Dial(ctx, s.addr, testcert.ClientConfig("test"), nil); err != cause {
			t.Errorf("Dial = %v, want %v", err, cause)
		}
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		if _, err := tr.DialEarly(ctx, s.addr, testcert.ClientConfig("test"), nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("DialEarly = %v, want %v", err, context.DeadlineExceeded)
		}
	})
}

// The context of Dial is for Dial alone.
func TestConnectionOutlivesContextOfDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		l := s.listen(&quic.Transport{}, nil)
		type key struct{}
		ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
		c, err := s.transport(nil, &quic.Transport{}).Dial(ctx, s.addr, testcert.ClientConfig("test"), nil)
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		synctest.Wait()
		testTransfer(t, c, s.mustAccept(l), []byte("data"))
		if got := c.Context().Value(key{}); got != "value" {
			t.Errorf("value = %v, want that of the context of Dial", got)
		}
	})
}

// A-50, S-19: the client of a server that has restarted learns of it within a round trip.
func TestStatelessResetAfterRestart(t *testing.T) {
	for _, withKey := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t)
			var key *quic.StatelessResetKey
			if withKey {
				key = &quic.StatelessResetKey{1}
			}
			first := &quic.Transport{StatelessResetKey: key}
			l := s.listen(first, nil)
			c := s.mustDial(&quic.Config{MaxIdleTimeout: 10 * time.Second})
			s.mustAccept(l)
			time.Sleep(time.Second)
			first.Close()
			s.listen(&quic.Transport{StatelessResetKey: key}, nil)
			str, err := c.OpenStream()
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			str.Write([]byte("data that is long enough to be answered"))
			if withKey {
				wantEnd(t, c, &quic.StatelessResetError{})
				if d := time.Since(start); d > time.Second {
					t.Errorf("it takes %v, want one round trip", d)
				}
				return
			}
			wantEnd(t, c, &quic.IdleTimeoutError{})
		})
	}
}

func TestDialAddr(t *testing.T) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	l, err := quic.Listen(conn, testcert.ServerConfig("test"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	tlsConf := testcert.ClientConfig("test")
	tlsConf.ServerName = ""
	for _, dial := range []func(context.Context, string, *tls.Config, *quic.Config) (*quic.Conn, error){quic.DialAddr, quic.DialAddrEarly} {
		c, err := dial(t.Context(), l.Addr().String(), tlsConf, nil)
		if err != nil {
			t.Fatal(err)
		}
		accepted, err := l.Accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		testTransfer(t, accepted, c, []byte("data"))
		if got := accepted.ConnectionState().TLS.ServerName; got != "" {
			t.Errorf("the server sees the name %q, want none for an address", got)
		}
		local := c.LocalAddr().(*net.UDPAddr)
		c.CloseWithError(0, "")
		again, err := net.ListenUDP("udp", &net.UDPAddr{Port: local.Port})
		if err != nil {
			t.Errorf("the socket is open after the end: %v", err)
			continue
		}
		again.Close()
	}
}

// S-36: Close of everything in every order.
func TestCloseInEveryOrder(t *testing.T) {
	orders := [][]int{
		{0, 1, 2, 3}, {0, 1, 3, 2}, {1, 0, 2, 3}, {2, 1, 0, 3}, {3, 2, 1, 0}, {3, 0, 1, 2}, {2, 3, 0, 1}, {1, 3, 2, 0},
	}
	for _, concurrently := range []bool{false, true} {
		for _, order := range orders {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t)
				server, client := &quic.Transport{}, s.transport(nil, &quic.Transport{})
				l := s.listen(server, nil)
				c, err := client.Dial(t.Context(), s.addr, testcert.ClientConfig("test"), nil)
				if err != nil {
					t.Fatal(err)
				}
				accepted := s.mustAccept(l)
				var wg sync.WaitGroup
				wg.Go(func() { l.Accept(t.Context()) })
				wg.Go(func() { accepted.AcceptStream(t.Context()) })
				wg.Go(func() { client.Dial(t.Context(), s.addr, testcert.ClientConfig("test"), nil) })
				closers := []func(){
					func() { l.Close() }, func() { server.Close() }, func() { client.Close() }, func() { c.CloseWithError(0, "") },
				}
				for _, i := range order {
					if concurrently {
						wg.Go(closers[i])
					} else {
						closers[i]()
					}
				}
				wg.Wait()
				<-c.Context().Done()
				<-accepted.Context().Done()
			})
		}
	}
}

// S-30 in short: nothing is left of connections that are over.
func TestManyConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		var verify atomic.Bool // by a Retry
		server := &quic.Transport{VerifySourceAddress: func(net.Addr) bool { return verify.Load() }}
		l := s.listen(server, nil)
		tr := s.transport(nil, &quic.Transport{})
		for i := range 200 {
			verify.Store(i%2 == 1)
			c, err := tr.Dial(t.Context(), s.addr, testcert.ClientConfig("test"), nil)
			if err != nil {
				t.Fatal(err)
			}
			accepted := s.mustAccept(l)
			str, err := c.OpenUniStream()
			if err != nil {
				t.Fatal(err)
			}
			str.Write([]byte("data"))
			str.Close()
			got, err := accepted.AcceptUniStream(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if b, err := io.ReadAll(got); string(b) != "data" || err != nil {
				t.Fatalf("ReadAll = %q, %v, want data", b, err)
			}
			c.CloseWithError(0, "")
			wantEnd(t, accepted, &quic.ApplicationError{Remote: true})
		}
		time.Sleep(time.Minute)
		for _, tr := range []*quic.Transport{tr, server} {
			if ids, closed := quic.TableSizes(tr); ids != 0 || closed != 0 {
				t.Errorf("%d connection IDs and %d connections are left, want none", ids, closed)
			}
		}
	})
}
