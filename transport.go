package quic

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go/internal/handshake"
	"github.com/quic-go/quic-go/internal/protect"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/udp"
	"github.com/quic-go/quic-go/qlogwriter"
)

// A Transport runs any number of connections, and at most one listener, on one packet socket. Its exported
// fields must not be changed after the first call of a method. All methods may be called concurrently.
type Transport struct {
	// Conn is the socket. The Transport reads from it until Close; nobody else may, but other Transports of the
	// process, with the same Conn or, on Linux, another descriptor of the same socket. A *net.UDPConn, or what
	// else is an OOBCapablePacketConn, makes better use of the network than a plain net.PacketConn.
	Conn net.PacketConn
	// ConnectionIDLength is the length of the connection IDs, 0 to 20 bytes; 0 means 4. It does not
	// matter if there is a ConnectionIDGenerator.
	ConnectionIDLength int
	// ConnectionIDGenerator makes the connection IDs. The default are random ones.
	ConnectionIDGenerator ConnectionIDGenerator
	// StatelessResetKey makes the tokens of stateless resets, by which peers learn that their connection is
	// gone. It should outlive the process and be secret. Without it no stateless reset is sent.
	StatelessResetKey *StatelessResetKey
	// TokenGeneratorKey protects the tokens for address validation. Servers that share it accept each
	// other's. The default is a random key.
	TokenGeneratorKey *TokenGeneratorKey
	// MaxTokenAge is how long a token from an earlier connection is valid. The default is 24 hours.
	MaxTokenAge time.Duration
	// DisableVersionNegotiationPackets stops the answers to clients of unknown versions.
	DisableVersionNegotiationPackets bool
	// VerifySourceAddress reports whether a client that shows no token has to prove its address by a
	// Retry, which takes one round trip. Without it that is asked of clients only while there are many
	// handshakes at the same time. It must not block.
	VerifySourceAddress func(addr net.Addr) bool
	// ConnContext returns the context from which that of an accepted connection is derived. It gets one
	// that ends with the connection. An error, or no context, refuses the connection.
	ConnContext func(ctx context.Context, info *ClientInfo) (context.Context, error)
	// CongestionControl is the congestion control algorithm of the connections. The default is CUBIC.
	CongestionControl CongestionControl
	// Tracer records the events of no connection in particular. Close closes it.
	Tracer qlogwriter.Recorder

	life     transportLife
	table    connTable
	work     workQueue
	siblings siblings

	// set by init, immutable afterwards
	conn        udp.Conn
	cids        ConnectionIDGenerator
	cidLen      int
	tokens      *handshake.TokenGenerator
	tokenAge    time.Duration
	usedTokens  *handshake.ReplayFilter // address validation tokens that clients have shown
	earlyHellos *handshake.ReplayFilter // ClientHellos with which 0-RTT was accepted
	resets      statelessResets

	nonQUIC   nonQUICQueue
	keyLimits protect.Limits // zero but in tests
}

// transportLife is how a Transport begins and ends.
type transportLife struct {
	// single: the Transport belongs to one Dial or Listen and closes itself when that is over. ownsSocket:
	// the socket too. Immutable.
	single, ownsSocket bool

	initOnce   sync.Once
	initErr    error
	closeOnce  sync.Once
	stopping   atomic.Bool   // Close wants the reader to end
	readerDone chan struct{} // closed when the reader has ended
	endOnce    sync.Once
	ended      chan struct{} // closed when no connection can be made any more
}

// init prepares the Transport for use and starts its reader, once.
func (t *Transport) init() error {
	t.life.initOnce.Do(func() { t.life.initErr = t.setUp() })
	if t.life.initErr != nil {
		return t.life.initErr
	}
	return t.closedErr()
}

func (t *Transport) setUp() error {
	if t.Conn == nil {
		return errNoConn
	}
	if !t.CongestionControl.valid() {
		return fmt.Errorf("quic: invalid congestion control: %d", int(t.CongestionControl))
	}
	if err := t.setUpConnectionIDs(); err != nil {
		return err
	}
	var tokenKey TokenGeneratorKey
	if t.TokenGeneratorKey != nil {
		tokenKey = *t.TokenGeneratorKey
	} else {
		rand.Read(tokenKey[:])
	}
	var err error
	if t.tokens, err = handshake.NewTokenGenerator(tokenKey); err != nil {
		return err
	}
	t.tokenAge = t.MaxTokenAge
	orDefault(&t.tokenAge, protocol.DefaultMaxTokenAge)
	t.usedTokens = handshake.NewReplayFilter(handshake.MaxReplayEntries)
	t.earlyHellos = handshake.NewReplayFilter(handshake.MaxReplayEntries)
	t.resets.init(t.StatelessResetKey)
	t.table.init()
	if t.conn, err = udp.Wrap(t.Conn, socketOptions()); err != nil {
		return err
	}
	checkSocketBuffers(t.Conn)
	t.life.readerDone = make(chan struct{})
	t.life.ended = make(chan struct{})
	go t.read(t.joinSocket())
	return nil
}

func (t *Transport) setUpConnectionIDs() error {
	switch n := t.ConnectionIDLength; {
	case t.ConnectionIDGenerator != nil:
		t.cids = t.ConnectionIDGenerator
	case n < 0 || n > protocol.MaxConnectionIDLen:
		return fmt.Errorf("quic: invalid connection ID length: %d", n)
	case n > 0:
		t.cids = randomConnectionIDs(n)
	default:
		t.cids = randomConnectionIDs(protocol.DefaultConnectionIDLength)
	}
	t.cidLen = t.cids.ConnectionIDLen()
	if t.cidLen < 0 || t.cidLen > protocol.MaxConnectionIDLen {
		return fmt.Errorf("quic: invalid connection ID length: %d", t.cidLen)
	}
	return nil
}

// randomConnectionIDs is the default ConnectionIDGenerator, with IDs of that many bytes.
type randomConnectionIDs int

func (n randomConnectionIDs) ConnectionIDLen() int { return int(n) }

func (n randomConnectionIDs) GenerateConnectionID() (ConnectionID, error) {
	return protocol.RandomConnectionID(int(n))
}

// connectionIDLen returns the length of the connection IDs by which peers reach the Transport.
func (t *Transport) connectionIDLen() int { return t.cidLen }

// generateConnectionID returns a new connection ID, which is not registered yet.
func (t *Transport) generateConnectionID() (protocol.ConnectionID, error) {
	cid, err := t.cids.GenerateConnectionID()
	if err == nil && (!cid.Valid() || cid.Len() != t.cidLen) {
		err = fmt.Errorf("quic: generated a connection ID of %d bytes, want %d", cid.Len(), t.cidLen)
	}
	return cid, err
}

// WriteTo sends a packet that is not QUIC's. It should start with two zero bits, or the peer's Transport
// takes it for one.
func (t *Transport) WriteTo(b []byte, addr net.Addr) (int, error) {
	if err := t.init(); err != nil {
		return 0, err
	}
	d := udp.Destination{Remote: udp.RemoteFrom(addr)}
	if !d.Remote.IsValid() {
		return 0, errNoRemoteAddress
	}
	if err := t.conn.WriteBatch(b, len(b), protocol.ECNNon, &d); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Close ends the listener and all connections, without a word to the peers, and stops reading. The socket stays
// open. It waits until all that is done, so it must not be called by a callback of a connection.
func (t *Transport) Close() error {
	t.life.closeOnce.Do(t.close)
	return nil
}

func (t *Transport) close() {
	t.life.initOnce.Do(func() { t.life.initErr = ErrTransportClosed }) // it never runs then
	t.noteClosing()
	for c, left := range t.shutdown(ErrTransportClosed) {
		if err := <-left; err != nil {
			<-c.Context().Done()
		}
	}
	if t.life.readerDone == nil {
		if t.life.ownsSocket {
			_ = t.Conn.Close()
		}
	} else {
		t.stopReader()
	}
	if t.Tracer != nil {
		_ = t.Tracer.Close()
	}
}

// stopReader ends the reader and leaves the socket as it was before, unless it is ours to close.
func (t *Transport) stopReader() {
	t.life.stopping.Store(true)
	if t.life.ownsSocket {
		_ = t.conn.Close()
		<-t.life.readerDone
		return
	}
	if err := t.conn.SetReadDeadline(longAgo); err != nil && !errors.Is(err, net.ErrClosed) {
		return // a socket without deadlines: the reader ends with its next packet
	}
	<-t.life.readerDone
	_ = t.conn.SetReadDeadline(time.Time{})
	udp.Detach(t.conn)
}

var longAgo = time.Unix(1, 0)

// shutdown ends the listener and all connections with err and lets nothing new begin. It does not wait.
// It returns the connections, which the caller may wait for, see Conn.leave. A later call changes nothing.
func (t *Transport) shutdown(err error) map[*Conn]<-chan error {
	conns, l := t.table.close(err)
	err = t.closedErr()
	if t.life.ended != nil {
		t.life.endOnce.Do(func() { close(t.life.ended) })
	}
	t.work.close()
	if l != nil {
		l.end(err)
	}
	left := make(map[*Conn]<-chan error, len(conns))
	for _, c := range conns {
		left[c] = c.leave(t, err)
	}
	return left
}

// closedErr returns why the Transport is closed, nil if it is open.
func (t *Transport) closedErr() error {
	t.table.mu.RLock()
	defer t.table.mu.RUnlock()
	return t.table.err
}
