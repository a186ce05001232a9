package handshake

import (
	"crypto/tls"
	"net"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
)

// cloneConfig returns a copy of c that speaks TLS 1.3 only. If c.MaxVersion forbids that, crypto/tls reports it.
func cloneConfig(c *tls.Config) *tls.Config {
	c = c.Clone()
	c.MinVersion = max(c.MinVersion, tls.VersionTLS13)
	return c
}

func clientConfig(p *Params) *tls.Config {
	c := cloneConfig(p.TLS)
	if c.ServerName == "" {
		c.ServerName = p.ServerName
	}
	if c.ClientSessionCache != nil {
		c.ClientSessionCache = &sessionCache{ClientSessionCache: c.ClientSessionCache, version: p.Version}
	}
	return c
}

// A ServerConfig is a tls.Config in the form in which the connections of a server can share it.
type ServerConfig struct{ v1, v2 *tls.Config }

// NewServerConfig prepares a config. It returns nil if each connection needs a config of its own, as callbacks that choose
// certificates or configs are told the connection's addresses.
func NewServerConfig(c *tls.Config) *ServerConfig {
	if c.GetConfigForClient != nil || c.GetCertificate != nil || c.GetEncryptedClientHelloKeys != nil {
		return nil
	}
	return &ServerConfig{v1: sharedConfig(c, protocol.Version1), v2: sharedConfig(c, protocol.Version2)}
}

func sharedConfig(c *tls.Config, v protocol.Version) *tls.Config {
	shared := cloneConfig(c)
	wrapTickets(shared, c, v)
	if shared.WrapSession == nil {
		shared.WrapSession = c.EncryptTicket
	}
	return shared
}

func (s *ServerConfig) version(v protocol.Version) *tls.Config {
	if v == protocol.Version2 {
		return s.v2
	}
	return s.v1
}

// wrapTickets makes c ignore tickets of other versions. Those that it has no callback for are opened with the keys that keys has at
// that time.
func wrapTickets(c, keys *tls.Config, v protocol.Version) {
	unwrap := c.UnwrapSession
	if unwrap == nil {
		unwrap = keys.DecryptTicket
	}
	c.UnwrapSession = unwrapVersion(v, unwrap)
}

func serverConfig(p *Params) *tls.Config {
	if p.Server != nil {
		return p.Server.version(p.Version)
	}
	// A config without ticket keys makes some when it first needs them. It must be the application's config
	// that does so, not its clone, or no other connection could open the ticket. If tickets are disabled
	// there is an error, which does not matter.
	_, _ = p.TLS.EncryptTicket(tls.ConnectionState{}, &tls.SessionState{})
	c := cloneConfig(p.TLS)
	conn := &addrConn{local: p.LocalAddr, remote: p.RemoteAddr}
	wrapServerCallbacks(c, conn)
	if get := c.GetConfigForClient; get != nil {
		base := c
		c.GetConfigForClient = func(info *tls.ClientHelloInfo) (*tls.Config, error) {
			info.Conn = conn
			chosen, err := get(info)
			if chosen == nil || err != nil {
				return nil, err
			}
			chosen = cloneConfig(chosen)
			// crypto/tls takes the ticket keys from the base config if there are none in the chosen one,
			// and fails if the base config has tickets disabled.
			chosen.SessionTicketsDisabled = chosen.SessionTicketsDisabled || base.SessionTicketsDisabled
			wrapServerCallbacks(chosen, conn)
			if chosen.UnwrapSession != nil {
				chosen.UnwrapSession = unwrapVersion(p.Version, chosen.UnwrapSession)
			}
			return chosen, nil
		}
	}
	wrapTickets(c, c, p.Version)
	return c
}

// wrapServerCallbacks makes the callbacks of c see the addresses of the connection.
func wrapServerCallbacks(c *tls.Config, conn net.Conn) {
	if get := c.GetCertificate; get != nil {
		c.GetCertificate = func(info *tls.ClientHelloInfo) (*tls.Certificate, error) {
			info.Conn = conn
			return get(info)
		}
	}
	if get := c.GetEncryptedClientHelloKeys; get != nil {
		c.GetEncryptedClientHelloKeys = func(info *tls.ClientHelloInfo) ([]tls.EncryptedClientHelloKey, error) {
			info.Conn = conn
			return get(info)
		}
	}
}

type unwrapSession = func(identity []byte, cs tls.ConnectionState) (*tls.SessionState, error)

// unwrapVersion ignores tickets of other QUIC versions. RFC 9369, Section 5: "Servers MUST validate the
// originating version of any session ticket or token and not accept one issued from a different version."
// Tickets that no QUIC connection issued pass; they do not allow 0-RTT.
//
// Deviation from RFC 9369, Section 5: if GetConfigForClient chooses a config without UnwrapSession, a ticket
// of another version is resumed, but without 0-RTT. Which keys open it is known to crypto/tls alone.
func unwrapVersion(v protocol.Version, unwrap unwrapSession) unwrapSession {
	return func(identity []byte, cs tls.ConnectionState) (*tls.SessionState, error) {
		state, err := unwrap(identity, cs)
		if err != nil || state == nil {
			return state, err
		}
		if e, ok := findServerExtra(state); ok && e.version != v {
			return nil, nil
		}
		return state, nil
	}
}

// A sessionCache is the application's cache as one connection of a client uses it.
type sessionCache struct {
	tls.ClientSessionCache
	version protocol.Version
}

// Get returns a copy of the session, as declining 0-RTT changes it and other connections may use it at the
// same time. RFC 9369, Section 5: "Clients MUST NOT use a session ticket or token from a QUIC version 1
// connection to initiate a QUIC version 2 connection, and vice versa."
func (c *sessionCache) Get(key string) (*tls.ClientSessionState, bool) {
	session, ok := c.ClientSessionCache.Get(key)
	if !ok || session == nil {
		return session, ok
	}
	ticket, state, err := session.ResumptionState()
	if err != nil || state == nil {
		return nil, false
	}
	if e, ok := findClientExtra(state); ok && e.version != c.version {
		return nil, false
	}
	own := *state
	session, err = tls.NewResumptionState(ticket, &own)
	return session, err == nil
}

// An addrConn is the net.Conn of a tls.ClientHelloInfo. It only knows its addresses.
type addrConn struct{ local, remote net.Addr }

func (c *addrConn) LocalAddr() net.Addr  { return c.local }
func (c *addrConn) RemoteAddr() net.Addr { return c.remote }

func (*addrConn) Read([]byte) (int, error)         { return 0, net.ErrClosed }
func (*addrConn) Write([]byte) (int, error)        { return 0, net.ErrClosed }
func (*addrConn) Close() error                     { return net.ErrClosed }
func (*addrConn) SetDeadline(time.Time) error      { return net.ErrClosed }
func (*addrConn) SetReadDeadline(time.Time) error  { return net.ErrClosed }
func (*addrConn) SetWriteDeadline(time.Time) error { return net.ErrClosed }
