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

// defaultUrgency is the urgency without a priority (RFC 9218, Section 4.1).
const defaultUrgency = 3

// parsePriority parses a Priority Field Value, a dictionary of structured fields (RFC 9651, Section 3.2). Of members
// with the same key the last one counts. What cannot be parsed is ignored, as far as it goes.
//
// "unknown priority parameters, priority parameters with out-of-range values, or values of unexpected
// types MUST be ignored" (RFC 9218, Section 4).
func parsePriority(s string) priority {
	p := priority{urgency: defaultUrgency}
	for s != "" {
		var member string
		member, s = cutMember(s)
		// Values that count contain no semicolon.
		member, _, _ = strings.Cut(member, ";")
		key, value, hasValue := strings.Cut(member, "=")
		switch key {
		case "u":
			p.urgency = defaultUrgency
			if len(value) == 1 && '0' <= value[0] && value[0] <= '7' {
				p.urgency = int8(value[0] - '0')
			}
		case "i":
			p.incremental = !hasValue || value == "?1"
		}
	}
	return p
}

// cutMember cuts a dictionary behind the comma that ends its first member, which is no comma inside a string.
func cutMember(s string) (member, rest string) {
	inString := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && inString:
			i++
		case s[i] == '"':
			inString = !inString
		case s[i] == ',' && !inString:
			return strings.Trim(s[:i], " \t"), s[i+1:]
		}
	}
	return strings.Trim(s, " \t"), ""
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
