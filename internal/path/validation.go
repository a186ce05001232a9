package path

import (
	"crypto/rand"
	"crypto/subtle"
	"time"

	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
)

const (
	// initialPTO is the PTO of a path of which nothing is known: 333 ms and four times the half of that.
	initialPTO = 999 * time.Millisecond
	// validationPTOs is after how many PTOs a validation fails (RFC 9000, Section 8.2.4).
	validationPTOs = 3
	// maxChallenges is how many challenges of a validation may be answered, the latest ones.
	maxChallenges = 8
)

// A validation is the attempt to prove that a path leads to the peer (RFC 9000, Section 8.2).
type validation struct {
	running  bool
	held     bool          // due is the end of a wait that a received packet may end earlier
	due      monotime.Time // of the next challenge
	fails    monotime.Time // when it is given up
	interval time.Duration // to the challenge after the next one; doubles

	challenges [maxChallenges]challenge
	sent       int // the latest challenge is at (sent-1)%maxChallenges
}

// A challenge is the data of a PATH_CHALLENGE frame that was sent.
type challenge struct {
	data [8]byte
	full bool // its datagram had 1200 bytes
}

// Validate begins the validation of a path. A challenge is due at once.
func (m *Manager) Validate(now monotime.Time, id ID, pto time.Duration) {
	// RFC 9000, Section 8.2.4: "A value of three times the larger of the current PTO or the PTO for the new path (using
	// kInitialRtt, as defined in [QUIC-RECOVERY]) is RECOMMENDED."
	m.paths[id].validation = validation{
		running:  true,
		due:      now,
		fails:    now.Add(validationPTOs * max(pto, initialPTO)),
		interval: pto,
	}
}

// Validating reports whether the validation of the path goes on.
func (m *Manager) Validating(id ID) bool { return m.paths[id].validation.running }

// Abandon gives up the validation of a path without a verdict.
func (m *Manager) Abandon(id ID) { m.paths[id].validation = validation{} }

// NextChallenge returns the data of the challenge that is due on the path.
func (m *Manager) NextChallenge(now monotime.Time, id ID) (data [8]byte, ok bool) {
	v := &m.paths[id].validation
	if !v.running || now.Before(v.due) {
		return data, false
	}
	// RFC 9000, Section 8.2.1: "The endpoint MUST use unpredictable data in every PATH_CHALLENGE frame".
	rand.Read(data[:])
	return data, true
}

// ChallengeSent notes that the challenge of NextChallenge was sent in a datagram of size bytes.
func (m *Manager) ChallengeSent(now monotime.Time, id ID, data [8]byte, size protocol.ByteCount) {
	v := &m.paths[id].validation
	v.challenges[v.sent%maxChallenges] = challenge{data: data, full: size >= protocol.MinInitialPacketSize}
	v.sent++
	v.due = now.Add(v.interval)
	v.interval *= 2
}

// Hold puts off the challenge that is due because it cannot be sent now, until the peer sends something on the path or a
// PTO has passed.
func (m *Manager) Hold(now monotime.Time, id ID, pto time.Duration) {
	v := &m.paths[id].validation
	if v.running && !now.Before(v.due) {
		v.due, v.held = now.Add(pto), true
	}
}

// OnChallenge queues the response to a challenge of the peer.
func (m *Manager) OnChallenge(id ID, data [8]byte) {
	p := &m.paths[id]
	if len(p.responses) == protocol.MaxQueuedPathResponses {
		p.responses = append(p.responses[:0], p.responses[1:]...)
	}
	p.responses = append(p.responses, data)
}

// NextResponse returns the data of the next PATH_RESPONSE frame on the path.
func (m *Manager) NextResponse(id ID) (data [8]byte, ok bool) {
	p := &m.paths[id]
	if len(p.responses) == 0 {
		return data, false
	}
	return p.responses[0], true
}

// ResponseSent takes the response of NextResponse off the queue. It is never repeated.
func (m *Manager) ResponseSent(id ID) {
	p := &m.paths[id]
	p.responses = append(p.responses[:0], p.responses[1:]...)
}

// A Verdict is what a PATH_RESPONSE frame proves.
type Verdict uint8

// Verdicts.
const (
	Nothing   Verdict = iota // no challenge was answered
	Address                  // the peer receives there; that the path carries packets of 1200 bytes is not proved yet
	Validated                // the path can be used
)

// OnResponse handles the data of a PATH_RESPONSE frame. RFC 9000, Section 8.2.3: "A PATH_RESPONSE frame received on any network
// path validates the path on which the PATH_CHALLENGE was sent."
func (m *Manager) OnResponse(now monotime.Time, data [8]byte) (ID, Verdict) {
	for i := range m.paths {
		id, v := ID(i), &m.paths[i].validation
		full, ok := v.answered(data)
		if !ok {
			continue
		}
		m.paths[i].validated = true
		m.paths[i].lastReceived = now
		if !full {
			// RFC 9000, Section 8.2.3: "the endpoint MUST initiate another path validation with an expanded datagram to
			// verify that the path supports the required MTU."
			v.due, v.held = now, false
			v.forget()
			return id, Address
		}
		m.Abandon(id)
		if id == m.active {
			m.fallback = None
		}
		return id, Validated
	}
	return None, Nothing
}

func (v *validation) answered(data [8]byte) (full, ok bool) {
	if !v.running {
		return false, false
	}
	for i := range min(v.sent, maxChallenges) {
		if c := &v.challenges[i]; subtle.ConstantTimeCompare(c.data[:], data[:]) == 1 {
			return c.full, true
		}
	}
	return false, false
}

// forget makes the challenges that were too small count no more.
func (v *validation) forget() {
	kept := validation{running: true, due: v.due, fails: v.fails, interval: v.interval}
	for i := range min(v.sent, maxChallenges) {
		if v.challenges[i].full {
			kept.challenges[kept.sent] = v.challenges[i]
			kept.sent++
		}
	}
	*v = kept
}

// Deadline returns when to look again: a challenge is due or a validation fails. It is zero if no validation goes on.
func (m *Manager) Deadline() (at monotime.Time) {
	for i := range m.paths {
		if v := &m.paths[i].validation; v.running {
			at = monotime.Earliest(at, min(v.due, v.fails))
		}
	}
	return at
}

// OnTimeout returns a path whose validation has failed, None if there is none left. If it was the active path, the last validated
// one is active again: RFC 9000, Section 9.3.2: "an endpoint MUST revert to using the last validated peer address when
// validation of a new peer address fails."
func (m *Manager) OnTimeout(now monotime.Time) ID {
	for i := range m.paths {
		id, p := ID(i), &m.paths[i]
		if !p.validation.running || now.Before(p.validation.fails) {
			continue
		}
		m.Abandon(id)
		if id == m.active && m.fallback != None {
			m.active, m.fallback = m.fallback, None
		}
		return id
	}
	return None
}
