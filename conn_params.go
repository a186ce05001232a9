package quic

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/quic-go/quic-go/internal/handshake"
	"github.com/quic-go/quic-go/internal/protect"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/udp"
)

// serverTLS is what the connections of a server share.
type serverTLS struct {
	config *handshake.ServerConfig // nil: each needs one of its own
	replay *handshake.ReplayFilter // of 0-RTT
}

// connParams are what a connection is made from.
type connParams struct {
	transport   *Transport
	perspective protocol.Perspective
	version     protocol.Version
	config      *Config     // effective, shared: not to be changed
	tls         *tls.Config // of the application: not to be changed
	// ctx is the parent of the connection's context. It never ends before the connection, unless the
	// application's ConnContext returned one that does.
	ctx context.Context
	// early: the client has called DialEarly, the server has an EarlyListener.
	early bool

	// path
	initialRTT time.Duration // of an earlier connection, 0 if not known
	remote     udp.Remote
	local      netip.Addr
	ifIndex    uint32

	// Connection IDs. The Transport has registered srcCID and, for a server, clientDstCID; the
	// connection hands both back, by removeConnectionID or by connClosed.
	srcCID      protocol.ConnectionID  // ours
	dstCID      protocol.ConnectionID  // the peer's: where packets go to
	origDstCID  protocol.ConnectionID  // Destination Connection ID of the client's first Initial
	retrySrcCID *protocol.ConnectionID // server: Source Connection ID of the Retry that was sent

	// client
	token             []byte // for the Initials, from the TokenStore
	serverName        string
	versionNegotiated bool                                                      // a Version Negotiation packet made us choose version
	storeToken        func(token []byte, v protocol.Version, rtt time.Duration) // for NEW_TOKEN frames; nil without TokenStore. It copies token

	// server
	addressValidated bool
	// preferredVersions are those that the server switches to if the client offers one, the best one first.
	preferredVersions []protocol.Version
	// onHandshake is called by the loop, once, when the handshake is complete, or for an EarlyListener when
	// 1-RTT packets can be sent. The connection is to be refused if it returns false.
	onHandshake func(c *Conn) bool
	newToken    func(v protocol.Version, addr net.Addr, rtt time.Duration) ([]byte, error) // for NEW_TOKEN frames
	serverTLS   serverTLS
	initialKeys initialKeys // if they were made already
}

// initialKeys are the keys of Initial packets.
type initialKeys struct {
	sealer *protect.Sealer
	opener *protect.Opener
}

func newInitialKeys(v protocol.Version, dst protocol.ConnectionID, pers protocol.Perspective) (k initialKeys) {
	k.sealer, k.opener = protect.InitialKeys(v, dst, pers)
	return k
}

// clientDstCID returns the Destination Connection ID of the client's Initials, from which the Initial keys are
// derived (RFC 9001, Section 5.2).
func (p *connParams) clientDstCID() protocol.ConnectionID {
	if p.retrySrcCID != nil {
		return *p.retrySrcCID
	}
	return p.origDstCID
}

// errVersionNegotiated ends a client's connection that got a Version Negotiation packet. Dial handles it,
// so that only who uses a connection with 0-RTT sees it.
type errVersionNegotiated struct{ theirs []protocol.Version }

func (e *errVersionNegotiated) Error() string {
	return fmt.Sprintf("server asks for another QUIC version: %s", e.theirs)
}

// Unwrap returns net.ErrClosed.
func (e *errVersionNegotiated) Unwrap() error { return net.ErrClosed }
