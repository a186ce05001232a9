package http3

import (
	"strings"

	"github.com/quic-go/quic-go/quicvarint"
)

// A priority is the value of a Priority field (RFC 9218, Section 4).
type priority struct {
	urgency     int8 // 0 is the most urgent, 7 the least
	incremental bool
}

// parsePriority parses a Priority Field Value, a dictionary of structured fields (RFC 9651).
//
// "unknown priority parameters, priority parameters with out-of-range values, or values of unexpected
// types MUST be ignored" (RFC 9218, Section 4).
func parsePriority(s string) priority {
	p := priority{urgency: 3}
	for member := range strings.SplitSeq(s, ",") {
		member = strings.Trim(member, " \t")
		// The members that count have no quoted value that could contain a delimiter.
		member, _, _ = strings.Cut(member, ";")
		switch {
		case member == "i" || member == "i=?1":
			p.incremental = true
		case member == "i=?0":
			p.incremental = false
		case len(member) == 3 && strings.HasPrefix(member, "u=") && '0' <= member[2] && member[2] <= '7':
			p.urgency = int8(member[2] - '0')
		}
	}
	return p
}

// parsePriorityUpdate parses a PRIORITY_UPDATE frame for a request stream (RFC 9218, Section 7.2).
func parsePriorityUpdate(payload []byte) (streamID uint64, p priority, err error) {
	id, n, err := quicvarint.Parse(payload)
	if err != nil {
		return 0, p, connErrorf(ErrCodeFrameError, "PRIORITY_UPDATE frame without stream ID")
	}
	// "If a server receives a PRIORITY_UPDATE (type=0xF0700) for a stream ID that is not a request
	// stream, this MUST be treated as a connection error of type H3_ID_ERROR." (RFC 9218, Section 7.2)
	if id%4 != 0 {
		return 0, p, connErrorf(ErrCodeIDError, "PRIORITY_UPDATE frame for stream %d", id)
	}
	return id, parsePriority(string(payload[n:])), nil
}
