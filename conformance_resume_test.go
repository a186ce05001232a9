package quic_test

import (
	"crypto/tls"
	"slices"
	"sync/atomic"

	"github.com/quic-go/quic-go/internal/quictest"
	"github.com/quic-go/quic-go/internal/wire"
)

// A sessionCache counts the sessions that are stored.
type sessionCache struct {
	tls.ClientSessionCache
	puts atomic.Int64
}

func newSessionCache() *sessionCache {
	return &sessionCache{ClientSessionCache: tls.NewLRUClientSessionCache(4)}
}

// Put implements tls.ClientSessionCache.
func (c *sessionCache) Put(key string, s *tls.ClientSessionState) {
	if s != nil {
		c.puts.Add(1)
	}
	c.ClientSessionCache.Put(key, s)
}

func (c *sessionCache) count() int { return int(c.puts.Load()) }

// largeTickets makes the tickets of a server n bytes longer.
func largeTickets(c *tls.Config, n int) {
	c.WrapSession = func(cs tls.ConnectionState, s *tls.SessionState) ([]byte, error) {
		b, err := c.EncryptTicket(cs, s)
		return append(slices.Clone(b), make([]byte, n)...), err
	}
	c.UnwrapSession = func(identity []byte, cs tls.ConnectionState) (*tls.SessionState, error) {
		return c.DecryptTicket(identity[:max(0, len(identity)-n)], cs)
	}
}

// resumeServer makes a server under test issue a ticket to one client. A second one, s.peer, has sent its
// ClientHello and can send 0-RTT packets; it does nothing by itself.
func (s *scene) resumeServer() {
	s.t.Helper()
	s.config.Allow0RTT = true
	s.peerOptions.EarlyData = true
	s.peerOptions.TLS.ClientSessionCache = newSessionCache()
	s.connect()
	s.peer.Send(oneRTT, &wire.ConnectionCloseFrame{IsApplicationError: true})
	s.settle()
	s.conn = nil
	s.peerOptions.HoldHandshake = true
	if s.beforeResumption != nil {
		s.beforeResumption()
	}
	s.peer = s.newClient()
	s.peer.Start()
	if !s.peer.CanSend(zeroRTT) {
		s.t.Fatal("no session for 0-RTT")
	}
	s.peer.SendCryptoAt(initial, 0, s.peer.TakeCrypto(initial))
}

// resumeClient makes a client under test connect once to get a ticket, and again by DialEarly to a server, s.peer,
// that has received its first flight. The server does nothing by itself.
func (s *scene) resumeClient() {
	s.t.Helper()
	s.early = true
	s.tls.ClientSessionCache = newSessionCache()
	s.peerOptions.EarlyData = true
	held := s.peerOptions.HoldAcks
	s.peerOptions.HoldAcks = false
	s.connect()
	s.peer.SendSessionTicket()
	s.settle()
	if err := s.conn.CloseWithError(0, ""); err != nil {
		s.t.Fatal(err)
	}
	s.settle()
	s.peerOptions.HoldHandshake, s.peerOptions.HoldAcks = true, held
	if s.beforeResumption != nil {
		s.beforeResumption()
	}
	s.peer = quictest.NewServer(s.t, s.net.Listen(s.serverAddr), s.peerOptions)
	s.dial()
	s.await()
}

// largeCertificate returns a certificate whose chain has n bytes more, which nobody has to parse.
func largeCertificate(c tls.Certificate, n int) tls.Certificate {
	c.Certificate = append(slices.Clone(c.Certificate), randomBytes(1, n))
	return c
}
