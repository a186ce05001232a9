// Package recovery decides what became of every packet: which sent packets were acknowledged or
// lost, when to probe, what may be sent now, and what has to be acknowledged to the peer. It is
// RFC 9002, and RFC 9000, Sections 8.1 (amplification limit), 13.2 (ACK frames), 13.4 (ECN) and
// 21.4 (optimistic acknowledgements), and draft-ietf-quic-ack-frequency-12: ack_policy.go is what the peer asks
// for, ack_request.go what we ask for.
//
// A Tracker holds one space per packet number space for both directions, and what belongs to
// the path: the RTT, the congestion controller with its pacer, the ECN state and the
// amplification limit. Sent packets live in a ring indexed by packet number. The ring begins at
// the oldest packet whose fate is open, and that is never more than the reordering threshold
// below the largest acknowledged one, so an ACK frame costs what it newly settles.
//
// Frames are opaque here: a packet carries Records, and a Result returns those that were
// acknowledged, lost or should be repeated by a probe. A record can be reported twice, for
// example as lost and, when that proved wrong, as acknowledged; its owner must not mind.
//
// The loop goroutine of the connection is the only caller. The package reads no clock, starts no
// goroutine, calls nobody back but the congestion controller, and keeps no reference to what it
// is given. What a peer can make it hold is bounded: sent packets by Params.MaxTracked, lost
// ones by maxRememberedLost, received ranges by protocol.MaxAckRanges. In the steady state it
// allocates nothing.
package recovery
