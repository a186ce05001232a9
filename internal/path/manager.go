package path

import (
	"time"

	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
)

// An ID is the number of a path, from 0 to protocol.MaxPaths-1. It is used again when the path is gone.
type ID int

// None is no path.
const None ID = -1

const (
	// evictAfter is how long the peer must be silent on a path before another one may take its place that the peer only
	// probes.
	evictAfter = 5 * time.Second
	// trustFor is for how long an address that was validated counts as "seen recently" (RFC 9000, Section 9.3).
	trustFor = time.Minute
)

// A Manager holds the paths of a connection.
type Manager struct {
	paths    [protocol.MaxPaths]state
	active   ID
	fallback ID // the last validated path while the active one is not; else None
}

// A state is what is known of a path.
type state struct {
	used         bool
	own          bool // we have chosen it: not to be evicted, and no limit to what is sent
	validated    bool // the peer has answered there
	lastReceived monotime.Time
	// what was received and sent before the address was validated
	received, sent protocol.ByteCount

	validation validation
	responses  [][8]byte // at most protocol.MaxQueuedPathResponses; the oldest is dropped
}

// NewManager returns the Manager of a connection whose path 0 is the one of the handshake, which validates it.
func NewManager() *Manager {
	m := &Manager{fallback: None}
	m.paths[0] = state{used: true, validated: true}
	return m
}

// Active returns the path on which packets are sent.
func (m *Manager) Active() ID { return m.active }

// Validated reports whether the peer has proved that it receives what is sent on the path.
func (m *Manager) Validated(id ID) bool { return m.paths[id].validated }

// Add adds a path that nobody asks to use yet. It returns None if there is no room: then the newcomer has to wait until
// the peer is silent on another one.
func (m *Manager) Add(now monotime.Time) ID {
	id := m.leastUseful()
	if id == None || m.paths[id].used && now.Sub(m.paths[id].lastReceived) < evictAfter {
		return None
	}
	return m.occupy(now, id)
}

// AddMigrated adds a path to which the peer migrates. It takes the place of the active path if that is not validated, so
// that a peer with ever new addresses has one path for all of them. It returns None if there is no room.
func (m *Manager) AddMigrated(now monotime.Time) ID {
	id := m.active
	if m.paths[id].validated {
		id = m.leastUseful()
	}
	if id == None {
		return None
	}
	return m.occupy(now, id)
}

func (m *Manager) occupy(now monotime.Time, id ID) ID {
	m.paths[id] = state{used: true, lastReceived: now, responses: m.paths[id].responses[:0]}
	return id
}

// leastUseful returns a free path, or the one that was silent for longest and that nobody needs, or None.
func (m *Manager) leastUseful() ID {
	best := None
	for i := range m.paths {
		id, p := ID(i), &m.paths[i]
		if !p.used {
			return id
		}
		if id == m.active || id == m.fallback || p.own {
			continue
		}
		if best == None || p.lastReceived.Before(m.paths[best].lastReceived) {
			best = id
		}
	}
	return best
}

// Own says that we have chosen the path: it is kept until Remove.
func (m *Manager) Own(id ID) { m.paths[id].own = true }

// Remove forgets a path, which must not be the active one.
func (m *Manager) Remove(id ID) {
	if id == m.active {
		panic("BUG: the active path is removed")
	}
	if id == m.fallback {
		m.fallback = None
	}
	m.paths[id] = state{}
}

// OnReceived notes that an authentic datagram came in on the path.
func (m *Manager) OnReceived(now monotime.Time, id ID, size protocol.ByteCount) {
	p := &m.paths[id]
	p.lastReceived = now
	if !p.validated {
		p.received += size
	}
	if p.validation.held {
		p.validation.held, p.validation.due = false, now
	}
}

// OnSent notes that a datagram was sent on the path.
func (m *Manager) OnSent(id ID, size protocol.ByteCount) {
	if p := &m.paths[id]; !p.validated {
		p.sent += size
	}
}

// Budget returns how many bytes may be sent on the path. RFC 9000, Section 8: "Therefore, after receiving packets from an
// address that is not yet validated, an endpoint MUST limit the amount of data it sends to the unvalidated address to three
// times the amount of data received from that address."
func (m *Manager) Budget(id ID) protocol.ByteCount {
	p := &m.paths[id]
	if p.validated || p.own {
		return protocol.MaxByteCount
	}
	return max(protocol.AmplificationFactor*p.received-p.sent, 0)
}

// Credit returns what was received and sent on a path that is not validated.
func (m *Manager) Credit(id ID) (received, sent protocol.ByteCount) {
	return m.paths[id].received, m.paths[id].sent
}

// Choose makes the path the active one because we want it.
func (m *Manager) Choose(id ID) {
	m.active, m.fallback = id, None
}

// Follow makes the path the active one because the peer sends from there, and starts the validations that this asks for.
func (m *Manager) Follow(now monotime.Time, id ID, pto time.Duration) {
	old := m.active
	if m.paths[old].validated && old != id {
		m.fallback = old
	}
	m.active = id
	p := &m.paths[id]
	if p.validated && now.Sub(p.lastReceived) >= trustFor {
		p.validated, p.received, p.sent = false, 0, 0
	}
	// RFC 9000, Section 9.3.3: "In response to an apparent migration, endpoints MUST validate the previously active path
	// using a PATH_CHALLENGE frame." A peer that migrates all the time gets no more challenges there for that.
	if f := m.fallback; f != None && f != id && !m.paths[f].validation.running {
		m.Validate(now, f, pto)
	}
	if p.validated {
		m.fallback = None
		return
	}
	// RFC 9000, Section 9.3: "MUST initiate path validation (Section 8.2) to verify the peer's ownership of the address if
	// validation is not already underway".
	if !p.validation.running {
		m.Validate(now, id, pto)
	}
}
