package quic

import "github.com/quic-go/quic-go/internal/monotime"

// A timerKind names a deadline of a connection. Expired deadlines are handled in this order.
type timerKind uint8

const (
	timerHandshake    timerKind = iota // the handshake has taken too long
	timerIdle                          // nothing was received for the idle timeout
	timerKeepAlive                     // a PING is due
	timerAckDelay                      // an ACK has waited long enough
	timerLoss                          // a packet is lost, or a probe is due (PTO)
	timerPacing                        // the pacer permits the next packet
	timerPath                          // a challenge is due, or the validation of a path fails
	timerKeyDiscard                    // 0-RTT keys are of no more use
	timerConnectionID                  // a retired connection ID is forgotten
	timerMTU                           // larger packets are worth a probe
	timerCredit                        // stream credit may have been dropped with its stream
	numTimers
)

// timers is the table of the deadlines of a connection: loop only. Zero means not set.
type timers struct {
	at [numTimers]monotime.Time
}

func (t *timers) set(k timerKind, at monotime.Time) { t.at[k] = at }
func (t *timers) stop(k timerKind)                  { t.at[k] = 0 }

// expired reports whether the deadline is set and has passed.
func (t *timers) expired(k timerKind, now monotime.Time) bool {
	return !t.at[k].IsZero() && !now.Before(t.at[k])
}

// next returns the earliest deadline, zero if there is none.
func (t *timers) next() (at monotime.Time) {
	for _, d := range t.at {
		at = monotime.Earliest(at, d)
	}
	return at
}
