package handshake

import "github.com/quic-go/quic-go/internal/protocol"

// An EventKind says what an Event reports and which of its fields are set.
type EventKind uint8

// Kinds of events.
const (
	// EventNone means that there are no more events.
	EventNone EventKind = iota
	// EventReadKeys and EventWriteKeys provide a secret: Level, Suite, Secret.
	EventReadKeys
	EventWriteKeys
	// EventPeerParameters provides the peer's transport parameters: Data.
	EventPeerParameters
	// EventTransportParametersRequired asks for SetTransportParameters. Nothing happens until then.
	EventTransportParametersRequired
	// EventHandshakeComplete says that the handshake is complete (RFC 9001, Section 4.1.1).
	EventHandshakeComplete
	// EventEarlyDataRejected tells a client that the server rejected 0-RTT.
	EventEarlyDataRejected
	// EventSessionRestored tells a client that it may use 0-RTT with the parameters in Data, which it has
	// passed to StoreTicketData on an earlier connection. 0-RTT write keys follow unless TLS decides
	// against 0-RTT.
	EventSessionRestored
	// EventCryptoReady says that there is new CRYPTO data to send: Level.
	EventCryptoReady
)

// String returns the kind for messages.
func (k EventKind) String() string {
	switch k {
	case EventNone:
		return "none"
	case EventReadKeys:
		return "read keys"
	case EventWriteKeys:
		return "write keys"
	case EventPeerParameters:
		return "peer parameters"
	case EventTransportParametersRequired:
		return "transport parameters required"
	case EventHandshakeComplete:
		return "handshake complete"
	case EventEarlyDataRejected:
		return "early data rejected"
	case EventSessionRestored:
		return "session restored"
	case EventCryptoReady:
		return "CRYPTO ready"
	}
	return "unknown event"
}

// An Event is a fact about the handshake. The receiver owns its slices.
type Event struct {
	Kind   EventKind
	Level  protocol.EncryptionLevel
	Suite  uint16
	Secret []byte
	Data   []byte
}
