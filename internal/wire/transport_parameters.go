package wire

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
	"github.com/quic-go/quic-go/quicvarint"
)

// TransportParameters are the transport parameters of one endpoint (RFC 9000, Section 18).
// What a connection needs to know about each of them stands in transportParameterTable.
type TransportParameters struct {
	// Authentication of connection IDs (RFC 9000, Section 7.3). Zero values and nil: absent.
	OriginalDestinationConnectionID, InitialSourceConnectionID protocol.ConnectionID
	RetrySourceConnectionID                                    *protocol.ConnectionID

	StatelessResetToken *protocol.StatelessResetToken // nil: absent
	PreferredAddress    *PreferredAddress             // nil: absent
	VersionInformation  *VersionInformation           // nil: absent

	MaxIdleTimeout    time.Duration      // 0: none
	MaxUDPPayloadSize protocol.ByteCount // sent if at least 1200

	// Flow control.
	InitialMaxData                 protocol.ByteCount
	InitialMaxStreamDataBidiLocal  protocol.ByteCount
	InitialMaxStreamDataBidiRemote protocol.ByteCount
	InitialMaxStreamDataUni        protocol.ByteCount
	MaxBidiStreamNum               protocol.StreamNum
	MaxUniStreamNum                protocol.StreamNum

	AckDelayExponent        uint8
	MaxAckDelay             time.Duration
	ActiveConnectionIDLimit uint64 // sent if at least 2
	DisableActiveMigration  bool

	// Extensions.
	MaxDatagramFrameSize protocol.ByteCount // 0: no datagrams (RFC 9221)
	EnableResetStreamAt  bool               // draft-ietf-quic-reliable-stream-reset
	GreaseQuicBit        bool               // RFC 9287
	MinAckDelay          *time.Duration     // nil: no ACK_FREQUENCY and IMMEDIATE_ACK frames (draft-ietf-quic-ack-frequency)
}

// usualParameterLen is enough for most endpoints.
const usualParameterLen = 192

// Append appends the parameters in the form of the quic_transport_parameters extension (RFC 9000, Section 18),
// and one reserved parameter.
func (p *TransportParameters) Append(b []byte, sentBy protocol.Perspective) []byte {
	b = slices.Grow(b, usualParameterLen)
	for i := range transportParameterTable {
		row := &transportParameterTable[i]
		if row.sentBy == sentByServer && sentBy == protocol.PerspectiveClient {
			continue
		}
		b = row.append(b, p)
	}
	return appendReservedParameter(b)
}

// appendReservedParameter appends a parameter that the peer must ignore (RFC 9000, Section 18.1).
func appendReservedParameter(b []byte) []byte {
	const step, first, maxValueLen = 31, 27, 15
	var random [4 + 1 + maxValueLen]byte
	rand.Read(random[:])
	value := random[5 : 5+random[4]%(maxValueLen+1)]
	b = quicvarint.Append(b, step*uint64(binary.BigEndian.Uint32(random[:]))+first)
	b = quicvarint.Append(b, uint64(len(value)))
	return append(b, value...)
}

// AppendForTicket appends what both sides remember of a server's parameters for 0-RTT
// (RFC 9000, Section 7.4.1).
func (p *TransportParameters) AppendForTicket(b []byte) []byte {
	for i := range transportParameterTable {
		if row := &transportParameterTable[i]; row.memory != forgotten {
			b = row.append(b, p)
		}
	}
	return b
}

// ParseTransportParameters parses and validates the parameters that the given side sent. The result does
// not alias b. The error is a *qerr.TransportError.
func ParseTransportParameters(b []byte, sentBy protocol.Perspective) (*TransportParameters, error) {
	p := defaultTransportParameters()
	// At most one ID per two bytes; sorted afterwards, so that many of them cost little.
	var seen []uint64
	for len(b) > 0 {
		id, value, rest, ok := cutParameter(b)
		if !ok {
			return nil, transportParameterError("truncated transport parameters")
		}
		b = rest
		seen = append(seen, id)
		row := findTransportParameter(id)
		if row == nil {
			// RFC 9000, Section 7.4.2: "An endpoint MUST ignore transport parameters that it does
			// not support."
			continue
		}
		// RFC 9000, Section 18.2: "A client MUST NOT include any server-only transport parameter".
		if row.sentBy == sentByServer && sentBy == protocol.PerspectiveClient {
			return nil, transportParameterError(row.name + " sent by a client")
		}
		if reason := row.parse(value, p); reason != "" {
			return nil, transportParameterError(row.name + ": " + reason)
		}
	}
	// RFC 9000, Section 7.4: "An endpoint SHOULD treat receipt of duplicate transport parameters as a
	// connection error of type TRANSPORT_PARAMETER_ERROR."
	slices.Sort(seen)
	for i := 1; i < len(seen); i++ {
		if seen[i] == seen[i-1] {
			return nil, transportParameterError(fmt.Sprintf("duplicate transport parameter %#x", seen[i]))
		}
	}
	if err := p.checkAgainstEachOther(sentBy); err != nil {
		return nil, err
	}
	return p, nil
}

// ParseTicketParameters parses what AppendForTicket wrote. What is not remembered has its default.
func ParseTicketParameters(b []byte) (*TransportParameters, error) {
	return ParseTransportParameters(b, protocol.PerspectiveServer)
}

func defaultTransportParameters() *TransportParameters {
	p := &TransportParameters{}
	for i := range transportParameterTable {
		if row := &transportParameterTable[i]; row.def != 0 {
			row.integer.set(p, row.def)
		}
	}
	return p
}

func cutParameter(b []byte) (id uint64, value, rest []byte, ok bool) {
	id, n, err := quicvarint.Parse(b)
	if err != nil {
		return 0, nil, nil, false
	}
	b = b[n:]
	length, n, err := quicvarint.Parse(b)
	if err != nil || length > uint64(len(b)-n) {
		return 0, nil, nil, false
	}
	b = b[n:]
	return id, b[:length], b[length:], true
}

func (p *TransportParameters) checkAgainstEachOther(sentBy protocol.Perspective) error {
	// RFC 9000, Section 18.2: "A server that chooses a zero-length connection ID MUST NOT provide a
	// preferred address. [...] A client MUST treat a violation of these requirements as a connection
	// error of type TRANSPORT_PARAMETER_ERROR."
	src := p.InitialSourceConnectionID
	if p.PreferredAddress != nil && src.Valid() && src.Len() == 0 {
		return transportParameterError("preferred_address from a server with zero-length connection ID")
	}
	// draft-ietf-quic-ack-frequency-12, Section 3: "Endpoints that support this extension MUST treat receipt of a
	// min_ack_delay that is greater than the max_ack_delay as a connection error of type TRANSPORT_PARAMETER_ERROR."
	if p.MinAckDelay != nil && *p.MinAckDelay > p.MaxAckDelay {
		return transportParameterError("min_ack_delay is greater than max_ack_delay")
	}
	// RFC 9368, Section 4: "If a server receives Version Information where the Chosen Version is not
	// included in Available Versions, it MUST treat it as a parsing failure."
	v := p.VersionInformation
	if sentBy == protocol.PerspectiveClient && v != nil && !slices.Contains(v.Available, v.Chosen) {
		return transportParameterError("version_information: chosen version is not available")
	}
	return nil
}

// ValidFor0RTT reports whether a server with parameters p may accept 0-RTT data of a client that
// remembered others, because none of the limits that the client kept to has become smaller
// (RFC 9000, Section 7.4.1; RFC 9221, Section 3).
func (p *TransportParameters) ValidFor0RTT(remembered *TransportParameters) bool {
	for i := range transportParameterTable {
		row := &transportParameterTable[i]
		if row.memory == rememberedLimit && row.integer.get(p) < row.integer.get(remembered) {
			return false
		}
	}
	return true
}

func transportParameterError(reason string) error {
	return &qerr.TransportError{ErrorCode: qerr.TransportParameterError, ErrorMessage: reason}
}
