package qlog

import (
	"net/netip"
	"time"

	"github.com/quic-go/quic-go/qlogwriter/jsontext"
)

// A TupleEndpointInfo is one end of a path. Usually one of the addresses is set.
type TupleEndpointInfo struct {
	IPv4 netip.AddrPort
	IPv6 netip.AddrPort
}

// endpoint writes an end of a path. A redacted address is a text of the program's own making.
func (o object) endpoint(name string, e TupleEndpointInfo, redacted *string) {
	o.BeginObject(name)
	switch {
	case redacted != nil && e.IPv4.IsValid():
		o.Text("address_v4", *redacted)
	case redacted != nil:
		o.Text("address_v6", *redacted)
	default:
		o.optAddress("address_v4", e.IPv4, nil)
		o.optAddress("address_v6", e.IPv6, nil)
	}
	o.EndObject()
}

// optAddress writes an address, the text that replaces it, or nothing if there is neither.
func (o object) optAddress(name string, a netip.AddrPort, redacted *string) {
	switch {
	case redacted != nil:
		o.Text(name, *redacted)
	case a.IsValid():
		o.BeginObject(name)
		o.Text("ip", a.Addr().String())
		o.Int("port", int64(a.Port()))
		o.EndObject()
	}
}

// StartedConnection is the event connection_started.
type StartedConnection struct {
	Local  TupleEndpointInfo
	Remote TupleEndpointInfo
	// Texts that replace the addresses, see RedactIPs.
	RedactedLocal  *string
	RedactedRemote *string
}

// Name implements qlogwriter.Event.
func (StartedConnection) Name() string { return "transport:connection_started" }

// Encode implements qlogwriter.Event.
func (e StartedConnection) Encode(enc *jsontext.Encoder, _ time.Time) error {
	o := begin(enc)
	o.endpoint("local", e.Local, e.RedactedLocal)
	o.endpoint("remote", e.Remote, e.RedactedRemote)
	return o.End()
}

// TupleAssigned is the event tuple_assigned: a path got a name.
type TupleAssigned struct {
	TupleID string
	Local   TupleEndpointInfo
	Remote  TupleEndpointInfo
	// Texts that replace the addresses, see RedactIPs.
	RedactedLocal  *string
	RedactedRemote *string
}

// Name implements qlogwriter.Event.
func (TupleAssigned) Name() string { return "transport:tuple_assigned" }

// Encode implements qlogwriter.Event.
func (e TupleAssigned) Encode(enc *jsontext.Encoder, _ time.Time) error {
	o := begin(enc)
	o.Text("tuple_id", e.TupleID)
	o.endpoint("tuple_local", e.Local, e.RedactedLocal)
	o.endpoint("tuple_remote", e.Remote, e.RedactedRemote)
	return o.End()
}

// ConnectionClosed is the event connection_closed. At most one of the two errors is set.
type ConnectionClosed struct {
	Initiator        Initiator
	ConnectionError  *TransportErrorCode
	ApplicationError *ApplicationErrorCode
	Reason           string
	Trigger          ConnectionCloseTrigger
}

// A ConnectionCloseTrigger says why a connection ended without an error code.
type ConnectionCloseTrigger string

// Reasons for the end of a connection.
const (
	ConnectionCloseTriggerIdleTimeout     ConnectionCloseTrigger = "idle_timeout"
	ConnectionCloseTriggerApplication     ConnectionCloseTrigger = "application"
	ConnectionCloseTriggerVersionMismatch ConnectionCloseTrigger = "version_mismatch"
	ConnectionCloseTriggerStatelessReset  ConnectionCloseTrigger = "stateless_reset"
)

// Name implements qlogwriter.Event.
func (ConnectionClosed) Name() string { return "transport:connection_closed" }

// Encode implements qlogwriter.Event.
func (e ConnectionClosed) Encode(enc *jsontext.Encoder, _ time.Time) error {
	o := begin(enc)
	o.Text("initiator", string(e.Initiator))
	if e.ConnectionError != nil {
		o.transportError("connection_error", *e.ConnectionError)
	}
	if e.ApplicationError != nil {
		o.applicationError("application_error", *e.ApplicationError)
	}
	if e.ConnectionError != nil || e.ApplicationError != nil {
		o.Text("reason", e.Reason)
	}
	o.optText("trigger", string(e.Trigger))
	return o.End()
}

// ConnectionStateUpdated is the event connection_state_updated.
type ConnectionStateUpdated struct {
	State ConnectionState
}

// A ConnectionState says how far a connection has got.
type ConnectionState string

// States of a connection.
const (
	ConnectionStateAttempted          ConnectionState = "attempted"
	ConnectionStateHandshakeStarted   ConnectionState = "handshake_started"
	ConnectionStateHandshakeComplete  ConnectionState = "handshake_complete"
	ConnectionStateHandshakeConfirmed ConnectionState = "handshake_confirmed"
	ConnectionStateClosed             ConnectionState = "closed"
)

// Name implements qlogwriter.Event.
func (ConnectionStateUpdated) Name() string { return "quic:connection_state_updated" }

// Encode implements qlogwriter.Event.
func (e ConnectionStateUpdated) Encode(enc *jsontext.Encoder, _ time.Time) error {
	o := begin(enc)
	o.Text("new", string(e.State))
	return o.End()
}

// VersionInformation is the event version_information.
type VersionInformation struct {
	ClientVersions []Version
	ServerVersions []Version
	ChosenVersion  Version
}

// Name implements qlogwriter.Event.
func (VersionInformation) Name() string { return "transport:version_information" }

// Encode implements qlogwriter.Event.
func (e VersionInformation) Encode(enc *jsontext.Encoder, _ time.Time) error {
	o := begin(enc)
	if len(e.ClientVersions) > 0 {
		o.versions("client_versions", e.ClientVersions)
	}
	if len(e.ServerVersions) > 0 {
		o.versions("server_versions", e.ServerVersions)
	}
	o.Text("chosen_version", versionName(e.ChosenVersion))
	return o.End()
}

// ALPNInformation is the event alpn_information.
type ALPNInformation struct {
	ChosenALPN string
}

// Name implements qlogwriter.Event.
func (ALPNInformation) Name() string { return "transport:alpn_information" }

// Encode implements qlogwriter.Event.
func (e ALPNInformation) Encode(enc *jsontext.Encoder, _ time.Time) error {
	o := begin(enc)
	o.BeginObject("chosen_alpn")
	o.Text("string_value", e.ChosenALPN)
	o.EndObject()
	return o.End()
}

// DatagramDropped is the event datagram_dropped, for a UDP datagram or a DATAGRAM frame.
type DatagramDropped struct {
	Direction Direction
	Raw       RawInfo
	Trigger   string
}

// Name implements qlogwriter.Event.
func (DatagramDropped) Name() string { return "quic:datagram_dropped" }

// Encode implements qlogwriter.Event.
func (e DatagramDropped) Encode(enc *jsontext.Encoder, _ time.Time) error {
	o := begin(enc)
	o.optText("direction", string(e.Direction))
	o.raw(e.Raw)
	o.optText("trigger", e.Trigger)
	return o.End()
}

// A DebugEvent carries a text.
type DebugEvent struct {
	EventName string // "debug" if empty
	Message   string
}

// Name implements qlogwriter.Event.
func (e DebugEvent) Name() string {
	if e.EventName == "" {
		return "transport:debug"
	}
	return "transport:" + e.EventName
}

// Encode implements qlogwriter.Event.
func (e DebugEvent) Encode(enc *jsontext.Encoder, _ time.Time) error {
	o := begin(enc)
	o.Text("message", e.Message)
	return o.End()
}
