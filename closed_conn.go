package quic

import (
	"net"
	"sync"

	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/udp"
)

// maxClosedConns bounds the connections of a Transport that are remembered in their closing or draining period.
// At the limit a connection is forgotten at once.
const maxClosedConns = 4096

// A closedConn stands for a connection in its closing or draining period (RFC 9000, Section 10.2).
type closedConn struct {
	// immutable
	transport *Transport
	remote    udp.Remote
	cids      []protocol.ConnectionID
	packet    []byte // nil: draining
	// quietUntil is when the first answer to CONNECTION_CLOSE can be here: what comes before was sent without knowing of it.
	quietUntil monotime.Time

	mu            sync.Mutex // rank 4
	received      int
	nextReply     int // the number of received datagrams that is answered next
	receivedBytes int
	repliedBytes  int
}

func newClosedConn(t *Transport, remote net.Addr, cids []protocol.ConnectionID, packet []byte) *closedConn {
	return &closedConn{transport: t, remote: udp.RemoteFrom(remote), cids: cids, packet: packet, nextReply: 1}
}

// handlePacket implements packetHandler.
func (c *closedConn) handlePacket(p udp.Packet) {
	if c.packet == nil || !c.replies(&p) {
		p.Buffer.Release()
		return
	}
	c.transport.enqueue(work{p: p, over: c})
}

// replies reports whether the 1st, 2nd, 4th, 8th and so on datagram since quietUntil is here. RFC 9000, Section 10.2.1: "An
// endpoint SHOULD limit the rate at which it generates packets in the closing state."
func (c *closedConn) replies(p *udp.Packet) bool {
	// RFC 9000, Section 10.2.1: "An endpoint in the closing state MUST either discard packets received from an
	// unvalidated address or limit the cumulative size of packets it sends to an unvalidated address to three
	// times the size of packets it receives from that address."
	if !p.Remote.Equal(c.remote) {
		return false
	}
	// "For instance, an endpoint could wait for a progressively increasing number of received packets or amount of time before
	// responding to received packets."
	if p.Time.Before(c.quietUntil) {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.received++
	c.receivedBytes += len(p.Data)
	if c.received < c.nextReply || c.repliedBytes+len(c.packet) > protocol.AmplificationFactor*c.receivedBytes {
		return false
	}
	c.nextReply = 2 * c.received
	c.repliedBytes += len(c.packet)
	return true
}
