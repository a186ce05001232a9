package wire

import (
	"encoding/binary"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/quicvarint"
)

// maxTimeout is the longest duration that a parameter is taken for: half of what fits, so that adding it to
// a point in time does not wrap.
const maxTimeout = time.Duration(math.MaxInt64/2) / time.Millisecond * time.Millisecond

const wrongLength = "wrong length"

// An integerField gives access to the field of an integer parameter, or of one that is just there or not.
type integerField struct {
	get       func(p *TransportParameters) uint64
	set       func(p *TransportParameters, v uint64)
	valueless bool // 1 if present, 0 if absent
}

func number[T ~int64 | ~uint64 | ~uint8](field func(p *TransportParameters) *T) integerField {
	return integerField{
		get: func(p *TransportParameters) uint64 { return uint64(max(*field(p), 0)) },
		set: func(p *TransportParameters, v uint64) { *field(p) = T(v) },
	}
}

// milliseconds rounds up what it sends: a timeout of less than a millisecond is not none.
func milliseconds(field func(p *TransportParameters) *time.Duration) integerField {
	return integerField{
		get: func(p *TransportParameters) uint64 {
			d := min(max(*field(p), 0), maxTimeout)
			return uint64((d + time.Millisecond - 1) / time.Millisecond)
		},
		set: func(p *TransportParameters, v uint64) {
			*field(p) = time.Duration(min(v, uint64(maxTimeout/time.Millisecond))) * time.Millisecond
		},
	}
}

func flag(field func(p *TransportParameters) *bool) integerField {
	return integerField{
		get: func(p *TransportParameters) uint64 {
			if *field(p) {
				return 1
			}
			return 0
		},
		set:       func(p *TransportParameters, v uint64) { *field(p) = v != 0 },
		valueless: true,
	}
}

// An opaqueField converts the field of a parameter that is not an integer.
type opaqueField struct {
	append func(b []byte, p *TransportParameters) (out []byte, present bool)
	parse  func(value []byte, p *TransportParameters) (reason string) // "" if the value is valid
}

func connectionIDField(field func(p *TransportParameters) *protocol.ConnectionID) opaqueField {
	return opaqueField{
		append: func(b []byte, p *TransportParameters) ([]byte, bool) {
			cid := field(p)
			return cid.Append(b), cid.Valid()
		},
		parse: func(value []byte, p *TransportParameters) string {
			return parseConnectionID(value, field(p))
		},
	}
}

func parseConnectionID(value []byte, cid *protocol.ConnectionID) string {
	if len(value) > protocol.MaxConnectionIDLen {
		return wrongLength
	}
	*cid = protocol.ParseConnectionID(value)
	return ""
}

func appendRetrySourceConnectionID(b []byte, p *TransportParameters) ([]byte, bool) {
	if p.RetrySourceConnectionID == nil {
		return b, false
	}
	return p.RetrySourceConnectionID.Append(b), true
}

func parseRetrySourceConnectionID(value []byte, p *TransportParameters) string {
	p.RetrySourceConnectionID = new(protocol.ConnectionID)
	return parseConnectionID(value, p.RetrySourceConnectionID)
}

func appendStatelessResetToken(b []byte, p *TransportParameters) ([]byte, bool) {
	if p.StatelessResetToken == nil {
		return b, false
	}
	return append(b, p.StatelessResetToken[:]...), true
}

func parseStatelessResetToken(value []byte, p *TransportParameters) string {
	if len(value) != len(protocol.StatelessResetToken{}) {
		return wrongLength
	}
	token := protocol.StatelessResetToken(value)
	p.StatelessResetToken = &token
	return ""
}

// appendMinAckDelay rounds up: no delay as short as the one that is sent may be too short.
func appendMinAckDelay(b []byte, p *TransportParameters) ([]byte, bool) {
	if p.MinAckDelay == nil {
		return b, false
	}
	d := min(max(*p.MinAckDelay, 0), protocol.MaxMaxAckDelay)
	return quicvarint.Append(b, uint64((d+time.Microsecond-1)/time.Microsecond)), true
}

// parseMinAckDelay clips what is too large for any max_ack_delay: it stays too large.
func parseMinAckDelay(value []byte, p *TransportParameters) string {
	v, n, err := quicvarint.Parse(value)
	if err != nil || n != len(value) {
		return "not one integer"
	}
	d := time.Duration(min(v, uint64(protocol.MaxMaxAckDelay/time.Microsecond)+1)) * time.Microsecond
	p.MinAckDelay = &d
	return ""
}

// A PreferredAddress is where a server wants the client to migrate to (RFC 9000, Section 9.6).
// An address family without an address has the zero AddrPort.
type PreferredAddress struct {
	IPv4, IPv6          netip.AddrPort
	ConnectionID        protocol.ConnectionID // 1 to 20 bytes
	StatelessResetToken protocol.StatelessResetToken
}

func appendPreferredAddress(b []byte, p *TransportParameters) ([]byte, bool) {
	a := p.PreferredAddress
	if a == nil {
		return b, false
	}
	var ip4 [4]byte
	var ip6 [16]byte
	if a.IPv4.IsValid() {
		ip4 = a.IPv4.Addr().As4()
	}
	if a.IPv6.IsValid() {
		ip6 = a.IPv6.Addr().As16()
	}
	b = append(b, ip4[:]...)
	b = binary.BigEndian.AppendUint16(b, a.IPv4.Port())
	b = append(b, ip6[:]...)
	b = binary.BigEndian.AppendUint16(b, a.IPv6.Port())
	b = append(b, uint8(a.ConnectionID.Len()))
	b = a.ConnectionID.Append(b)
	return append(b, a.StatelessResetToken[:]...), true
}

func parsePreferredAddress(value []byte, p *TransportParameters) string {
	const port4, ip6, port6, cidLen, cid, tokenLen = 4, 6, 22, 24, 25, 16
	if len(value) <= cid {
		return wrongLength
	}
	// RFC 9000, Section 18.2: "a server MUST NOT include a zero-length connection ID in this
	// transport parameter."
	n := int(value[cidLen])
	if n == 0 || n > protocol.MaxConnectionIDLen {
		return "wrong connection ID length"
	}
	if len(value) != cid+n+tokenLen {
		return wrongLength
	}
	p.PreferredAddress = &PreferredAddress{
		IPv4:                parseAddrPort(value[:port4], value[port4:ip6]),
		IPv6:                parseAddrPort(value[ip6:port6], value[port6:cidLen]),
		ConnectionID:        protocol.ParseConnectionID(value[cid : cid+n]),
		StatelessResetToken: protocol.StatelessResetToken(value[cid+n:]),
	}
	return ""
}

// parseAddrPort returns the zero AddrPort for an all-zero address and port.
func parseAddrPort(ip, port []byte) netip.AddrPort {
	addr, _ := netip.AddrFromSlice(ip)
	a := netip.AddrPortFrom(addr, binary.BigEndian.Uint16(port))
	if addr.IsUnspecified() && a.Port() == 0 {
		return netip.AddrPort{}
	}
	return a
}

// VersionInformation is what an endpoint says about its versions (RFC 9368, Section 3).
type VersionInformation struct {
	Chosen    protocol.Version
	Available []protocol.Version
}

func appendVersionInformation(b []byte, p *TransportParameters) ([]byte, bool) {
	v := p.VersionInformation
	if v == nil {
		return b, false
	}
	b = binary.BigEndian.AppendUint32(b, uint32(v.Chosen))
	for _, a := range v.Available {
		b = binary.BigEndian.AppendUint32(b, uint32(a))
	}
	return b, true
}

func parseVersionInformation(value []byte, p *TransportParameters) string {
	if len(value) == 0 || len(value)%versionLen != 0 {
		return wrongLength
	}
	versions := parseVersions(value)
	// RFC 9368, Section 4: "If an endpoint receives a Chosen Version equal to zero, or any Available
	// Version equal to zero, it MUST treat it as a parsing failure."
	if slices.Contains(versions, 0) {
		return "version 0"
	}
	p.VersionInformation = &VersionInformation{Chosen: versions[0], Available: versions[1:]}
	return ""
}
