package recovery

import (
	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
)

// minPacketBudget is the credit below which no useful packet can be built.
const minPacketBudget protocol.ByteCount = 64

// An amplification is the anti-amplification limit of an address (RFC 9000, Section 8.1).
type amplification struct {
	validated      bool
	received, sent protocol.ByteCount // while not validated
}

func (a *amplification) onSent(size protocol.ByteCount) {
	if !a.validated {
		a.sent += size
	}
}

// budget: "Prior to validating the client address, servers MUST NOT send more than three times as
// many bytes as the number of bytes they have received." RFC 9000, Section 8.1.
func (a *amplification) budget() protocol.ByteCount {
	if a.validated {
		return protocol.MaxByteCount
	}
	return max(protocol.AmplificationFactor*a.received-a.sent, 0)
}

func (a *amplification) blocked() bool { return a.budget() < minPacketBudget }

// AmplificationBudget returns how many bytes may be sent to the peer's address now.
func (t *Tracker) AmplificationBudget() protocol.ByteCount { return t.amplification.budget() }

// OnDatagramReceived counts the bytes of a datagram that belongs to the connection. It may bring
// Deadline back, also as a time in the past: "If the PTO timer is then set to a time in the past, it is
// executed immediately." RFC 9002, Section 6.2.2.1.
func (t *Tracker) OnDatagramReceived(_ monotime.Time, size protocol.ByteCount) {
	t.stats.BytesReceived += uint64(size)
	if !t.amplification.validated {
		t.amplification.received += size
	}
}

// SetAddressValidated lifts the amplification limit.
func (t *Tracker) SetAddressValidated() { t.amplification.validated = true }

// SetAddressUnvalidated imposes the amplification limit on a new address of the peer, which sent
// and was sent so many bytes so far. (RFC 9000, Section 9.3.1)
func (t *Tracker) SetAddressUnvalidated(received, sent protocol.ByteCount) {
	t.amplification = amplification{received: received, sent: sent}
}
