package qlog

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/qlogwriter"
	"github.com/quic-go/quic-go/qlogwriter/jsontext"
)

var (
	cid   = protocol.ParseConnectionID([]byte{1, 2, 3, 4})
	noCID = protocol.ParseConnectionID(nil)
	addr4 = netip.MustParseAddrPort("192.0.2.1:443")
	addr6 = netip.MustParseAddrPort("[2001:db8::1]:443")
	raw   = RawInfo{Length: 7, PayloadLength: 5}
	token = protocol.StatelessResetToken{1, 2}

	transportErr   = TransportErrorCode(0xa)
	cryptoErr      = TransportErrorCode(0x12a)
	unknownErr     = TransportErrorCode(0x4242)
	applicationErr = ApplicationErrorCode(3)
)

// A row is an event and what it becomes.
type row struct {
	name  string
	event qlogwriter.Event
	want  string
}

func runRows(t *testing.T, rows []row) {
	t.Helper()
	for _, r := range rows {
		var b bytes.Buffer
		if err := r.event.Encode(jsontext.NewEncoder(&b), time.UnixMilli(1000)); err != nil {
			t.Errorf("%s: %v", r.name, err)
			continue
		}
		if got := r.event.Name() + " " + b.String(); got != r.want+"\n" {
			t.Errorf("%s: encoded\n%s, want\n%s", r.name, got, r.want)
		}
	}
}

func TestPacketEvents(t *testing.T) {
	initial := PacketHeader{PacketType: PacketTypeInitial, PacketNumber: 3, Version: 1, SrcConnectionID: noCID, DestConnectionID: cid, Token: &Token{Raw: []byte{9}}}
	short := PacketHeader{PacketType: PacketType1RTT, PacketNumber: 0, SrcConnectionID: cid, DestConnectionID: cid, KeyPhaseBit: KeyPhaseOne}
	noNumber := PacketHeader{PacketType: PacketTypeHandshake, PacketNumber: -1, Version: protocol.Version2}
	runRows(t, []row{
		{"an Initial", PacketSent{Header: initial, Raw: raw, DatagramPayloadChecksum: 8, Frames: []Frame{{&PingFrame{}}}, ECN: ECT0, Trigger: "pto", IsMTUProbePacket: true, Tuple: "1"},
			`transport:packet_sent {"header":{"packet_type":"initial","packet_number":3,"version":"1","scid":"","dcid":"01020304","token":{"raw":{"data":"09"}}},"raw":{"length":7,"payload_length":5},"datagram_payload_checksum":8,"frames":[{"frame_type":"ping"}],"ecn":"ECT(0)","trigger":"pto","is_mtu_probe_packet":true,"tuple":"1"}`},
		{"a short header has no Source Connection ID", PacketReceived{Header: short, Raw: raw, Frames: []Frame{{&PingFrame{}}, {&HandshakeDoneFrame{}}}, ECN: ECNCE, Tuple: "2"},
			`transport:packet_received {"header":{"packet_type":"1RTT","packet_number":0,"dcid":"01020304","key_phase_bit":true},"raw":{"length":7,"payload_length":5},"frames":[{"frame_type":"ping"},{"frame_type":"handshake_done"}],"ecn":"CE","tuple":"2"}`},
		{"an empty header", PacketSent{}, `transport:packet_sent {"header":{"packet_type":"unknown"},"raw":{"length":0,"payload_length":0}}`},
		{"no length", PacketBuffered{Header: noNumber, Raw: RawInfo{OmitLength, OmitLength}},
			`transport:packet_buffered {"header":{"packet_type":"handshake","version":"6b3343cf"},"raw":{},"trigger":"keys_unavailable"}`},
		{"a reason with a word of its own", PacketDropped{Header: noNumber, Raw: raw, Trigger: PacketDropDuplicate},
			`transport:packet_dropped {"header":{"packet_type":"handshake","version":"6b3343cf"},"raw":{"length":7,"payload_length":5},"trigger":"duplicate"}`},
		{"a reason with details", PacketDropped{Header: noNumber, Raw: raw, Trigger: PacketDropUnexpectedVersion},
			`transport:packet_dropped {"header":{"packet_type":"handshake","version":"6b3343cf"},"raw":{"length":7,"payload_length":5},"trigger":"invalid","details":{"reason":"unexpected_version"}}`},
		{"an unknown reason", PacketDropped{Header: noNumber, Raw: raw, Trigger: "bad luck"},
			`transport:packet_dropped {"header":{"packet_type":"handshake","version":"6b3343cf"},"raw":{"length":7,"payload_length":5},"trigger":"general","details":{"reason":"bad luck"}}`},
		{"a lost packet", PacketLost{Header: PacketHeader{PacketType: PacketType1RTT, PacketNumber: 9}, Trigger: PacketLossTimeThreshold},
			`recovery:packet_lost {"header":{"packet_type":"1RTT","packet_number":9},"trigger":"time_threshold"}`},
		{"a Version Negotiation packet", VersionNegotiationSent{Header: PacketHeaderVersionNegotiation{SrcConnectionID: []byte{1}, DestConnectionID: []byte{2, 3}}, SupportedVersions: []Version{1, 0x1a2a3a4a}},
			`transport:packet_sent {"header":{"packet_type":"version_negotiation","scid":"01","dcid":"0203"},"supported_versions":["1","1a2a3a4a"]}`},
		{"one that was received", VersionNegotiationReceived{},
			`transport:packet_received {"header":{"packet_type":"version_negotiation","scid":"","dcid":""},"supported_versions":[]}`},
		{"a datagram", DatagramDropped{Direction: DirectionSending, Raw: RawInfo{OmitLength, 5}, Trigger: "x"},
			`quic:datagram_dropped {"direction":"sending","raw":{"payload_length":5},"trigger":"x"}`},
	})
}

func TestConnectionEvents(t *testing.T) {
	runRows(t, []row{
		{"a start", StartedConnection{Local: TupleEndpointInfo{IPv4: addr4}, Remote: TupleEndpointInfo{IPv6: addr6}},
			`transport:connection_started {"local":{"address_v4":{"ip":"192.0.2.1","port":443}},"remote":{"address_v6":{"ip":"2001:db8::1","port":443}}}`},
		{"a tuple", TupleAssigned{TupleID: "1", Local: TupleEndpointInfo{IPv4: addr4, IPv6: addr6}},
			`transport:tuple_assigned {"tuple_id":"1","tuple_local":{"address_v4":{"ip":"192.0.2.1","port":443},"address_v6":{"ip":"2001:db8::1","port":443}},"tuple_remote":{}}`},
		{"an end by a transport error", ConnectionClosed{Initiator: InitiatorLocal, ConnectionError: &transportErr, Reason: "r"},
			`transport:connection_closed {"initiator":"local","connection_error":"protocol_violation","reason":"r"}`},
		{"an end by an alert", ConnectionClosed{Initiator: InitiatorRemote, ConnectionError: &cryptoErr},
			`transport:connection_closed {"initiator":"remote","connection_error":"crypto_error_0x12a","reason":""}`},
		{"an end by an unknown error", ConnectionClosed{Initiator: InitiatorRemote, ConnectionError: &unknownErr},
			`transport:connection_closed {"initiator":"remote","connection_error":"unknown","error_code":16962,"reason":""}`},
		{"an end by the application", ConnectionClosed{Initiator: InitiatorRemote, ApplicationError: &applicationErr, Reason: "bye"},
			`transport:connection_closed {"initiator":"remote","application_error":"unknown","error_code":3,"reason":"bye"}`},
		{"an end by silence", ConnectionClosed{Initiator: InitiatorLocal, Trigger: ConnectionCloseTriggerIdleTimeout},
			`transport:connection_closed {"initiator":"local","trigger":"idle_timeout"}`},
		{"a state", ConnectionStateUpdated{State: ConnectionStateHandshakeConfirmed}, `quic:connection_state_updated {"new":"handshake_confirmed"}`},
		{"versions", VersionInformation{ClientVersions: []Version{1, protocol.Version2}, ChosenVersion: protocol.Version2},
			`transport:version_information {"client_versions":["1","6b3343cf"],"chosen_version":"6b3343cf"}`},
		{"ALPN", ALPNInformation{ChosenALPN: "h3"}, `transport:alpn_information {"chosen_alpn":{"string_value":"h3"}}`},
		{"a text", DebugEvent{Message: "m"}, `transport:debug {"message":"m"}`},
		{"a text with a name", DebugEvent{EventName: "n", Message: "m"}, `transport:n {"message":"m"}`},
		{"a state of a stream", StreamStateUpdated{StreamID: 4, State: "data_sent", Side: DirectionSending},
			`quic:stream_state_updated {"stream_id":4,"stream_type":"bidirectional","new":"data_sent","stream_side":"sending"}`},
		{"a priority", StreamPriorityUpdated{StreamID: 4, Urgency: 3, Incremental: true}, `transport:priority_updated {"stream_id":4,"new":"u=3, i"}`},
		{"another priority", StreamPriorityUpdated{StreamID: 4, Urgency: 7}, `transport:priority_updated {"stream_id":4,"new":"u=7"}`},
	})
}

func TestParameterEvents(t *testing.T) {
	all := ParametersSet{
		Initiator: InitiatorRemote, SentBy: protocol.PerspectiveServer,
		OriginalDestinationConnectionID: cid, InitialSourceConnectionID: noCID, RetrySourceConnectionID: cid, StatelessResetToken: &token,
		DisableActiveMigration: true, MaxIdleTimeout: 1500 * time.Millisecond, MaxUDPPayloadSize: 1452, AckDelayExponent: 3,
		MaxAckDelay: 26 * time.Millisecond, ActiveConnectionIDLimit: 4, InitialMaxData: 5, InitialMaxStreamDataBidiLocal: 6,
		InitialMaxStreamDataBidiRemote: 7, InitialMaxStreamDataUni: 8, InitialMaxStreamsBidi: 9, InitialMaxStreamsUni: 10,
		PreferredAddress:     &PreferredAddress{IPv4: addr4, IPv6: addr6, ConnectionID: cid, StatelessResetToken: token},
		MaxDatagramFrameSize: 11, EnableResetStreamAt: true,
	}
	const limits = `"active_connection_id_limit":4,"initial_max_data":5,"initial_max_stream_data_bidi_local":6,"initial_max_stream_data_bidi_remote":7,` +
		`"initial_max_stream_data_uni":8,"initial_max_streams_bidi":9,"initial_max_streams_uni":10`
	const resetToken = `"stateless_reset_token":"01020000000000000000000000000000"`
	runRows(t, []row{
		{"those of a server", all, `transport:parameters_set {"initiator":"remote","original_destination_connection_id":"01020304",` + resetToken +
			`,"retry_source_connection_id":"01020304","initial_source_connection_id":"","disable_active_migration":true,"max_idle_timeout":1500,` +
			`"max_udp_payload_size":1452,"ack_delay_exponent":3,"max_ack_delay":26,` + limits +
			`,"preferred_address":{"address_v4":{"ip":"192.0.2.1","port":443},"address_v6":{"ip":"2001:db8::1","port":443},"connection_id":"01020304",` + resetToken +
			`},"max_datagram_frame_size":11,"reset_stream_at":true}`},
		{"those of a client", ParametersSet{Initiator: InitiatorLocal, SentBy: protocol.PerspectiveClient, OriginalDestinationConnectionID: cid, InitialSourceConnectionID: cid, MaxDatagramFrameSize: -1},
			`transport:parameters_set {"initiator":"local","initial_source_connection_id":"01020304","disable_active_migration":false,"ack_delay_exponent":0}`},
		{"remembered ones", ParametersRestored{4, 5, 6, 7, 8, 9, 10, 11, true},
			`transport:parameters_restored {` + limits + `,"max_datagram_frame_size":11,"reset_stream_at":true}`},
		{"none", ParametersRestored{MaxDatagramFrameSize: -1}, `transport:parameters_restored {}`},
	})
}

func TestRecoveryEvents(t *testing.T) {
	at := time.UnixMilli(1000).Add(1500 * time.Microsecond)
	runRows(t, []row{
		{"constants", RecoveryParametersSet{ReorderingThreshold: 3, TimeThreshold: 1.125, TimerGranularity: time.Millisecond, InitialCongestionWindow: 100, InitialRTT: 333 * time.Millisecond},
			`quic:recovery_parameters_set {"reordering_threshold":3,"time_threshold":1.125,"timer_granularity":1,"initial_congestion_window":100,"initial_rtt":333}`},
		{"no threshold", RecoveryParametersSet{ReorderingThreshold: 3, PacketThresholdDisabled: true},
			`quic:recovery_parameters_set {"reordering_threshold":"disabled","time_threshold":0,"timer_granularity":0}`},
		{"metrics", MetricsUpdated{MinRTT: time.Millisecond, SmoothedRTT: 1500 * time.Microsecond, LatestRTT: time.Second, RTTVariance: time.Nanosecond, CongestionWindow: 1, BytesInFlight: 2, PacketsInFlight: 3},
			`recovery:metrics_updated {"min_rtt":1,"smoothed_rtt":1.5,"latest_rtt":1000,"rtt_variance":1e-06,"congestion_window":1,"bytes_in_flight":2,"packets_in_flight":3}`},
		{"metrics before the first sample", MetricsUpdated{}, `recovery:metrics_updated {"congestion_window":0,"bytes_in_flight":0,"packets_in_flight":0}`},
		{"PTOs", PTOCountUpdated{PTOCount: 2}, `recovery:metrics_updated {"pto_count":2}`},
		{"MTU", MTUUpdated{Value: 1400, Done: true}, `recovery:mtu_updated {"new":1400,"done":true}`},
		{"a spurious loss", SpuriousLoss{EncryptionLevel: Encryption1RTT, PacketNumber: 4, PacketReordering: 5, TimeReordering: time.Millisecond},
			`recovery:spurious_loss {"packet_number_space":"application_data","packet_number":4,"reordering_packets":5,"reordering_time":1}`},
		{"a timer", TimerUpdated{Type: TimerEventTypeSet, TimerType: TimerTypePTO, EncLevel: EncryptionHandshake, Time: at},
			`recovery:loss_timer_updated {"event_type":"set","timer_type":"pto","packet_number_space":"handshake","delta":1.5}`},
		{"a timer that has expired", TimerUpdated{Type: TimerEventTypeExpired, TimerType: TimerTypeACK, EncLevel: EncryptionInitial, Time: at},
			`recovery:loss_timer_updated {"event_type":"expired","timer_type":"ack","packet_number_space":"initial"}`},
		{"a timer that is off", TimerUpdated{Type: TimerEventTypeCancelled}, `recovery:loss_timer_updated {"event_type":"cancelled"}`},
		{"a congestion state", CongestionStateUpdated{State: CongestionStateRecovery}, `recovery:congestion_state_updated {"new":"recovery"}`},
		{"an ECN state", ECNStateUpdated{State: ECNStateFailed, Trigger: "t"}, `recovery:ecn_state_updated {"new":"failed","trigger":"t"}`},
	})
}

func TestSecurityEvents(t *testing.T) {
	runRows(t, []row{
		{"a key of the handshake", KeyUpdated{Trigger: KeyUpdateTLS, KeyType: KeyTypeClientHandshake, KeyPhase: 1}, `security:key_updated {"trigger":"tls","key_type":"client_handshake_secret"}`},
		{"a 1-RTT key", KeyUpdated{Trigger: KeyUpdateRemote, KeyType: KeyTypeServer1RTT, KeyPhase: 1}, `security:key_updated {"trigger":"remote_update","key_type":"server_1rtt_secret","key_phase":1}`},
		{"a discarded key", KeyDiscarded{KeyType: KeyTypeClientInitial}, `security:key_discarded {"trigger":"tls","key_type":"client_initial_secret"}`},
		{"a discarded 1-RTT key", KeyDiscarded{KeyType: KeyTypeClient1RTT}, `security:key_discarded {"key_type":"client_1rtt_secret","key_phase":0}`},
	})
}

type failingWriter struct{ left int }

var errFull = errors.New("full")

func (w *failingWriter) Write(b []byte) (int, error) {
	if w.left -= len(b); w.left < 0 {
		return 0, errFull
	}
	return len(b), nil
}

func TestErrorsOfTheWriterAreReturned(t *testing.T) {
	e := PacketSent{Raw: raw, Frames: []Frame{{&AckFrame{AckRanges: []AckRange{{Smallest: 1, Largest: 2}}}}}}
	var whole bytes.Buffer
	if err := e.Encode(jsontext.NewEncoder(&whole), time.Time{}); err != nil {
		t.Fatal(err)
	}
	for n := range whole.Len() {
		if err := e.Encode(jsontext.NewEncoder(&failingWriter{n}), time.Time{}); err != errFull {
			t.Errorf("with room for %d of %d bytes: %v, want the error of the writer", n, whole.Len(), err)
		}
	}
}
