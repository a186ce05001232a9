package http3

import (
	"bytes"
	"crypto/tls"
	"slices"
)

// bindTickets makes the session tickets of conf, and of what its GetConfigForClient returns, carry the
// settings of the server. 0-RTT is rejected if a ticket carries other ones, or none.
//
// "If the server cannot determine that the settings remembered by a client are compatible with its
// current settings, it MUST NOT accept 0-RTT data." (RFC 9114, Section 7.2.4.2)
func bindTickets(conf *tls.Config, s *settingsFrame) {
	entry := s.append(bytes.Clone(sessionSettingsID))
	bindTicketsOf(conf, entry, conf.EncryptTicket, conf.DecryptTicket)
	get := conf.GetConfigForClient
	if get == nil {
		return
	}
	conf.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		inner, err := get(hello)
		if err == nil && inner != nil {
			k := &ticketKeys{inner, conf}
			bindTicketsOf(inner, entry, k.encrypt, k.decrypt)
		}
		return inner, err
	}
}

type (
	wrapSession   = func(tls.ConnectionState, *tls.SessionState) ([]byte, error)
	unwrapSession = func([]byte, tls.ConnectionState) (*tls.SessionState, error)
)

// bindTicketsOf puts the entry into the tickets of conf. encrypt and decrypt are used unless conf has
// functions of its own.
func bindTicketsOf(conf *tls.Config, entry []byte, encrypt wrapSession, decrypt unwrapSession) {
	if conf.WrapSession != nil {
		encrypt = conf.WrapSession
	}
	if conf.UnwrapSession != nil {
		decrypt = conf.UnwrapSession
	}
	conf.WrapSession = func(cs tls.ConnectionState, s *tls.SessionState) ([]byte, error) {
		s.Extra = append(s.Extra, entry)
		return encrypt(cs, s)
	}
	conf.UnwrapSession = func(ticket []byte, cs tls.ConnectionState) (*tls.SessionState, error) {
		s, err := decrypt(ticket, cs)
		if s != nil && !slices.ContainsFunc(s.Extra, func(b []byte) bool { return bytes.Equal(b, entry) }) {
			s.EarlyData = false
		}
		return s, err
	}
}

// ticketKeys encrypts tickets like crypto/tls: with the keys that were set for the configuration that
// GetConfigForClient has returned, or else with those of the base configuration.
type ticketKeys struct{ inner, base *tls.Config }

func (k *ticketKeys) encrypt(cs tls.ConnectionState, s *tls.SessionState) ([]byte, error) {
	if k.ownKeys(cs, s) {
		return k.inner.EncryptTicket(cs, s)
	}
	return k.base.EncryptTicket(cs, s)
}

func (k *ticketKeys) decrypt(ticket []byte, cs tls.ConnectionState) (*tls.SessionState, error) {
	// The copy keeps inner from making keys of its own.
	if s, err := k.inner.Clone().DecryptTicket(ticket, cs); s != nil || err != nil {
		return s, err
	}
	s, err := k.base.DecryptTicket(ticket, cs)
	if s == nil || k.ownKeys(cs, s) {
		return nil, err
	}
	return s, err
}

// ownKeys reports whether keys were set for inner, which it does not tell itself. If there are none,
// each copy makes its own. Any valid session will do.
func (k *ticketKeys) ownKeys(cs tls.ConnectionState, s *tls.SessionState) bool {
	ticket, err := k.inner.Clone().EncryptTicket(cs, s)
	if err != nil {
		return false
	}
	again, _ := k.inner.Clone().DecryptTicket(ticket, cs)
	return again != nil
}
