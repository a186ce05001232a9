package qlog

import (
	"time"

	"github.com/quic-go/quic-go/qlogwriter/jsontext"
)

// A KeyType names a key by its level and the side that sends with it.
type KeyType string

// Keys.
const (
	KeyTypeServerInitial   KeyType = "server_initial_secret"
	KeyTypeClientInitial   KeyType = "client_initial_secret"
	KeyTypeServerHandshake KeyType = "server_handshake_secret"
	KeyTypeClientHandshake KeyType = "client_handshake_secret"
	KeyTypeServer0RTT      KeyType = "server_0rtt_secret"
	KeyTypeClient0RTT      KeyType = "client_0rtt_secret"
	KeyTypeServer1RTT      KeyType = "server_1rtt_secret"
	KeyTypeClient1RTT      KeyType = "client_1rtt_secret"
)

// is1RTT reports whether the key has key phases.
func (t KeyType) is1RTT() bool { return t == KeyTypeServer1RTT || t == KeyTypeClient1RTT }

// KeyUpdated is the event key_updated: a key was installed.
type KeyUpdated struct {
	Trigger  KeyUpdateTrigger
	KeyType  KeyType
	KeyPhase KeyPhase // only of 1-RTT keys
}

// A KeyUpdateTrigger says where a key comes from.
type KeyUpdateTrigger string

// Where keys come from: the handshake, or a key update by one of the sides.
const (
	KeyUpdateTLS    KeyUpdateTrigger = "tls"
	KeyUpdateRemote KeyUpdateTrigger = "remote_update"
	KeyUpdateLocal  KeyUpdateTrigger = "local_update"
)

// Name implements qlogwriter.Event.
func (KeyUpdated) Name() string { return "security:key_updated" }

// Encode implements qlogwriter.Event.
func (e KeyUpdated) Encode(enc *jsontext.Encoder, _ time.Time) error {
	o := begin(enc)
	o.Text("trigger", string(e.Trigger))
	o.Text("key_type", string(e.KeyType))
	if e.KeyType.is1RTT() {
		o.Uint("key_phase", uint64(e.KeyPhase))
	}
	return o.End()
}

// KeyDiscarded is the event key_discarded.
type KeyDiscarded struct {
	KeyType  KeyType
	KeyPhase KeyPhase // only of 1-RTT keys
}

// Name implements qlogwriter.Event.
func (KeyDiscarded) Name() string { return "security:key_discarded" }

// Encode implements qlogwriter.Event.
func (e KeyDiscarded) Encode(enc *jsontext.Encoder, _ time.Time) error {
	o := begin(enc)
	if !e.KeyType.is1RTT() {
		o.Text("trigger", "tls")
	}
	o.Text("key_type", string(e.KeyType))
	if e.KeyType.is1RTT() {
		o.Uint("key_phase", uint64(e.KeyPhase))
	}
	return o.End()
}
