// Package qlogdraft tests the traces of this module against the definitions of draft-ietf-quic-qlog-quic-events-13,
// draft-ietf-quic-qlog-h3-events and draft-ietf-quic-qlog-main-schema: names of members, types, sets of values and what may not
// be left out. Where the names and encodings of quic-go v0.65.0 differ, deviations_test.go says so line by line; a
// deviation that does not occur any more fails the tests too.
//
// The definitions are data in schema_quic_test.go and schema_http3_test.go. They are applied to an example of each
// event and value, and to the files of real connections.
package qlogdraft
