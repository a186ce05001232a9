package protect

import (
	"errors"

	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
)

// closeReserve is how many packets MaybeUpdate leaves for closing the connection when it reports that
// the confidentiality limit is reached.
const closeReserve = 16

// OnAcked reports the largest packet number of the 1-RTT space that the peer has acknowledged.
func (k *OneRTT) OnAcked(largestAcked protocol.PacketNumber) {
	if k.write.first != noPN && largestAcked >= k.write.first {
		k.write.acked = true
	}
}

// MaybeUpdate initiates a key update if the limits ask for one and the protocol allows it. confirmed
// says that the handshake is confirmed. The error is an AEAD_LIMIT_REACHED that ends the connection: the
// keys are used up and cannot be updated.
func (k *OneRTT) MaybeUpdate(now monotime.Time, confirmed bool) error {
	if !k.CanOpen() || k.write.suite == nil {
		return nil
	}
	k.noteConfirmation(now)
	sealed, limit := k.write.sealed, k.limits.Confidentiality
	urgent := sealed >= limit-limit/4
	due := urgent || sealed >= min(k.updateAfter, limit/2) || k.read.opened >= k.updateAfter
	if !due {
		return nil
	}
	if confirmed && k.allowUpdate(now, urgent) {
		k.rotate()
		return nil
	}
	if sealed >= limit-min(closeReserve, limit/8) {
		return qerr.NewLocalError(qerr.AEADLimitReached, errors.New("keys are used up and cannot be updated"))
	}
	return nil
}

// noteConfirmation sets the time from which on the next key update is allowed. RFC 9001, Section 6.5:
// "Endpoints SHOULD wait three times the PTO before initiating a key update after receiving an
// acknowledgment that confirms that the previous key update was received."
func (k *OneRTT) noteConfirmation(now monotime.Time) {
	if k.write.acked && k.phase > 0 && k.notUntil.IsZero() {
		k.notUntil = now.Add(3 * k.lastPTO)
	}
}

// allowUpdate reports whether we may initiate a key update after the handshake was confirmed. RFC 9001,
// Section 6.1: "An endpoint MUST NOT initiate a subsequent key update unless it has received an
// acknowledgment for a packet that was sent protected with keys from the current key phase."
func (k *OneRTT) allowUpdate(now monotime.Time, urgent bool) bool {
	if k.fatal != nil || !k.write.acked {
		return false
	}
	return urgent || k.phase == 0 || !now.Before(k.notUntil)
}
