package qlogdraft

// renamed are events under the names of quic-go v0.65.0, and what the drafts call them.
var renamed = map[string]string{
	"transport:connection_started":      "quic:connection_started",
	"transport:connection_closed":       "quic:connection_closed",
	"transport:tuple_assigned":          "quic:tuple_assigned",
	"transport:version_information":     "quic:version_information",
	"transport:alpn_information":        "quic:alpn_information",
	"transport:parameters_set":          "quic:parameters_set",
	"transport:parameters_restored":     "quic:parameters_restored",
	"transport:packet_sent":             "quic:packet_sent",
	"transport:packet_received":         "quic:packet_received",
	"transport:packet_dropped":          "quic:packet_dropped",
	"transport:packet_buffered":         "quic:packet_buffered",
	"transport:priority_updated":        "http3:priority_updated",
	"transport:debug":                   "loglevel:debug",
	"quic:datagram_dropped":             "quic:udp_datagram_dropped",
	"security:key_updated":              "quic:key_updated",
	"security:key_discarded":            "quic:key_discarded",
	"recovery:metrics_updated":          "quic:recovery_metrics_updated",
	"recovery:loss_timer_updated":       "quic:timer_updated",
	"recovery:mtu_updated":              "quic:mtu_updated",
	"recovery:packet_lost":              "quic:packet_lost",
	"recovery:congestion_state_updated": "quic:congestion_state_updated",
	"recovery:ecn_state_updated":        "quic:ecn_state_updated",
}

const (
	endpoints = "v0.65.0 has objects address_v4 and address_v6, and texts for redacted addresses"
	versions  = "v0.65.0 writes versions as numbers without leading zeros, so that 1 is no hexstring"
	lengths   = "v0.65.0 has the lengths of frames as a member of their own"
	codes     = "v0.65.0 has error codes of applications without a name"
	push      = "v0.65.0 has no fields for server push, which nothing here uses"
)

// deviations are what the traces of this module have that the drafts do not, by the path.
var deviations = map[string]string{
	"transport:packet_sent.ecn":                             "the ECN mark of the datagram; the draft has it in udp_datagrams_sent, which v0.65.0 does not write",
	"transport:packet_received.ecn":                         "as for packet_sent",
	"transport:packet_sent.tuple":                           "the draft has it beside the data of the event",
	"transport:packet_received.tuple":                       "as for packet_sent",
	"transport:packet_sent.header.version":                  versions,
	"transport:packet_received.header.version":              versions,
	"transport:packet_buffered.header.version":              versions,
	"transport:packet_dropped.header.version":               versions,
	"recovery:packet_lost.header.version":                   versions,
	"transport:packet_received.supported_versions":          versions,
	"transport:version_information.client_versions":         versions,
	"transport:version_information.server_versions":         versions,
	"transport:packet_sent.supported_versions":              versions,
	"transport:version_information.chosen_version":          versions,
	"transport:packet_dropped.trigger=keys_unavailable":     "the draft calls this reason key_unavailable, without an s",
	"transport:connection_started.local.address_v4":         endpoints,
	"transport:connection_started.local.address_v6":         endpoints,
	"transport:connection_started.remote.address_v4":        endpoints,
	"transport:connection_started.remote.address_v6":        endpoints,
	"transport:tuple_assigned.tuple_local.address_v4":       endpoints,
	"transport:tuple_assigned.tuple_local.address_v6":       endpoints,
	"transport:tuple_assigned.tuple_remote.address_v4":      endpoints,
	"transport:tuple_assigned.tuple_remote.address_v6":      endpoints,
	"transport:parameters_set.preferred_address.address_v4": endpoints,
	"transport:parameters_set.preferred_address.address_v6": endpoints,
	"transport:parameters_restored.reset_stream_at":         "the draft has it in parameters_set only",
	"recovery:loss_timer_updated.timer_type=path_probe":     "the draft has path_validation instead; nothing records this one",
	"recovery:spurious_loss":                                "an event that the draft does not have",
	"quic:recovery_parameters_set.reordering_threshold":     "\"disabled\" if there is no such threshold, which nothing records",
	"quic:datagram_dropped.direction":                       "also for DATAGRAM frames, of both directions",
	"quic:datagram_dropped.trigger":                         "why the datagram is dropped",
	"frame.stream.length":                                   lengths,
	"frame.crypto.length":                                   lengths,
	"frame.crypto.raw":                                      lengths,
	"frame.datagram.length":                                 lengths,
	"frame.reset_stream.error":                              codes,
	"frame.reset_stream_at.error":                           codes,
	"frame.stop_sending.error":                              codes,
	"frame.ack_frequency":                                   "draft-ietf-quic-ack-frequency has no definition for qlog",
	"frame.immediate_ack":                                   "as for ack_frequency",
	"frame.push_promise.push_id":                            push,
	"frame.push_promise.headers":                            push,
	"frame.max_push_id.push_id":                             push,
	"frame.cancel_push.push_id":                             push,
}

// headerDeviations are those of the first record.
var headerDeviations = map[string]string{
	"header.code_version":                       "which version of this module has written the file",
	"header.qlog_format":                        "readers of older drafts look for it",
	"header.qlog_version":                       "readers of older drafts look for it",
	"header.trace.vantage_point.type=transport": "the trace of a Transport; the draft knows the sides of a connection only",
}
