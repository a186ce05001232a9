package qlogdraft

// http3Schema has the events that this module writes, and their frames (draft-ietf-quic-qlog-h3-events).
var http3Schema = schema{
	"event stream_type_set":  "initiator?: local|remote, stream_id: uint, stream_type: request|control|push|reserved|unknown|qpack_encode|qpack_decode, stream_type_bytes?: uint, associated_push_id?: uint",
	"event priority_updated": "stream_id?: uint, push_id?: uint, old?: text, new: text, trigger?: client_signal_received|local|other, reason?: client_signal_only|client_server_merged|local_policy|other",
	"event frame_created":    "stream_id: uint",
	"event frame_parsed":     "stream_id: uint",
	"event datagram_created": "quarter_stream_id: uint, raw?: RawInfo",
	"event datagram_parsed":  "quarter_stream_id: uint, raw?: RawInfo",

	"RawInfo": "length?: uint, payload_length?: uint, data?: hex",
	"Field":   "name?: text, name_bytes?: hex, value?: text, value_bytes?: hex",
	"Setting": "name?: settings_qpack_max_table_capacity|settings_max_field_section_size|settings_qpack_blocked_streams|settings_enable_connect_protocol|settings_h3_datagram|reserved|unknown, name_bytes?: uint, value: uint",

	"frame data":            "raw?: RawInfo",
	"frame headers":         "headers: [Field], raw?: RawInfo",
	"frame cancel_push":     "push_id: uint, raw?: RawInfo",
	"frame settings":        "settings: [Setting], raw?: RawInfo",
	"frame push_promise":    "push_id: uint, headers: [Field], raw?: RawInfo",
	"frame goaway":          "id: uint, raw?: RawInfo",
	"frame max_push_id":     "push_id: uint, raw?: RawInfo",
	"frame reserved":        "frame_type_bytes: uint, raw?: RawInfo",
	"frame unknown":         "frame_type_bytes: uint, raw?: RawInfo",
	"frame priority_update": "stream_id?: uint, push_id?: uint, priority_field_value: text, raw?: RawInfo",
}

// mainSchema has the first record of a file (draft-ietf-quic-qlog-main-schema).
var mainSchema = schema{
	"header":        "file_schema: urn:ietf:params:qlog:file:sequential, serialization_format: application/qlog+json-seq, title?: text, description?: text, trace: Trace",
	"Trace":         "title?: text, description?: text, common_fields?: CommonFields, vantage_point?: VantagePoint, event_schemas: [text]",
	"CommonFields":  "tuple?: text, time_format?: text, reference_time?: ReferenceTime, group_id?: text",
	"ReferenceTime": "clock_type: text, epoch: text, wall_clock_time?: text",
	"VantagePoint":  "name?: text, type: client|server|network|unknown, flow?: client|server|unknown",
}
