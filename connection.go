package quic

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go/internal/connid"
	"github.com/quic-go/quic-go/internal/handshake"
	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/mtu"
	"github.com/quic-go/quic-go/internal/protect"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/recovery"
	"github.com/quic-go/quic-go/internal/udp"
	"github.com/quic-go/quic-go/internal/wire"
	"github.com/quic-go/quic-go/qlog"
	"github.com/quic-go/quic-go/qlogwriter"
)

// A Conn is a QUIC connection. All methods may be called concurrently.
type Conn struct {
	// immutable
	transport   *Transport
	perspective protocol.Perspective
	config      *Config // populated
	params      connParams
	ctx         context.Context
	cancel      context.CancelCauseFunc
	wakeup      chan struct{} // capacity 1
	// handshakeDone is closed when the handshake completes, earlyReady when the connection can be
	// used: a client with 0-RTT keys, a server that can send 1-RTT packets. done is closed at the end.
	handshakeDone, earlyReady, done chan struct{}
	trace                           qlogwriter.Trace // as of start; nil without one

	// used by the loop and by applications, each with a lock of its own
	streams   *streamsMap
	datagrams datagramQueue
	packets   receiveQueue
	ending    endRequest
	stats     statsSnapshot
	// maxDatagramPayload is -1 without datagrams.
	maxDatagramPayload atomic.Int64
	facts              atomic.Pointer[connFacts]
	addrs              atomic.Pointer[pathAddrs]
	requests           loopRequests
	early              earlyState

	// loop only
	log           *connLog         // nil without a trace
	version       protocol.Version // in use, see connection_version.go
	timers        timers
	timer         *time.Timer
	recovery      *recovery.Tracker
	result        recovery.Result
	issued        *connid.Issued
	received      *connid.Received
	keys          keys
	tls           *handshake.Driver
	hello         scrambledHello
	life          lifecycle
	parser        wire.Parser
	frame         wire.Decoded
	ourParams     *wire.TransportParameters
	peerParams    *wire.TransportParameters // nil until the handshake has provided them
	paths         pathTable
	maxPacketSize protocol.ByteCount // Current of mtu
	mtu           *mtu.Discoverer
	control       controlFrames
	out           assembly
	idle          idleState
	undecryptable []udp.Packet // at most protocol.MaxUndecryptablePackets, each with one packet
	end           error        // why the connection is over
	endKind       endKind
}

// keys are the packet protection keys by encryption level. dropped levels get no new ones.
type keys struct {
	sealers [protocol.NumEncryptionLevels]*protect.Sealer // not 1-RTT
	openers [protocol.NumEncryptionLevels]*protect.Opener // not 1-RTT
	oneRTT  *protect.OneRTT
	dropped [protocol.NumEncryptionLevels]bool
	// originalInitial is for Initials of the version that the client has chosen, if the server has chosen another one.
	originalInitial *protect.Opener
}

// lifecycle says how far the connection has got.
type lifecycle struct {
	complete      bool // RFC 9001, Section 4.1.1
	confirmed     bool // RFC 9001, Section 4.1.2
	offered       bool // see makeOffers
	used0RTT      bool
	authenticated uint64              // packets so far
	storedTokens  [][sha256.Size]byte // client: hashes of the last NEW_TOKEN tokens, at most maxStoredTokens
	retried       bool                // client: a Retry was followed
	peerCIDKnown  bool                // the peer's Source Connection ID was seen
	announced     bool                // server: the listener knows the connection
	usable        bool                // earlyReady is closed
	// versionSettled: the server has chosen the version, as far as a client knows.
	versionSettled bool
	retrySrc       protocol.ConnectionID // client: Source Connection ID of the Retry
	peerSrc        protocol.ConnectionID // Source Connection ID of the peer's Initials
	token          []byte                // client: for Initials
	creationTime   monotime.Time
	finishedAt     monotime.Time
	remembered     *wire.TransportParameters // client: those of 0-RTT
}

// connFacts is what ConnectionState reports besides TLS.
type connFacts struct {
	peerDatagrams bool
	peerResetAt   bool
	used0RTT      bool
	version       protocol.Version
}

// earlyState tells the methods of a client whether 0-RTT was rejected.
type earlyState struct {
	rejected atomic.Bool
}

// controlFrames are the frames of the connection that wait for a packet. Loop only.
type controlFrames struct {
	handshakeDone bool
	newToken      []byte
	ping          bool
}

// newConn makes a connection. It does nothing until start.
func newConn(p connParams) *Conn {
	ctx, cancel := context.WithCancelCause(p.ctx)
	c := &Conn{
		transport:     p.transport,
		perspective:   p.perspective,
		version:       p.version,
		config:        p.config,
		params:        p,
		ctx:           ctx,
		cancel:        cancel,
		wakeup:        make(chan struct{}, 1),
		handshakeDone: make(chan struct{}),
		earlyReady:    make(chan struct{}),
		done:          make(chan struct{}),
		maxPacketSize: protocol.ByteCount(p.config.InitialPacketSize),
		mtu:           mtu.New(0, protocol.ByteCount(p.config.InitialPacketSize)),
	}
	c.datagrams.init()
	c.maxDatagramPayload.Store(-1)
	c.publishFacts()
	c.life.token = p.token
	c.life.peerSrc = p.dstCID
	c.life.peerCIDKnown = p.perspective == protocol.PerspectiveServer
	c.newStreams()
	c.newPaths()
	c.newRecovery()
	c.newConnectionIDs()
	if p.initialKeys.opener != nil {
		c.setInitialKeys(p.initialKeys)
		c.params.initialKeys = initialKeys{}
	} else {
		c.deriveInitialKeys(p.clientDstCID())
	}
	c.newTLS()
	return c
}

func (c *Conn) newStreams() {
	sp := streamsParams{
		perspective:              c.perspective,
		ctx:                      c.ctx,
		streamWindow:             protocol.ByteCount(c.config.InitialStreamReceiveWindow),
		maxStreamWindow:          protocol.ByteCount(c.config.MaxStreamReceiveWindow),
		connWindow:               protocol.ByteCount(c.config.InitialConnectionReceiveWindow),
		maxConnWindow:            protocol.ByteCount(c.config.MaxConnectionReceiveWindow),
		requireCreditRelease:     c.config.RequireStreamCreditRelease,
		wake:                     c.wake,
		resetStreamAt:            c.config.EnableStreamResetPartialDelivery,
		streamClosedForDatagrams: c.datagrams.streamClosed,
		sendDatagram:             c.sendDatagram,
	}
	sp.maxIncoming[protocol.StreamTypeBidi] = protocol.StreamNum(max(c.config.MaxIncomingStreams, 0))
	sp.maxIncoming[protocol.StreamTypeUni] = protocol.StreamNum(max(c.config.MaxIncomingUniStreams, 0))
	if allow := c.config.AllowConnectionWindowIncrease; allow != nil {
		sp.allowConnGrowth = func(delta protocol.ByteCount) bool { return allow(c, uint64(delta)) }
	}
	c.streams = newStreamsMap(sp)
}

func (c *Conn) newConnectionIDs() {
	ip := connid.IssuedParams{
		Generate:   c.transport.generateConnectionID,
		ResetToken: c.transport.statelessResetToken,
	}
	if c.perspective == protocol.PerspectiveServer {
		dst := c.params.clientDstCID()
		c.issued = connid.NewIssued(ip, c.params.srcCID, &dst)
	} else {
		c.issued = connid.NewIssued(ip, c.params.srcCID, nil)
	}
	c.received = connid.NewReceived(c.params.dstCID)
}

// start begins the connection's loop.
func (c *Conn) start() {
	c.openLog()
	go c.run()
}

// wake makes the loop look for work. It never blocks.
func (c *Conn) wake() {
	select {
	case c.wakeup <- struct{}{}:
	default:
	}
}

// Context returns a context that is done when the connection is over; context.Cause tells
// why. The callbacks of all streams have been called by then.
func (c *Conn) Context() context.Context { return c.ctx }

// HandshakeComplete returns a channel that is closed when the handshake is complete.
func (c *Conn) HandshakeComplete() <-chan struct{} { return c.handshakeDone }

// ConnectionState returns what was negotiated so far.
func (c *Conn) ConnectionState() ConnectionState {
	f := c.facts.Load()
	gso, _, _ := c.addrs.Load().transport.conn.Capabilities()
	s := ConnectionState{
		TLS:                        c.tls.ConnectionState(),
		Used0RTT:                   f.used0RTT,
		Version:                    f.version,
		GSO:                        gso,
		RequireStreamCreditRelease: c.config.RequireStreamCreditRelease,
	}
	s.SupportsDatagrams.Local = c.config.EnableDatagrams
	s.SupportsDatagrams.Remote = f.peerDatagrams
	s.SupportsStreamResetPartialDelivery.Local = c.config.EnableStreamResetPartialDelivery
	s.SupportsStreamResetPartialDelivery.Remote = f.peerResetAt
	return s
}

// ConnectionState is what is known about a connection.
type ConnectionState struct {
	// TLS is the state of the TLS connection.
	TLS tls.ConnectionState
	// SupportsDatagrams says which side has enabled DATAGRAM frames (RFC 9221).
	SupportsDatagrams struct {
		Remote bool
		Local  bool
	}
	// SupportsStreamResetPartialDelivery says which side has enabled RESET_STREAM_AT frames.
	SupportsStreamResetPartialDelivery struct {
		Remote bool
		Local  bool
	}
	// RequireStreamCreditRelease is the value of Config.RequireStreamCreditRelease.
	RequireStreamCreditRelease bool
	// Used0RTT says that 0-RTT packets were accepted.
	Used0RTT bool
	// Version is the QUIC version of the connection.
	Version Version
	// GSO says that datagrams leave in batches (generic segmentation offload).
	GSO bool
}

// OpenStream opens a bidirectional stream. The peer learns of it when something is sent. If the
// peer's limit permits no further stream, it returns a *StreamLimitReachedError.
func (c *Conn) OpenStream() (*Stream, error) { return c.streams.openStream() }

// OpenStreamSync is OpenStream, but waits until the peer's limit permits the stream or ctx ends.
// Calls are served in order.
func (c *Conn) OpenStreamSync(ctx context.Context) (*Stream, error) {
	return c.streams.openStreamSync(ctx)
}

// OpenUniStream opens a unidirectional stream, see OpenStream.
func (c *Conn) OpenUniStream() (*SendStream, error) { return c.streams.openUniStream() }

// OpenUniStreamSync opens a unidirectional stream, see OpenStreamSync.
func (c *Conn) OpenUniStreamSync(ctx context.Context) (*SendStream, error) {
	return c.streams.openUniStreamSync(ctx)
}

// AcceptStream returns the next bidirectional stream that the peer has opened. It waits for one
// until ctx ends or the connection is over.
func (c *Conn) AcceptStream(ctx context.Context) (*Stream, error) { return c.streams.acceptStream(ctx) }

// AcceptUniStream returns the next unidirectional stream that the peer has opened, see AcceptStream.
func (c *Conn) AcceptUniStream(ctx context.Context) (*ReceiveStream, error) {
	return c.streams.acceptUniStream(ctx)
}

// NextConnection waits for the handshake of a client that used DialEarly. If the server has
// rejected 0-RTT, streams of before are lost (Err0RTTRejected); the connection is usable
// again once NextConnection has returned.
func (c *Conn) NextConnection(ctx context.Context) (*Conn, error) {
	select {
	case <-c.handshakeDone:
	case <-c.ctx.Done():
		return nil, context.Cause(c.ctx)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if c.early.rejected.Load() {
		c.streams.useAfterReject()
	}
	return c, nil
}

// receiveQueue holds the datagrams that wait for the loop, at most protocol.MaxReceiveQueuePackets and
// protocol.MaxReceiveQueueBytes.
type receiveQueue struct {
	mu     sync.Mutex // rank 4
	ring   ring[udp.Packet]
	bytes  int
	closed bool
}

// handlePacket takes over a received datagram. It never blocks; a full queue drops it.
func (c *Conn) handlePacket(p udp.Packet) {
	if c.packets.push(p) {
		c.wake()
		return
	}
	c.transport.logDropped(p.Data, qlog.PacketDropDOSPrevention)
	p.Buffer.Release()
}

func (q *receiveQueue) push(p udp.Packet) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || q.ring.len() >= protocol.MaxReceiveQueuePackets || q.bytes+len(p.Data) > protocol.MaxReceiveQueueBytes {
		return false
	}
	q.ring.push(p)
	q.bytes += len(p.Data)
	return true
}

// take moves at most len(into) datagrams into into and reports whether more are left.
func (q *receiveQueue) take(into []udp.Packet) (n int, more bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for n < len(into) && q.ring.len() > 0 {
		into[n] = q.ring.pop()
		q.bytes -= len(into[n].Data)
		n++
	}
	return n, q.ring.len() > 0
}

// close releases what is left and refuses what comes later.
func (q *receiveQueue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	for q.ring.len() > 0 {
		p := q.ring.pop()
		p.Buffer.Release()
	}
}
