package quic

import (
	"net"
	"syscall"
	"time"

	"github.com/quic-go/quic-go/internal/handshake"
	"github.com/quic-go/quic-go/internal/protocol"
)

// The values of the wire that the API speaks of.
type (
	// A StreamID identifies a stream of a connection (RFC 9000, Section 2.1).
	StreamID = protocol.StreamID
	// A Version is a QUIC version number.
	Version = protocol.Version
	// A ConnectionID is a connection ID of at most 20 bytes.
	ConnectionID = protocol.ConnectionID
	// A TokenGeneratorKey is the key from which address validation tokens are made.
	TokenGeneratorKey = handshake.TokenProtectorKey
	// A StatelessResetKey is the key from which stateless reset tokens are made.
	StatelessResetKey [32]byte
)

// QUIC versions.
const (
	Version1 = protocol.Version1 // RFC 9000
	Version2 = protocol.Version2 // RFC 9369
)

// SupportedVersions returns the QUIC versions this package speaks, the preferred one first.
func SupportedVersions() []Version {
	return append([]Version(nil), protocol.SupportedVersions...)
}

// ConnectionIDFromBytes returns the connection ID of the given bytes. It panics if there are
// more than 20.
func ConnectionIDFromBytes(b []byte) ConnectionID { return protocol.ParseConnectionID(b) }

// A ConnectionIDGenerator makes the connection IDs by which peers reach a Transport.
// It is called from several goroutines at once.
type ConnectionIDGenerator interface {
	// GenerateConnectionID returns a new connection ID of ConnectionIDLen bytes that should not
	// repeat within the lifetime of the Transport.
	GenerateConnectionID() (ConnectionID, error)
	// ConnectionIDLen returns the length of every generated connection ID, 0 to 20 bytes.
	// It is the same for the lifetime of the generator.
	ConnectionIDLen() int
}

// An OOBCapablePacketConn is a connection that hands over control messages, which ECN, GSO and
// packet info need. *net.UDPConn is one.
type OOBCapablePacketConn interface {
	net.PacketConn
	SyscallConn() (syscall.RawConn, error)
	SetReadBuffer(int) error
	ReadMsgUDP(b, oob []byte) (n, oobn, flags int, addr *net.UDPAddr, err error)
	WriteMsgUDP(b, oob []byte, addr *net.UDPAddr) (n, oobn int, err error)
}

var _ OOBCapablePacketConn = &net.UDPConn{}

// A TokenStore keeps the address validation tokens that servers gave to a client
// (RFC 9000, Section 8.1.3). It is called from several goroutines at once.
type TokenStore interface {
	// Pop removes and returns a token for the server named key, or nil.
	Pop(key string) (token *ClientToken)
	// Put adds a token for the server named key.
	Put(key string, token *ClientToken)
}

// A ClientToken is a token of a server, to be shown to it on the next connection.
type ClientToken struct {
	data    []byte
	rtt     time.Duration // of the connection on which the server gave it
	version protocol.Version
}

// ClientInfo describes a client that wants to connect.
type ClientInfo struct {
	// RemoteAddr is the client's address.
	RemoteAddr net.Addr
	// AddrVerified says that the client has proved that it receives packets at RemoteAddr,
	// with a token of a Retry or of an earlier connection.
	AddrVerified bool
}

// QUICVersionContextKey is the key of the QUIC version, a Version, in the context of
// tls.ClientHelloInfo.
var QUICVersionContextKey = &contextKey{"quic version"}

type contextKey struct{ name string }
