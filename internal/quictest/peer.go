package quictest

import (
	"net"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/wire"
)

// A Peer is one end of a QUIC connection.
type Peer struct {
	// Timeout is how long the Expect functions wait: 3 seconds of virtual time.
	Timeout time.Duration

	// immutable
	t    testing.TB
	pers protocol.Perspective
	opts Options

	mu      sync.Mutex
	changed chan struct{} // closed, and replaced, when something was received
	net     endpoints
	ids     connectionIDs
	keys    keyring
	spaces  [protocol.NumPacketNumberSpaces]space
	tls     tlsState
	held    holds
	parser  wire.Parser
	pending []pendingPacket // wait for keys
	log     []*Received
	sent    []sentDatagram // the last ones, for the report
	closed  bool           // the other endpoint has sent CONNECTION_CLOSE
	err     error          // what went wrong on the reading goroutine, of no test's making
}

// endpoints are the sockets of a Peer and the address of the other endpoint.
type endpoints struct {
	conn   net.PacketConn // for sending
	all    []net.PacketConn
	remote net.Addr // of a server: the client's last address
	fixed  bool     // remote was set by the test
}

// connectionIDs are those of the handshake, and the current ones.
type connectionIDs struct {
	src, dst protocol.ConnectionID
	dstKnown bool
	origDst  protocol.ConnectionID  // of the client's first Initial
	retrySrc *protocol.ConnectionID // of the Retry, if there was one
	token    []byte                 // client
}

// holds says what a Peer does not do by itself.
type holds struct{ handshake, acks, pathResponses, handshakeDone bool }

// NewClient returns a client that will connect to a server. Nothing is sent before Start or Handshake.
func NewClient(t testing.TB, conn net.PacketConn, server net.Addr, o Options) *Peer {
	p := newPeer(t, protocol.PerspectiveClient, conn, o)
	p.net.remote, p.net.fixed = server, true
	p.ids.dst = orRandom(o.DstCID)
	p.ids.origDst = p.ids.dst
	p.ids.token = o.Token
	p.keys.setInitial(p.ids.dst, p.pers)
	p.newDriver()
	go p.read(conn)
	return p
}

// NewServer returns a server that waits for a client and answers it unless the handshake is held.
func NewServer(t testing.TB, conn net.PacketConn, o Options) *Peer {
	p := newPeer(t, protocol.PerspectiveServer, conn, o)
	p.newDriver()
	p.tls.started = true
	if err := p.tls.driver.Start(t.Context()); err != nil {
		t.Fatalf("TLS: %v", err)
	}
	go p.read(conn)
	return p
}

func newPeer(t testing.TB, pers protocol.Perspective, conn net.PacketConn, o Options) *Peer {
	if o.Version == 0 {
		o.Version = protocol.Version1
	}
	p := &Peer{
		Timeout: defaultExpectWindow,
		t:       t, pers: pers, opts: o,
		changed: make(chan struct{}),
		held: holds{
			handshake: o.HoldHandshake, acks: o.HoldAcks,
			pathResponses: o.HoldPathResponses, handshakeDone: o.HoldHandshakeDone,
		},
		parser: wire.Parser{AckDelayExponent: protocol.AckDelayExponent, Datagrams: true, ResetStreamAt: true, AckFrequency: true},
	}
	p.net.conn, p.net.all = conn, []net.PacketConn{conn}
	p.ids.src = orRandom(o.SrcCID)
	p.keys.version = o.Version
	for i := range p.spaces {
		p.spaces[i].largest = protocol.InvalidPacketNumber
	}
	t.Cleanup(p.close)
	return p
}

func (p *Peer) close() {
	p.mu.Lock()
	conns := p.net.all
	err := p.err
	_ = p.tls.driver.Close()
	p.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
	}
	if err != nil {
		p.t.Errorf("%s of quictest: %v", p.pers, err)
	}
	if p.t.Failed() {
		p.t.Log(p.report())
	}
}

// notifyLocked wakes those who wait for something to be received.
func (p *Peer) notifyLocked() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// failLocked notes what is wrong with the Peer itself.
func (p *Peer) failLocked(err error) {
	if p.err == nil {
		p.err = err
	}
}

// HoldHandshake stops the Peer from sending CRYPTO data, HANDSHAKE_DONE and acknowledgements in Initial and
// Handshake packets. TLS goes on with what it receives.
func (p *Peer) HoldHandshake() { p.set(func() { p.held.handshake = true }) }

// ReleaseHandshake ends HoldHandshake and sends what has been held back.
func (p *Peer) ReleaseHandshake() {
	p.set(func() {
		p.held.handshake = false
		p.advanceLocked()
		p.sendHandshakeDoneLocked()
		p.flushLocked()
	})
}

// HoldAcks stops the Peer from acknowledging.
func (p *Peer) HoldAcks() { p.set(func() { p.held.acks = true }) }

// ReleaseAcks ends HoldAcks and acknowledges everything that was received.
func (p *Peer) ReleaseAcks() {
	p.set(func() {
		p.held.acks = false
		p.flushLocked()
	})
}

// HoldPathResponses stops the Peer from answering PATH_CHALLENGE.
func (p *Peer) HoldPathResponses() { p.set(func() { p.held.pathResponses = true }) }

// ReleasePathResponses ends HoldPathResponses for challenges that come from then on.
func (p *Peer) ReleasePathResponses() { p.set(func() { p.held.pathResponses = false }) }

func (p *Peer) set(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
}

// SrcCID returns the current connection ID of the Peer.
func (p *Peer) SrcCID() (cid protocol.ConnectionID) { p.set(func() { cid = p.ids.src }); return cid }

// DstCID returns the connection ID to which the Peer sends.
func (p *Peer) DstCID() (cid protocol.ConnectionID) { p.set(func() { cid = p.ids.dst }); return cid }

// OriginalDstCID returns the Destination Connection ID of the client's first Initial.
func (p *Peer) OriginalDstCID() (cid protocol.ConnectionID) {
	p.set(func() { cid = p.ids.origDst })
	return cid
}

// SetDstCID makes the Peer send to another connection ID of the other endpoint.
func (p *Peer) SetDstCID(cid protocol.ConnectionID) { p.set(func() { p.ids.dst = cid }) }

// SetToken makes the Initials of a client carry a token.
func (p *Peer) SetToken(token []byte) { p.set(func() { p.ids.token = token }) }

// Use makes the Peer send from another socket, as a client does that migrates. It reads from all it had.
func (p *Peer) Use(conn net.PacketConn) {
	p.set(func() {
		p.net.conn = conn
		for _, c := range p.net.all {
			if c == conn {
				return
			}
		}
		p.net.all = append(p.net.all, conn)
		go p.read(conn)
	})
}

// Conn returns the socket from which the Peer sends.
func (p *Peer) Conn() (conn net.PacketConn) { p.set(func() { conn = p.net.conn }); return conn }

// Watch makes the Peer read from another socket too, which it does not send from.
func (p *Peer) Watch(conn net.PacketConn) {
	sends := p.Conn()
	p.Use(conn)
	p.Use(sends)
}

// SetRemote makes the Peer send to another address, whatever it receives.
func (p *Peer) SetRemote(addr net.Addr) {
	p.set(func() { p.net.remote, p.net.fixed = addr, true })
}

// Remote returns the address to which the Peer sends.
func (p *Peer) Remote() (addr net.Addr) { p.set(func() { addr = p.net.remote }); return addr }

// UpdateKeys starts the next key phase for the packets to send, permitted or not.
func (p *Peer) UpdateKeys() { p.set(func() { p.keys.phase++ }) }

// KeyPhase returns the key phase of the packets to send. It follows that of the other endpoint.
func (p *Peer) KeyPhase() (phase protocol.KeyPhase) {
	p.set(func() { phase = p.keys.phase })
	return phase
}
