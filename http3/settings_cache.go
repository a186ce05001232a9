package http3

import (
	"bytes"
	"crypto/tls"
	"slices"
	"sync"
)

// sessionSettingsID begins our entry in tls.SessionState.Extra, which we share with others. The settings
// follow, as in a SETTINGS frame.
var sessionSettingsID = []byte("HTTP/3 settings\x01")

// A settingsCache is the tls.ClientSessionCache of one connection of a Transport. It stores the settings
// of the server together with its session tickets, so that they are known when 0-RTT is used.
//
// "Clients SHOULD store the settings the server provided in the HTTP/3 connection where resumption
// information was provided" (RFC 9114, Section 7.2.4.2).
type settingsCache struct {
	tls.ClientSessionCache

	mu sync.Mutex // leaf, guards what follows
	// remembered came with the session that the connection resumes, under this key; nil if nothing did.
	remembered *settingsFrame
	key        string
	// current are the settings of this connection, nil before they have arrived.
	current *settingsFrame
	// waiting is the latest session before that.
	waiting    *tls.ClientSessionState
	waitingKey string
}

// newSettingsCache makes the session cache of conf, if it has one, remember settings. It returns nil if
// there is no cache.
func newSettingsCache(conf *tls.Config) *settingsCache {
	if conf.ClientSessionCache == nil {
		return nil
	}
	c := &settingsCache{ClientSessionCache: conf.ClientSessionCache}
	conf.ClientSessionCache = c
	return c
}

// Get implements tls.ClientSessionCache.
func (c *settingsCache) Get(key string) (*tls.ClientSessionState, bool) {
	session, ok := c.ClientSessionCache.Get(key)
	remembered := settingsOfSession(session)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remembered, c.key = remembered, key
	return session, ok
}

// Put implements tls.ClientSessionCache. A session that comes before the settings waits for them.
func (c *settingsCache) Put(key string, session *tls.ClientSessionState) {
	c.mu.Lock()
	current := c.current
	if session != nil && current == nil {
		c.waiting, c.waitingKey = session, key
	}
	c.mu.Unlock()
	switch {
	case session == nil:
		c.ClientSessionCache.Put(key, nil)
	case current != nil:
		c.ClientSessionCache.Put(key, withSettings(session, current))
	}
}

// receive notes the settings of the connection. If the server has accepted 0-RTT they must comply with
// those that were remembered; if they do not, the session is of no use.
func (c *settingsCache) receive(s *settingsFrame, used0RTT bool) error {
	c.mu.Lock()
	if used0RTT && c.remembered != nil {
		if err := s.checkRemembered(c.remembered); err != nil {
			key := c.key
			c.mu.Unlock()
			c.ClientSessionCache.Put(key, nil)
			return err
		}
	}
	c.current = s
	session, key := c.waiting, c.waitingKey
	c.waiting = nil
	c.mu.Unlock()
	if session != nil {
		c.ClientSessionCache.Put(key, withSettings(session, s))
	}
	return nil
}

// fieldLimit returns the remembered limit on field sections, 0 if there is none.
func (c *settingsCache) fieldLimit() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.remembered == nil {
		return 0
	}
	return c.remembered.maxFieldSection
}

// withSettings returns a copy of a session that has the settings.
func withSettings(session *tls.ClientSessionState, s *settingsFrame) *tls.ClientSessionState {
	ticket, state, err := session.ResumptionState()
	if err != nil || state == nil {
		return session
	}
	own := *state
	own.Extra = append(slices.Clone(state.Extra), s.appendUnderstood(bytes.Clone(sessionSettingsID)))
	session, err = tls.NewResumptionState(ticket, &own)
	if err != nil {
		return nil
	}
	return session
}

// settingsOfSession returns the settings that withSettings has added, nil if there are none.
func settingsOfSession(session *tls.ClientSessionState) *settingsFrame {
	if session == nil {
		return nil
	}
	_, state, err := session.ResumptionState()
	if err != nil || state == nil {
		return nil
	}
	for _, extra := range state.Extra {
		if b, ok := bytes.CutPrefix(extra, sessionSettingsID); ok {
			s, _ := parseSettings(b)
			return s
		}
	}
	return nil
}
