package qlogdraft

// schemas are the drafts by their namespaces.
var schemas = map[string]schema{"quic": quicSchema, "http3": http3Schema, "main": mainSchema, "loglevel": {"event debug": "message: text"}}

// quicSchema has the events that this module writes, and their frames (draft-ietf-quic-qlog-quic-events-13).
var quicSchema = schema{
	"event connection_started":       "local: Endpoint, remote: Endpoint",
	"event connection_closed":        "initiator?: Initiator, connection_error?: TransportError, application_error?: unknown, error_code?: uint, internal_code?: uint, reason?: text, trigger?: idle_timeout|application|error|version_mismatch|stateless_reset|aborted|unspecified",
	"event connection_state_updated": "old?: ConnectionState, new: ConnectionState",
	"event tuple_assigned":           "tuple_id: text, tuple_remote?: Endpoint, tuple_local?: Endpoint",
	"event mtu_updated":              "old?: uint, new: uint, done?: bool",
	"event version_information":      "server_versions?: [hex], client_versions?: [hex], chosen_version?: hex",
	"event alpn_information":         "server_alpns?: [ALPN], client_alpns?: [ALPN], chosen_alpn?: ALPN",
	"event parameters_set": "initiator?: Initiator, resumption_allowed?: bool, early_data_enabled?: bool, tls_cipher?: text, original_destination_connection_id?: hex, initial_source_connection_id?: hex, retry_source_connection_id?: hex, stateless_reset_token?: hex, " +
		"disable_active_migration?: bool, max_idle_timeout?: uint, max_udp_payload_size?: uint, ack_delay_exponent?: uint, max_ack_delay?: uint, active_connection_id_limit?: uint, initial_max_data?: uint, " +
		"initial_max_stream_data_bidi_local?: uint, initial_max_stream_data_bidi_remote?: uint, initial_max_stream_data_uni?: uint, initial_max_streams_bidi?: uint, initial_max_streams_uni?: uint, preferred_address?: PreferredAddress, " +
		"unknown_parameters?: [any], max_datagram_frame_size?: uint, grease_quic_bit?: bool, reset_stream_at?: bool",
	"event parameters_restored": "disable_active_migration?: bool, max_idle_timeout?: uint, max_udp_payload_size?: uint, active_connection_id_limit?: uint, initial_max_data?: uint, initial_max_stream_data_bidi_local?: uint, " +
		"initial_max_stream_data_bidi_remote?: uint, initial_max_stream_data_uni?: uint, initial_max_streams_bidi?: uint, initial_max_streams_uni?: uint, max_datagram_frame_size?: uint, grease_quic_bit?: bool",
	"event packet_sent": "header: Header, stateless_reset_token?: hex, supported_versions?: [hex], raw?: RawInfo, datagram_payload_checksum?: uint, is_mtu_probe_packet?: bool, " +
		"trigger?: retransmit_reordered|retransmit_timeout|pto_probe|retransmit_crypto|cc_bandwidth_probe",
	"event packet_received":          "header: Header, stateless_reset_token?: hex, supported_versions?: [hex], raw?: RawInfo, datagram_payload_checksum?: uint, trigger?: keys_available",
	"event packet_dropped":           "header?: Header, raw?: RawInfo, datagram_payload_checksum?: uint, details?: object, trigger?: internal_error|rejected|unsupported|invalid|duplicate|connection_unknown|decryption_failure|key_unavailable|general",
	"event packet_buffered":          "header?: Header, raw?: RawInfo, datagram_payload_checksum?: uint, trigger?: backpressure|keys_unavailable",
	"event udp_datagram_dropped":     "raw?: RawInfo",
	"event stream_state_updated":     "stream_id: uint, stream_type?: StreamType, old?: StreamState, new: StreamState, stream_side: sending|receiving, trigger?: local|remote",
	"event timer_updated":            "timer_type?: ack|pto|loss_timeout|path_validation|handshake_timeout|idle_timeout, timer_id?: uint, packet_number_space?: Space, event_type: set|expired|cancelled, delta?: float",
	"event key_updated":              "key_type: KeyType, old?: hex, new?: hex, key_phase?: uint, trigger?: tls|remote_update|local_update",
	"event key_discarded":            "key_type: KeyType, key?: hex, key_phase?: uint, trigger?: tls|remote_update|local_update",
	"event recovery_parameters_set":  "reordering_threshold?: uint, time_threshold?: float, timer_granularity: uint, initial_rtt?: float, max_datagram_size?: uint, initial_congestion_window?: uint, minimum_congestion_window?: uint, loss_reduction_factor?: float, persistent_congestion_threshold?: uint",
	"event recovery_metrics_updated": "min_rtt?: float, smoothed_rtt?: float, latest_rtt?: float, rtt_variance?: float, pto_count?: uint, congestion_window?: uint, bytes_in_flight?: uint, ssthresh?: uint, packets_in_flight?: uint, pacing_rate?: uint",
	"event congestion_state_updated": "old?: text, new: text, trigger?: text",
	"event packet_lost":              "header?: Header, is_mtu_probe_packet?: bool, trigger?: reordering_threshold|time_threshold|pto_expired",
	"event ecn_state_updated":        "old?: ECNState, new: ECNState",

	"Initiator":        "local|remote",
	"Endpoint":         "ip_v4?: text, port_v4?: uint, ip_v6?: text, port_v6?: uint, connection_ids?: [hex]",
	"PreferredAddress": "ip_v4?: text, port_v4?: uint, ip_v6?: text, port_v6?: uint, connection_id: hex, stateless_reset_token: hex",
	"ALPN":             "byte_value?: hex, string_value?: text",
	"ConnectionState":  "attempted|handshake_started|handshake_complete|closed|peer_validated|early_write|handshake_confirmed|closing|draining",
	"StreamType":       "unidirectional|bidirectional",
	"StreamState": "idle|open|closed|half_closed_local|half_closed_remote|ready|send|data_sent|reset_sent|reset_received|receive|size_known|data_read|reset_read|data_received|destroyed" +
		"|fin_queued|reset_queued|stopped|discarded|abandoned", // of our own: the set $StreamState is open
	"Space":    "initial|handshake|application_data",
	"KeyType":  "server_initial_secret|client_initial_secret|server_handshake_secret|client_handshake_secret|server_0rtt_secret|client_0rtt_secret|server_1rtt_secret|client_1rtt_secret",
	"ECNState": "testing|unknown|failed|capable",
	"RawInfo":  "length?: uint, payload_length?: uint, data?: hex",
	"Token":    "type?: retry|resumption, details?: object, raw?: RawInfo",
	"Header": "packet_type: initial|handshake|0RTT|1RTT|retry|version_negotiation|stateless_reset|unknown, packet_type_bytes?: uint, spin_bit?: bool, key_phase?: uint, key_phase_bit?: bool, packet_number_length?: uint, packet_number?: uint, " +
		"token?: Token, length?: uint, version?: hex, scil?: uint, dcil?: uint, scid?: hex, dcid?: hex",
	"TransportError": "no_error|internal_error|connection_refused|flow_control_error|stream_limit_error|stream_state_error|final_size_error|frame_encoding_error|transport_parameter_error|connection_id_limit_error|protocol_violation|" +
		"invalid_token|application_error|crypto_buffer_exceeded|key_update_error|aead_limit_reached|no_viable_path|unknown|=CryptoError",

	"frame padding":              "raw?: RawInfo",
	"frame ping":                 "raw?: RawInfo",
	"frame ack":                  "ack_delay?: float, acked_ranges?: [[uint]], ect1?: uint, ect0?: uint, ce?: uint, raw?: RawInfo",
	"frame reset_stream":         "stream_id: uint, error: unknown, error_code?: uint, final_size: uint, raw?: RawInfo",
	"frame reset_stream_at":      "stream_id: uint, error: unknown, error_code?: uint, final_size: uint, reliable_size: uint, raw?: RawInfo",
	"frame stop_sending":         "stream_id: uint, error: unknown, error_code?: uint, raw?: RawInfo",
	"frame crypto":               "offset: uint, raw: RawInfo",
	"frame new_token":            "token: Token, raw?: RawInfo",
	"frame stream":               "stream_id: uint, offset?: uint, fin?: bool, raw?: RawInfo",
	"frame max_data":             "maximum: uint, raw?: RawInfo",
	"frame max_stream_data":      "stream_id: uint, maximum: uint, raw?: RawInfo",
	"frame max_streams":          "stream_type: StreamType, maximum: uint, raw?: RawInfo",
	"frame data_blocked":         "limit: uint, raw?: RawInfo",
	"frame stream_data_blocked":  "stream_id: uint, limit: uint, raw?: RawInfo",
	"frame streams_blocked":      "stream_type: StreamType, limit: uint, raw?: RawInfo",
	"frame new_connection_id":    "sequence_number: uint, retire_prior_to: uint, connection_id_length?: uint, connection_id: hex, stateless_reset_token?: hex, raw?: RawInfo",
	"frame retire_connection_id": "sequence_number: uint, raw?: RawInfo",
	"frame path_challenge":       "data?: hex, raw?: RawInfo",
	"frame path_response":        "data?: hex, raw?: RawInfo",
	"frame connection_close":     "error_space?: transport|application, error?: TransportError, error_code?: uint, reason?: text, reason_bytes?: hex, trigger_frame_type?: =uint|=text, raw?: RawInfo",
	"frame handshake_done":       "raw?: RawInfo",
	"frame datagram":             "raw?: RawInfo",
}
