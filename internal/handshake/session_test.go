package handshake

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
)

// A resumption is what two connections that share their configs need.
type resumption struct{ client, server Params }

func newResumption() *resumption {
	c := clientTLS()
	c.ClientSessionCache = tls.NewLRUClientSessionCache(4)
	r := &resumption{client: clientParams(c), server: serverParams(serverTLS())}
	r.client.EnableEarlyData = true
	r.server.EnableEarlyData = true
	r.server.TicketData = func() []byte { return []byte("ticket data") }
	r.server.AcceptEarlyData = func(data []byte) bool { return string(data) == "ticket data" }
	return r
}

// first makes the connection that yields a session.
func (r *resumption) first(t *testing.T) *pair {
	t.Helper()
	p := newPair(t, r.client, r.server)
	p.connect()
	p.client.StoreTicketData([]byte("remembered"))
	p.sendTicket()
	return p
}

// checkEarlyData checks what became of 0-RTT on a resumed connection.
func checkEarlyData(t *testing.T, p *pair, offered, accepted bool) {
	t.Helper()
	for _, s := range []*side{p.client, p.server} {
		if !s.ConnectionState().DidResume {
			t.Errorf("%s: DidResume = false, want true", s.p.Perspective)
		}
	}
	if got := p.client.secret(EventWriteKeys, protocol.Encryption0RTT) != nil; got != offered {
		t.Errorf("client has 0-RTT keys: %t, want %t", got, offered)
	}
	if got := p.server.secret(EventReadKeys, protocol.Encryption0RTT) != nil; got != accepted {
		t.Errorf("server has 0-RTT keys: %t, want %t", got, accepted)
	}
	if got, want := p.client.has(EventEarlyDataRejected), offered && !accepted; got != want {
		t.Errorf("rejection reported: %t, want %t", got, want)
	}
}

func TestEarlyDataAccepted(t *testing.T) {
	r := newResumption()
	r.first(t)
	p := connected(t, r.client, r.server)
	checkEarlyData(t, p, true, true)
	w, s := p.client.secret(EventWriteKeys, protocol.Encryption0RTT), p.server.secret(EventReadKeys, protocol.Encryption0RTT)
	wantEqual(t, "0-RTT secret", w, s)
	restored := p.client.find(EventSessionRestored)
	if len(restored) != 1 {
		t.Fatalf("%d restored sessions, want 1", len(restored))
	}
	wantEqual(t, "remembered data", restored[0].Data, []byte("remembered"))
	for _, e := range p.client.events {
		if e.Kind == EventSessionRestored {
			break
		}
		if e.Kind == EventWriteKeys {
			t.Error("0-RTT keys before the remembered data")
		}
	}
}

func TestEarlyDataNotAccepted(t *testing.T) {
	for _, tc := range []struct {
		name    string
		change  func(r *resumption)
		offered bool
	}{
		{
			name:    "AcceptEarlyData declines",
			change:  func(r *resumption) { r.server.AcceptEarlyData = func([]byte) bool { return false } },
			offered: true,
		},
		{
			name:    "server without AcceptEarlyData",
			change:  func(r *resumption) { r.server.AcceptEarlyData = nil },
			offered: true,
		},
		{
			name:    "server without 0-RTT",
			change:  func(r *resumption) { r.server.EnableEarlyData = false },
			offered: true,
		},
		{
			name:   "client without 0-RTT",
			change: func(r *resumption) { r.client.EnableEarlyData = false },
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newResumption()
			r.first(t)
			tc.change(r)
			p := connected(t, r.client, r.server)
			checkEarlyData(t, p, tc.offered, false)
			checkSecrets(t, p, protocol.Encryption1RTT)
		})
	}
}

// A server that always sends HelloRetryRequest could only reject 0-RTT.
func TestNoEarlyDataAfterHelloRetryRequest(t *testing.T) {
	r := newResumption()
	r.server.TLS.CurvePreferences = []tls.CurveID{tls.CurveP521}
	r.first(t)
	p := connected(t, r.client, r.server)
	checkEarlyData(t, p, false, false)
	if !p.client.ConnectionState().HelloRetryRequest {
		t.Error("HelloRetryRequest = false, want true")
	}
}

func TestHelloRetryRequestForTheFirstTimeOnResumption(t *testing.T) {
	t.Run("without 0-RTT", func(t *testing.T) {
		r := newResumption()
		r.client.EnableEarlyData = false
		r.first(t)
		r.server.TLS.CurvePreferences = []tls.CurveID{tls.CurveP521}
		checkEarlyData(t, connected(t, r.client, r.server), false, false)
	})
	t.Run("with 0-RTT", func(t *testing.T) {
		r := newResumption()
		r.first(t)
		r.server.TLS.CurvePreferences = []tls.CurveID{tls.CurveP521}
		p := newPair(t, r.client, r.server)
		p.start()
		p.run()
		if !p.client.has(EventEarlyDataRejected) {
			t.Error("the client does not know that 0-RTT was rejected")
		}
		// What storeSession says of crypto/tls. Without that fault the handshake must succeed.
		if p.server.err != nil {
			wantCode(t, "server", p.server.err, 0x133)
			return
		}
		checkEarlyData(t, p, true, false)
	})
}

func TestServerThatNeverAllowedEarlyData(t *testing.T) {
	r := newResumption()
	r.server.EnableEarlyData = false
	r.first(t)
	r.server.EnableEarlyData = true
	checkEarlyData(t, connected(t, r.client, r.server), false, false)
}

func TestSessionWithoutRememberedData(t *testing.T) {
	r := newResumption()
	p := connected(t, r.client, r.server)
	p.sendTicket() // StoreTicketData was not called
	checkEarlyData(t, connected(t, r.client, r.server), false, false)
}

// A connection without 0-RTT must not spoil the session for a later one.
func TestCachedSessionIsNotChanged(t *testing.T) {
	r := newResumption()
	r.first(t)
	without := r.client
	without.EnableEarlyData = false
	checkEarlyData(t, connected(t, without, r.server), false, false)
	checkEarlyData(t, connected(t, r.client, r.server), true, true)
}

func TestReplayedClientHello(t *testing.T) {
	r := newResumption()
	r.server.Replay = NewReplayFilter(MaxReplayEntries)
	r.first(t)
	for range 3 { // the client has got no new ticket
		checkEarlyData(t, connected(t, r.client, r.server), true, true)
	}
	r.client.TLS.Rand = bytes.NewReader(bytes.Repeat([]byte{0x42}, 10_000))
	checkEarlyData(t, connected(t, r.client, r.server), true, true)
	r.client.TLS.Rand = bytes.NewReader(bytes.Repeat([]byte{0x42}, 10_000))
	checkEarlyData(t, connected(t, r.client, r.server), true, false)
}

func TestHelloID(t *testing.T) {
	hello := make([]byte, 100)
	for i := range hello {
		hello[i] = byte(i)
	}
	for _, size := range []int{1, 7, 16, 22, 23, 37, 38, 39, 100} {
		var h helloID
		for piece := range slices.Chunk(hello, size) {
			h.read(piece)
		}
		if !bytes.Equal(h.id[:], hello[22:38]) {
			t.Errorf("in pieces of %d bytes: %v", size, h.id)
		}
	}
}

// RFC 9369, Section 5: sessions belong to a version.
func TestSessionOfOtherVersion(t *testing.T) {
	t.Run("client does not use it", func(t *testing.T) {
		r := newResumption()
		r.first(t)
		r.client.Version, r.server.Version = protocol.Version2, protocol.Version2
		p := connected(t, r.client, r.server)
		if p.client.ConnectionState().DidResume || p.client.has(EventSessionRestored) {
			t.Error("the session was resumed with another version")
		}
	})
	t.Run("server does not accept it", func(t *testing.T) {
		for _, get := range []func(*tls.ClientHelloInfo) (*tls.Config, error){
			nil,
			func(*tls.ClientHelloInfo) (*tls.Config, error) { return nil, nil },
		} {
			r := newResumption()
			r.server.TLS.GetConfigForClient = get
			r.first(t)
			r.server.Version = protocol.Version2
			p := connected(t, r.client, r.server)
			if p.server.ConnectionState().DidResume || p.server.secret(EventReadKeys, protocol.Encryption0RTT) != nil {
				t.Error("the session was resumed with another version")
			}
			if !p.client.has(EventEarlyDataRejected) {
				t.Error("the client does not know that 0-RTT was rejected")
			}
		}
	})
}

func TestNoEarlyDataForTicketOfOtherVersionWithChosenConfig(t *testing.T) {
	r := newResumption()
	chosen := serverTLS()
	r.server.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return chosen, nil }}
	r.first(t)
	r.server.Version = protocol.Version2
	checkEarlyData(t, connected(t, r.client, r.server), true, false)
}

// The clock of the tls.Config counts: a ticket is refused after the lifetime that crypto/tls gives it.
func TestTicketsAgeWithTheClockOfTheConfig(t *testing.T) {
	r := newResumption()
	now := time.Now()
	clock := func() time.Time { return now }
	r.client.TLS.Time, r.server.TLS.Time = clock, clock
	var issued []time.Time
	r.server.TLS.UnwrapSession = func(identity []byte, cs tls.ConnectionState) (*tls.SessionState, error) {
		s, err := r.server.TLS.DecryptTicket(identity, cs)
		if s != nil {
			e, _ := findServerExtra(s)
			issued = append(issued, e.issued)
		}
		return s, err
	}
	r.first(t)
	first := now
	now = now.Add(24 * time.Hour)
	checkEarlyData(t, connected(t, r.client, r.server), true, true)
	if len(issued) != 1 || !issued[0].Equal(first) {
		t.Errorf("issue times of tickets = %v, want %v", issued, first)
	}
	now = now.Add(7 * 24 * time.Hour)
	if connected(t, r.client, r.server).client.ConnectionState().DidResume {
		t.Error("a ticket of eight days was resumed")
	}
}

// Other users of SessionState.Extra, on both sides, keep their entries.
func TestExtraOfOthersIsKept(t *testing.T) {
	r := newResumption()
	base := r.server.TLS
	var seen [][]byte
	keys := &tls.Config{}
	base.WrapSession = func(cs tls.ConnectionState, s *tls.SessionState) ([]byte, error) {
		s.Extra = append(s.Extra, []byte("server's own"))
		return keys.EncryptTicket(cs, s)
	}
	base.UnwrapSession = func(identity []byte, cs tls.ConnectionState) (*tls.SessionState, error) {
		s, err := keys.DecryptTicket(identity, cs)
		if s != nil {
			seen = s.Extra
			s.Extra = append([][]byte{{}, []byte("QUICserver"), []byte("QUICserver\x01short")}, s.Extra...)
		}
		return s, err
	}
	cache := &extraCache{ClientSessionCache: r.client.TLS.ClientSessionCache}
	r.client.TLS.ClientSessionCache = cache
	r.first(t)
	p := connected(t, r.client, r.server)
	checkEarlyData(t, p, true, true)
	if !containsExtra(seen, "server's own") || len(seen) != 2 {
		t.Errorf("Extra at the server = %q, want ours and the other one", seen)
	}
	if !containsExtra(cache.seen, "client's own") || len(cache.seen) != 2 {
		t.Errorf("Extra at the client = %q, want ours and the other one", cache.seen)
	}
}

func containsExtra(extra [][]byte, want string) bool {
	for _, e := range extra {
		if string(e) == want {
			return true
		}
	}
	return false
}

// extraCache adds an entry to Extra of the sessions it stores, in the first place.
type extraCache struct {
	tls.ClientSessionCache
	seen [][]byte
}

func (c *extraCache) Put(key string, s *tls.ClientSessionState) {
	ticket, state, err := s.ResumptionState()
	if err == nil && state != nil {
		state.Extra = append([][]byte{[]byte("client's own")}, state.Extra...)
		s, _ = tls.NewResumptionState(ticket, state)
	}
	c.ClientSessionCache.Put(key, s)
}

func (c *extraCache) Get(key string) (*tls.ClientSessionState, bool) {
	s, ok := c.ClientSessionCache.Get(key)
	if ok {
		_, state, _ := s.ResumptionState()
		c.seen = state.Extra
	}
	return s, ok
}

func TestResumptionWithGetConfigForClient(t *testing.T) {
	for _, tc := range []struct {
		name string
		// own says whether the chosen config has ticket keys of its own.
		own bool
	}{{"ticket keys of the base config", false}, {"ticket keys of its own", true}} {
		t.Run(tc.name, func(t *testing.T) {
			r := newResumption()
			chosen := serverTLS()
			if tc.own {
				chosen.SetSessionTicketKeys([][32]byte{{1, 2, 3}})
			}
			r.server.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
				return chosen, nil
			}}
			r.first(t)
			checkEarlyData(t, connected(t, r.client, r.server), true, true)
			if tc.own { // other servers with these keys accept the tickets, too
				other := *r
				other.server.TLS = serverTLS()
				other.server.TLS.SetSessionTicketKeys([][32]byte{{1, 2, 3}})
				checkEarlyData(t, connected(t, other.client, other.server), true, true)
			}
		})
	}
}

func TestRotatedTicketKeys(t *testing.T) {
	r := newResumption()
	r.server.TLS.SetSessionTicketKeys([][32]byte{{1}})
	r.first(t)
	r.server.TLS.SetSessionTicketKeys([][32]byte{{2}, {1}})
	checkEarlyData(t, connected(t, r.client, r.server), true, true)
	r.server.TLS.SetSessionTicketKeys([][32]byte{{2}})
	p := connected(t, r.client, r.server)
	if p.client.ConnectionState().DidResume || !p.client.has(EventEarlyDataRejected) {
		t.Error("a ticket of a forgotten key was accepted")
	}
}

func TestSessionTicketsDisabled(t *testing.T) {
	disabled, enabled := serverTLS(), serverTLS()
	disabled.SessionTicketsDisabled = true
	choose := func(base, chosen *tls.Config) *tls.Config {
		base = base.Clone()
		base.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return chosen, nil }
		return base
	}
	for _, tc := range []struct {
		name   string
		config *tls.Config
	}{
		{"disabled", disabled},
		{"disabled in the base config only", choose(disabled, enabled)},
		{"disabled in the chosen config only", choose(enabled, disabled)},
		{"disabled in the base config, none chosen", choose(disabled, nil)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newResumption()
			r.server.TLS = tc.config
			p := r.first(t)
			if n := p.server.Crypto(protocol.Encryption1RTT).End(); n != 0 {
				t.Errorf("the server sent a ticket of %d bytes, want none", n)
			}
			if connected(t, r.client, r.server).client.ConnectionState().DidResume {
				t.Error("DidResume = true, want false")
			}
		})
	}
}

func TestClientWithoutSessionCache(t *testing.T) {
	r := newResumption()
	r.client.TLS.ClientSessionCache = nil
	r.first(t)
	if connected(t, r.client, r.server).client.ConnectionState().DidResume {
		t.Error("DidResume = true, want false")
	}
}

func TestEarlyDataRejectedThenFailure(t *testing.T) {
	r := newResumption()
	r.first(t)
	r.client.TLS.VerifyConnection = func(tls.ConnectionState) error { return x509.UnknownAuthorityError{} }
	p := newPair(t, r.client, r.server)
	p.start()
	p.run()
	if _, ok := errors.AsType[x509.UnknownAuthorityError](p.client.err); !ok {
		t.Errorf("client: %v, want an x509.UnknownAuthorityError", p.client.err)
	}
}

func TestSendSessionTicketTooEarlyOrTwice(t *testing.T) {
	r := newResumption()
	p := newPair(t, r.client, r.server)
	p.start()
	wantCode(t, "before the end of the handshake", p.server.SendSessionTicket(), 0x150)
	p.run()
	p.sendTicket()
	wantCode(t, "twice", p.server.SendSessionTicket(), 0x150)
}

func TestExtraRoundTrip(t *testing.T) {
	want := extra{version: protocol.Version2, issued: time.Unix(123, 456), data: []byte("data")}
	s := &tls.SessionState{Extra: [][]byte{[]byte("x"), want.appendServer(nil), want.appendClient(nil), nil}}
	got, ok := findServerExtra(s)
	if !ok || got.version != want.version || !got.issued.Equal(want.issued) || !bytes.Equal(got.data, want.data) {
		t.Errorf("findServerExtra = %+v, %t, want %+v, true", got, ok, want)
	}
	got, ok = findClientExtra(s)
	if !ok || got.version != want.version || !bytes.Equal(got.data, want.data) {
		t.Errorf("findClientExtra = %+v, %t, want %+v, true", got, ok, want)
	}
	entry := want.appendServer(nil)
	for n := range len(entry) - len(want.data) {
		if _, ok := findServerExtra(&tls.SessionState{Extra: [][]byte{entry[:n]}}); ok {
			t.Errorf("findServerExtra of the first %d bytes = true, want false", n)
		}
	}
}
