package quic_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	quic "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/internal/netsim"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/wire"
)

const v1, v2 = quic.Version1, quic.Version2

// A versionLog notes the long headers that either side sends.
type versionLog struct {
	mu  sync.Mutex
	log []sentHeader
}

type sentHeader struct {
	client  bool
	typ     protocol.PacketType
	version protocol.Version
}

func (l *versionLog) hook(_ time.Time, from, _ net.Addr, data []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	client := from.(*net.UDPAddr).IP.Equal(net.IPv4(192, 0, 2, 1))
	for len(data) > 0 && wire.IsLongHeader(data[0]) {
		if wire.IsVersionNegotiation(data) {
			l.log = append(l.log, sentHeader{client, protocol.PacketTypeVersionNegotiation, 0})
			return
		}
		h, err := wire.ParseLongHeader(data)
		if err != nil && !errors.Is(err, wire.ErrFixedBit) {
			return
		}
		l.log = append(l.log, sentHeader{client, h.Type, h.Version})
		data = data[h.PacketLen:]
		if h.Type == protocol.PacketTypeRetry {
			return
		}
	}
}

// versions returns the versions of the packets of one kind, each once, in the order in which they appeared.
func (l *versionLog) versions(client bool, typ protocol.PacketType) (vs []protocol.Version) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, h := range l.log {
		if h.client == client && h.typ == typ && !slices.Contains(vs, h.version) {
			vs = append(vs, h.version)
		}
	}
	return vs
}

func (l *versionLog) expect(t *testing.T, client bool, typ protocol.PacketType, want ...protocol.Version) {
	t.Helper()
	if got := l.versions(client, typ); !slices.Equal(got, want) {
		t.Errorf("%s packets, of the client %t: versions %s, want %s", typ, client, got, want)
	}
}

type versionCase struct {
	client, server []quic.Version
	want           quic.Version
	negotiation    bool // takes a Version Negotiation packet
}

func (c versionCase) String() string { return fmt.Sprintf("client %s server %s", c.client, c.server) }

// original returns the version of the client's first flight that the server understands.
func (c versionCase) original() quic.Version {
	client := c.client
	if client == nil {
		client = quic.SupportedVersions()
	}
	for _, v := range client {
		if len(c.server) == 0 || slices.Contains(c.server, v) {
			return v
		}
	}
	return 0
}

var versionNegotiations = []versionCase{
	{want: v1},
	{client: []quic.Version{v2}, want: v2},
	{client: []quic.Version{v2, v1}, want: v2},
	{client: []quic.Version{v1, v2}, server: []quic.Version{v2, v1}, want: v2},
	{client: []quic.Version{v2, v1}, server: []quic.Version{v1, v2}, want: v1},
	{client: []quic.Version{v1}, server: []quic.Version{v2, v1}, want: v1},
	{client: []quic.Version{v2}, server: []quic.Version{v1, v2}, want: v2},
	{client: []quic.Version{v1, v2}, server: []quic.Version{v1, v2}, want: v1},
	{client: []quic.Version{v1, v2}, server: []quic.Version{v2}, want: v2, negotiation: true},
	{client: []quic.Version{v2, v1}, server: []quic.Version{v1}, want: v1, negotiation: true},
}

func TestVersionNegotiations(t *testing.T) {
	for _, tt := range versionNegotiations {
		for _, retry := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s retry %t", tt, retry), func(t *testing.T) {
				inSetup(t, func(t *testing.T, s *setup) { testVersionNegotiation(t, s, tt, retry) })
			})
		}
	}
}

func testVersionNegotiation(t *testing.T, s *setup, tt versionCase, retry bool) {
	var log versionLog
	s.net.OnSent = log.hook
	s.clientConfig.Versions, s.serverConfig.Versions = tt.client, tt.server
	s.serverTransport = func(tr *quic.Transport) { tr.VerifySourceAddress = func(net.Addr) bool { return retry } }
	c, server, err := s.dial(t)
	if err != nil {
		t.Fatal(err)
	}
	for _, conn := range []*quic.Conn{c, server} {
		if got := conn.ConnectionState().Version; got != tt.want {
			t.Errorf("version %s, want %s", got, tt.want)
		}
	}
	testTransfer(t, c, server, randomBytes(1, 100_000))
	testTransfer(t, server, c, randomBytes(2, 100_000))
	if got := len(log.versions(false, protocol.PacketTypeVersionNegotiation)) > 0; got != tt.negotiation {
		t.Errorf("Version Negotiation packet: %t, want %t", got, tt.negotiation)
	}
	if retry {
		log.expect(t, false, protocol.PacketTypeRetry, tt.original())
	}
	// RFC 9369, Section 4.1: "Both endpoints MUST send Handshake and 1-RTT packets using the negotiated version."
	log.expect(t, true, protocol.PacketTypeHandshake, tt.want)
	log.expect(t, false, protocol.PacketTypeHandshake, tt.want)
	if got := log.versions(false, protocol.PacketTypeInitial); got[len(got)-1] != tt.want {
		t.Errorf("Initials of the server have version %s at last, want %s", got[len(got)-1], tt.want)
	}
}

// Whatever is lost or comes late, client and server agree.
func TestCompatibleVersionsUnderLoss(t *testing.T) {
	for n := 1; n <= 6; n++ {
		for _, d := range []netsim.Options{
			{Up: netsim.Direction{DropNth: []int{n}}},
			{Down: netsim.Direction{DropNth: []int{n}}},
			{Up: netsim.Direction{DropNth: []int{n, n + 1}}, Down: netsim.Direction{DropNth: []int{n}}},
			{Up: netsim.Direction{Reorder: 0.5}, Down: netsim.Direction{Reorder: 0.5}},
			{Up: netsim.Direction{Duplicate: 1}, Down: netsim.Direction{Duplicate: 1, Reorder: 0.3}},
		} {
			synctest.Test(t, func(t *testing.T) {
				d.Up.Delay, d.Down.Delay = 10*time.Millisecond, 10*time.Millisecond
				p := newPair(t, pairOptions{
					seed: uint64(n), net: d,
					client: &quic.Config{Versions: []quic.Version{v1, v2}}, server: &quic.Config{Versions: []quic.Version{v2, v1}},
				})
				if c, s := p.client.ConnectionState().Version, p.server.ConnectionState().Version; c != v2 || s != v2 {
					t.Errorf("versions %s and %s, want v2", c, s)
				}
				testTransfer(t, p.client, p.server, []byte("after all"))
			})
		}
	}
}

// A server that asks for another key share sends CRYPTO frames before it knows what the client offers, and so has to stay
// with the client's version.
func TestHelloRetryRequestKeepsVersion(t *testing.T) {
	inSetup(t, func(t *testing.T, s *setup) {
		s.clientTLS.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP384}
		s.serverTLS.CurvePreferences = []tls.CurveID{tls.CurveP384}
		testVersionNegotiation(t, s, versionCase{
			client: []quic.Version{v1, v2}, server: []quic.Version{v2, v1}, want: v1,
		}, false)
	})
}

// GetConfigForClient chooses the versions like the rest of the Config.
func TestVersionsOfConfigForClient(t *testing.T) {
	for _, want := range []quic.Version{v1, v2} {
		inSetup(t, func(t *testing.T, s *setup) {
			s.serverConfig.GetConfigForClient = func(*quic.ClientInfo) (*quic.Config, error) {
				return &quic.Config{Versions: []quic.Version{want, v1, v2}}, nil
			}
			c, _, err := s.dial(t)
			if err != nil {
				t.Fatal(err)
			}
			if got := c.ConnectionState().Version; got != want {
				t.Errorf("version %s, want %s", got, want)
			}
		})
	}
}

// RFC 9369, Section 4.1: "Servers can accept 0-RTT and then process 0-RTT packets from the original version."
func TestZeroRTTWithCompatibleVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log versionLog
		o := delayed()
		o.OnSent = log.hook
		b := newEarlyBed(t, o)
		b.prime(t)
		b.serverConfig.Versions = []quic.Version{v2, v1}
		b.listen(t)
		// The client learns of the switch but gets no 1-RTT keys for some time.
		down := o.Down
		down.DropNth = []int{b.net.DownStats().Sent + 2}
		b.net.SetDown(down)
		start := time.Now()
		c := b.dialEarly(t)
		write := func() {
			str, err := c.OpenUniStream()
			if err != nil {
				t.Fatal(err)
			}
			mustWrite(t, str, "early")
			str.Close()
		}
		read := func(s *quic.Conn, by time.Duration) {
			r, err := s.AcceptUniStream(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(r); err != nil || string(got) != "early" || time.Since(start) > by {
				t.Errorf("got %q, %v after %s, want it by %s", got, err, time.Since(start), by)
			}
		}
		write()
		s := b.accept(t)
		read(s, 15*time.Millisecond)
		time.Sleep(15 * time.Millisecond)
		write()
		read(s, 40*time.Millisecond)
		if !isOpen(c.HandshakeComplete()) {
			t.Error("nothing of the handshake was lost")
		}
		<-c.HandshakeComplete()
		for _, conn := range []*quic.Conn{c, s} {
			if st := conn.ConnectionState(); !st.Used0RTT || st.Version != v2 {
				t.Errorf("Used0RTT %t, version %s, want true, v2", st.Used0RTT, st.Version)
			}
		}
		log.expect(t, true, protocol.PacketType0RTT, v1)
	})
}

// RFC 9369, Section 5: "After compatible version negotiation, any resulting session ticket maps to the negotiated version
// rather than the original one." The same goes for the tokens of NEW_TOKEN frames.
func TestSessionsAndTokensAreOfTheNegotiatedVersion(t *testing.T) {
	for _, again := range []struct {
		versions []quic.Version
		resumes  bool
	}{{[]quic.Version{v1, v2}, false}, {[]quic.Version{v2, v1}, true}} {
		inSetup(t, func(t *testing.T, s *setup) {
			check := &addressCheck{}
			check.install(s)
			s.clientTLS.ClientSessionCache = tls.NewLRUClientSessionCache(10)
			s.clientConfig.TokenStore = quic.NewLRUTokenStore(1, 5)
			s.clientConfig.Versions = []quic.Version{v1, v2}
			s.serverConfig.Versions = []quic.Version{v2, v1}
			tr, l := s.listen(t)
			dial := func() *quic.Conn {
				c, err := tr.Dial(t.Context(), l.Addr(), s.clientTLS, s.clientConfig)
				if err != nil {
					t.Fatal(err)
				}
				settle() // the ticket and the token arrive
				return c
			}
			dial().CloseWithError(0, "")
			asked := check.asked
			s.clientConfig.Versions = again.versions
			st := dial().ConnectionState()
			if st.Version != v2 || st.TLS.DidResume != again.resumes || (check.asked == asked) != again.resumes {
				t.Errorf("client %s: version %s, resumed %t, Retry %t", again.versions, st.Version, st.TLS.DidResume, check.asked > asked)
			}
		})
	}
}

// A Version Negotiation packet about which the server knows nothing.
func TestForgedVersionNegotiation(t *testing.T) {
	for _, tt := range []struct {
		name   string
		server []quic.Version
	}{{"the server speaks both versions", nil}, {"the server prefers the other version", []quic.Version{v1, v2}}} {
		t.Run(tt.name, func(t *testing.T) {
			inSetup(t, func(t *testing.T, s *setup) {
				s.clientConfig.Versions, s.serverConfig.Versions = []quic.Version{v2, v1}, tt.server
				client, server, n := netsim.Pair(1, s.net)
				defer n.Close()
				forger := &forger{PacketConn: client}
				clientTr, serverTr := &quic.Transport{Conn: forger}, &quic.Transport{Conn: server}
				defer clientTr.Close()
				defer serverTr.Close()
				l, err := serverTr.Listen(s.serverTLS, s.serverConfig)
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				_, err = clientTr.Dial(ctx, l.Addr(), s.clientTLS, s.clientConfig)
				if want := (&quic.TransportError{ErrorCode: 0x11}); !errors.Is(err, want) {
					t.Errorf("Dial: %v, want %v", err, want)
				}
			})
		})
	}
}

// A forger answers the first datagram that is written with a Version Negotiation packet that offers version 1.
type forger struct {
	net.PacketConn
	once   sync.Once
	answer []byte
	from   net.Addr
}

func (f *forger) WriteTo(b []byte, to net.Addr) (int, error) {
	forged := false
	f.once.Do(func() {
		_, dst, src, _, err := wire.ParseInvariantHeader(b)
		if err == nil {
			f.answer, f.from, forged = wire.AppendVersionNegotiation(nil, src, dst, []protocol.Version{protocol.Version1}), to, true
		}
	})
	if forged {
		return f.PacketConn.WriteTo([]byte("something to read"), f.PacketConn.LocalAddr())
	}
	return f.PacketConn.WriteTo(b, to)
}

func (f *forger) ReadFrom(b []byte) (int, net.Addr, error) {
	n, addr, err := f.PacketConn.ReadFrom(b)
	if string(b[:n]) == "something to read" {
		return copy(b, f.answer), f.from, nil
	}
	return n, addr, err
}
