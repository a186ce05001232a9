package quic

import (
	"context"
	"crypto/tls"
	"net"
	"sync"

	"github.com/quic-go/quic-go/internal/handshake"
	"github.com/quic-go/quic-go/internal/protocol"
)

// A Listener accepts connections whose handshake is complete.
type Listener struct{ base *listener }

// Accept returns the next connection. It waits for one until ctx ends or the listener is closed; then it returns
// ErrServerClosed, but first the connections that are there already.
func (l *Listener) Accept(ctx context.Context) (*Conn, error) { return l.base.accept(ctx) }

// Close stops accepting connections. Those that were accepted stay open, and the socket as long as there are any.
func (l *Listener) Close() error { return l.base.close() }

// Addr returns the local address of the socket.
func (l *Listener) Addr() net.Addr { return l.base.transport.conn.LocalAddr() }

// An EarlyListener accepts connections as soon as data can be sent, before the handshake is complete. Until then
// the client is not authenticated, and what it has sent may be a replay.
type EarlyListener struct{ base *listener }

// Accept returns the next connection, see Listener.Accept.
func (l *EarlyListener) Accept(ctx context.Context) (*Conn, error) { return l.base.accept(ctx) }

// Close stops accepting connections, see Listener.Close.
func (l *EarlyListener) Close() error { return l.base.close() }

// Addr returns the local address of the socket.
func (l *EarlyListener) Addr() net.Addr { return l.base.transport.conn.LocalAddr() }

// Listen starts a Listener. A Transport has one listener at a time. tlsConf must have a certificate, or a way
// to get one.
func (t *Transport) Listen(tlsConf *tls.Config, conf *Config) (*Listener, error) {
	l, err := t.listen(tlsConf, conf, false)
	if err != nil {
		return nil, err
	}
	return &Listener{base: l}, nil
}

// ListenEarly is Listen for an EarlyListener.
func (t *Transport) ListenEarly(tlsConf *tls.Config, conf *Config) (*EarlyListener, error) {
	l, err := t.listen(tlsConf, conf, true)
	if err != nil {
		return nil, err
	}
	return &EarlyListener{base: l}, nil
}

func (t *Transport) listen(tlsConf *tls.Config, conf *Config, early bool) (*listener, error) {
	if tlsConf == nil {
		return nil, errNoTLSConfig
	}
	if err := validateConfig(conf); err != nil {
		return nil, err
	}
	if err := t.init(); err != nil {
		return nil, err
	}
	l := &listener{
		transport: t,
		tls:       tlsConf,
		shared:    handshake.NewServerConfig(tlsConf),
		config:    populateConfig(conf),
		preferred: preferredVersions(conf),
		early:     early,
		queue:     make(chan *Conn, protocol.MaxAcceptQueueSize),
		closed:    make(chan struct{}),
	}
	t.table.mu.Lock()
	defer t.table.mu.Unlock()
	switch {
	case t.table.err != nil:
		return nil, t.table.err
	case t.table.listener != nil:
		return nil, errListenerSet
	}
	t.table.listener = l
	return l, nil
}

// A listener is what Listener and EarlyListener have in common.
type listener struct {
	// immutable
	transport *Transport
	tls       *tls.Config
	shared    *handshake.ServerConfig // tls, or nil
	config    *Config                 // effective
	preferred []Version
	early     bool
	queue     chan *Conn    // waits for Accept: protocol.MaxAcceptQueueSize
	closed    chan struct{} // closed by end

	zeroRTT zeroRTTQueue
	retries recentRetries // worker only
	scratch []byte        // worker only

	mu  sync.Mutex // rank 4
	err error      // why it is closed; nil while it is open
}

func (l *listener) accept(ctx context.Context) (*Conn, error) {
	select {
	case c := <-l.queue:
		return c, nil
	default:
	}
	select {
	case c := <-l.queue:
		return c, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-l.closed:
	}
	// A connection may have come before the end and after the first look.
	select {
	case c := <-l.queue:
		return c, nil
	default:
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return nil, l.err
}

// offer puts a connection in the queue. If it returns false, the connection is to be refused.
func (l *listener) offer(c *Conn) bool {
	l.transport.handshakeOver(c)
	taken := l.enqueue(c)
	if !taken {
		logf(logInfos, "connection refused: accept queue full, or listener closed")
	}
	return taken
}

func (l *listener) enqueue(c *Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return l.err != error(ErrServerClosed) // a closed Transport ends the connection itself, and silently
	}
	select {
	case l.queue <- c:
		return true
	default:
		return false
	}
}

// end makes Accept return err once the queue is empty. It is if the Transport is closed, as that ends the connections.
func (l *listener) end(err error) {
	l.zeroRTT.close()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return
	}
	l.err = err
	close(l.closed)
	for err != error(ErrServerClosed) && len(l.queue) > 0 {
		<-l.queue
	}
}

func (l *listener) close() error {
	l.end(ErrServerClosed)
	t := l.transport
	t.table.mu.Lock()
	if t.table.listener == l {
		t.table.listener = nil
	}
	last := t.closesNowLocked()
	t.table.mu.Unlock()
	if last {
		return t.Close()
	}
	return nil
}

// ListenAddr listens on a UDP address. The socket is closed when the listener and all its connections are.
func ListenAddr(addr string, tlsConf *tls.Config, conf *Config) (*Listener, error) {
	t, err := bindTransport(addr)
	if err != nil {
		return nil, err
	}
	l, err := t.Listen(tlsConf, conf)
	return orClose(t, l, err)
}

// ListenAddrEarly is ListenAddr for an EarlyListener.
func ListenAddrEarly(addr string, tlsConf *tls.Config, conf *Config) (*EarlyListener, error) {
	t, err := bindTransport(addr)
	if err != nil {
		return nil, err
	}
	l, err := t.ListenEarly(tlsConf, conf)
	return orClose(t, l, err)
}

// Listen listens on a socket, from which nobody else may read until the listener and all its connections are
// closed. The socket is left open. Use a Transport to also dial on it.
func Listen(conn net.PacketConn, tlsConf *tls.Config, conf *Config) (*Listener, error) {
	t := &Transport{Conn: conn, life: transportLife{single: true}}
	l, err := t.Listen(tlsConf, conf)
	return orClose(t, l, err)
}

// ListenEarly is Listen for an EarlyListener.
func ListenEarly(conn net.PacketConn, tlsConf *tls.Config, conf *Config) (*EarlyListener, error) {
	t := &Transport{Conn: conn, life: transportLife{single: true}}
	l, err := t.ListenEarly(tlsConf, conf)
	return orClose(t, l, err)
}

// bindTransport returns a Transport for one listener, with a socket of its own.
func bindTransport(addr string) (*Transport, error) {
	local, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		return nil, err
	}
	conn, err := net.ListenUDP("udp", local)
	if err != nil {
		return nil, err
	}
	return &Transport{Conn: conn, life: transportLife{single: true, ownsSocket: true}}, nil
}

// orClose closes t if what it was made for has failed.
func orClose[T any](t *Transport, v *T, err error) (*T, error) {
	if err != nil {
		_ = t.Close()
	}
	return v, err
}
