package protocol

import "fmt"

// A Version is a QUIC version number.
type Version uint32

// QUIC versions.
const (
	VersionUnknown Version = 0xffffffff
	Version1       Version = 0x1        // RFC 9000
	Version2       Version = 0x6b3343cf // RFC 9369
)

// SupportedVersions lists the versions this implementation speaks, best first.
var SupportedVersions = []Version{Version1, Version2}

// IsSupportedVersion reports whether v is in supported.
func IsSupportedVersion(supported []Version, v Version) bool {
	for _, s := range supported {
		if s == v {
			return true
		}
	}
	return false
}

// IsReservedVersion reports whether v is reserved to exercise version negotiation
// (RFC 9000, Section 15: versions of the form 0x?a?a?a?a).
func IsReservedVersion(v Version) bool { return v&0x0f0f0f0f == 0x0a0a0a0a }

// String returns "v1", "v2", the name of an old draft or Google version, or the number in hexadecimal.
func (v Version) String() string {
	switch {
	case v == Version1:
		return "v1"
	case v == Version2:
		return "v2"
	case v == VersionUnknown:
		return "unknown"
	case v>>8 == 0xff0000:
		return fmt.Sprintf("draft-%d", v&0xff)
	case isGoogleVersion(v):
		return fmt.Sprintf("gQUIC %d", 10*((v>>8)&0xf)+v&0xf)
	}
	return fmt.Sprintf("0x%x", uint32(v))
}

// isGoogleVersion reports whether v spells "Q0" and two decimal digits.
func isGoogleVersion(v Version) bool {
	digit := func(b Version) bool { return b >= '0' && b <= '9' }
	return v>>16 == 'Q'<<8|'0' && digit(v>>8&0xff) && digit(v&0xff)
}
