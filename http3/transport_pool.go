package http3

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"slices"
	"time"

	"github.com/quic-go/quic-go"
)

const defaultKeepAlive = 10 * time.Second

// A pooledConn is a connection of a Transport to a host, or the attempt to make one.
type pooledConn struct {
	key    string
	cancel context.CancelFunc // of the attempt

	// guarded by Transport.mu
	waiters int // calls that wait for the attempt

	// set before ready is closed
	ready    chan struct{}
	sessions *settingsCache // nil without a session cache
	conn     *ClientConn
	err      error
}

// acquire returns a connection to key, for which begin was called.
func (t *Transport) acquire(req *http.Request, key string, opt RoundTripOpt) (*pooledConn, error) {
	ctx := req.Context()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	trace := httptrace.ContextClientTrace(ctx)
	if trace != nil && trace.GetConn != nil {
		trace.GetConn(key)
	}
	for {
		p, err := t.lookup(ctx, key, opt)
		if err != nil {
			return nil, err
		}
		if err := t.await(ctx, p); err != nil {
			return nil, err
		}
		if p.err != nil {
			return nil, p.err
		}
		traced := trace != nil && trace.GotConn != nil
		var info httptrace.GotConnInfo
		if traced {
			info.Conn, info.Reused = tracedConn{p.conn}, p.conn.wasAnswered()
			info.IdleTime, info.WasIdle = p.conn.idleTime()
		}
		if t.take(p, req) {
			if traced {
				trace.GotConn(info)
			}
			return p, nil
		}
	}
}

// lookup returns the connection to key, or begins to make it.
func (t *Transport) lookup(ctx context.Context, key string, opt RoundTripOpt) (*pooledConn, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, ErrTransportClosed
	}
	p := t.conns[key]
	if p != nil && p.isReady() && (p.err != nil || !p.conn.usable()) {
		delete(t.conns, key)
		p = nil
	}
	if p != nil {
		p.waiters++
		return p, nil
	}
	if opt.OnlyCachedConn {
		return nil, ErrNoCachedConn
	}
	// The attempt serves all that wait for it, so it outlives the call that has begun it.
	dialCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	p = &pooledConn{key: key, cancel: cancel, waiters: 1, ready: make(chan struct{})}
	t.put(p)
	go t.dial(dialCtx, p)
	return p, nil
}

func (t *Transport) put(p *pooledConn) {
	if t.conns == nil {
		t.conns = make(map[string]*pooledConn)
	}
	t.conns[p.key] = p
}

func (p *pooledConn) isReady() bool {
	select {
	case <-p.ready:
		return true
	default:
		return false
	}
}

// await waits for the end of an attempt. The last one that gives up cancels it.
func (t *Transport) await(ctx context.Context, p *pooledConn) error {
	var err error
	select {
	case <-p.ready:
	case <-ctx.Done():
		err = ctx.Err()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	p.waiters--
	if p.waiters == 0 && !p.isReady() {
		p.cancel()
		t.forgetLocked(p)
	}
	return err
}

func (t *Transport) forgetLocked(p *pooledConn) {
	if t.conns[p.key] == p {
		delete(t.conns, p.key)
	}
}

// take begins a request on the connection, unless that was closed for being idle. If the request wants it to be
// the last one, it is.
func (t *Transport) take(p *pooledConn, req *http.Request) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.conns[p.key] != p && p.conn.conn.qc.Context().Err() != nil {
		return false
	}
	p.conn.begin()
	if req.Close {
		p.conn.leave()
		t.forgetLocked(p)
	}
	return true
}

// dial makes the connection of p.
func (t *Transport) dial(ctx context.Context, p *pooledConn) {
	qc, err := t.dialQUIC(ctx, p)
	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil && t.closed {
		err = ErrTransportClosed
		go qc.CloseWithError(quic.ApplicationErrorCode(ErrCodeNoError), "")
	}
	if err == nil && p.waiters == 0 && t.conns[p.key] != p {
		// Everybody has given up.
		err = context.Canceled
		go qc.CloseWithError(quic.ApplicationErrorCode(ErrCodeNoError), "")
	}
	t.settleLocked(p, qc, err)
}

// settleLocked ends the attempt to make the connection of p.
func (t *Transport) settleLocked(p *pooledConn, qc *quic.Conn, err error) {
	if err != nil {
		p.err = err
		p.cancel()
		t.forgetLocked(p)
	} else {
		p.conn = t.newClientConn(qc)
		p.conn.pooled = true
		p.conn.conn.sessions = p.sessions
		p.conn.start()
		if t.open == nil {
			t.open = make(map[*pooledConn]struct{})
		}
		t.open[p] = struct{}{}
		context.AfterFunc(qc.Context(), func() { t.forget(p) })
	}
	close(p.ready)
}

// forget removes a connection that is over.
func (t *Transport) forget(p *pooledConn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forgetLocked(p)
	delete(t.open, p)
	p.cancel()
}

// renew puts a connection whose 0-RTT was rejected to use again. What was sent in 0-RTT, the
// SETTINGS frame too, is lost.
func (t *Transport) renew(old *pooledConn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || t.conns[old.key] != old {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &pooledConn{key: old.key, cancel: cancel, ready: make(chan struct{}), sessions: old.sessions}
	t.put(p)
	go func() {
		qc, err := old.conn.conn.qc.NextConnection(ctx)
		t.mu.Lock()
		defer t.mu.Unlock()
		t.settleLocked(p, qc, convertError(err))
	}()
}

// dialQUIC makes the QUIC connection of p.
func (t *Transport) dialQUIC(ctx context.Context, p *pooledConn) (*quic.Conn, error) {
	addr := p.key
	tlsConf := &tls.Config{}
	if t.TLSClientConfig != nil {
		tlsConf = t.TLSClientConfig.Clone()
	}
	if tlsConf.ServerName == "" {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		tlsConf.ServerName = host
	}
	tlsConf.NextProtos = []string{NextProtoH3}
	p.sessions = newSettingsCache(tlsConf)
	dial := t.Dial
	if dial == nil {
		dial = t.dialOwnSocket
	}
	return traceDial(ctx, addr, func() (*quic.Conn, error) { return dial(ctx, addr, tlsConf, t.quicConfig) })
}

// traceDial reports a dial to an httptrace.ClientTrace.
func traceDial(ctx context.Context, addr string, dial func() (*quic.Conn, error)) (*quic.Conn, error) {
	trace := httptrace.ContextClientTrace(ctx)
	if trace == nil {
		return dial()
	}
	if trace.ConnectStart != nil {
		trace.ConnectStart("udp", addr)
	}
	if trace.TLSHandshakeStart != nil {
		trace.TLSHandshakeStart()
	}
	conn, err := dial()
	if trace.TLSHandshakeDone != nil {
		var state tls.ConnectionState
		if err == nil {
			state = conn.ConnectionState().TLS
		}
		trace.TLSHandshakeDone(state, err)
	}
	if trace.ConnectDone != nil {
		trace.ConnectDone("udp", addr, err)
	}
	return conn, err
}

// dialOwnSocket dials from the socket that all connections share.
func (t *Transport) dialOwnSocket(ctx context.Context, addr string, tlsConf *tls.Config, conf *quic.Config) (*quic.Conn, error) {
	remote, err := resolve(ctx, addr)
	if err != nil {
		return nil, err
	}
	socket, err := t.ownSocket()
	if err != nil {
		return nil, err
	}
	return socket.DialEarly(ctx, remote, tlsConf, conf)
}

func (t *Transport) ownSocket() (*quic.Transport, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, ErrTransportClosed
	}
	if t.socket != nil {
		return t.socket, nil
	}
	conn, err := net.ListenUDP("udp", nil)
	if err != nil {
		return nil, err
	}
	t.socket = &quic.Transport{Conn: conn}
	return t.socket, nil
}

// resolve returns the first IPv4 address of a host, or else its first address.
func resolve(ctx context.Context, addr string) (*net.UDPAddr, error) {
	host, service, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	port, err := net.DefaultResolver.LookupPort(ctx, "udp", service)
	if err != nil {
		return nil, err
	}
	addrs, err := net.DefaultResolver.LookupIPAddr(ctx, host)
	if err != nil {
		return nil, err
	}
	if len(addrs) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	i := max(0, slices.IndexFunc(addrs, func(a net.IPAddr) bool { return a.IP.To4() != nil }))
	return &net.UDPAddr{IP: addrs[i].IP, Port: port, Zone: addrs[i].Zone}, nil
}

// CloseIdleConnections closes the connections on which no request is running.
func (t *Transport) CloseIdleConnections() {
	t.mu.Lock()
	var idle []*ClientConn
	for key, p := range t.conns {
		if p.isReady() && p.waiters == 0 && (p.err != nil || p.conn.isIdle()) {
			delete(t.conns, key)
			if p.err == nil {
				idle = append(idle, p.conn)
			}
		}
	}
	t.mu.Unlock()
	for _, c := range idle {
		c.CloseWithError(quic.ApplicationErrorCode(ErrCodeNoError), "")
	}
}

// A tracedConn is what an httptrace.ClientTrace learns of a connection: its addresses. Requests do not
// pass through a net.Conn.
type tracedConn struct{ conn *ClientConn }

func (c tracedConn) LocalAddr() net.Addr            { return c.conn.LocalAddr() }
func (c tracedConn) RemoteAddr() net.Addr           { return c.conn.RemoteAddr() }
func (tracedConn) Read([]byte) (int, error)         { return 0, errors.ErrUnsupported }
func (tracedConn) Write([]byte) (int, error)        { return 0, errors.ErrUnsupported }
func (tracedConn) Close() error                     { return errors.ErrUnsupported }
func (tracedConn) SetDeadline(time.Time) error      { return errors.ErrUnsupported }
func (tracedConn) SetReadDeadline(time.Time) error  { return errors.ErrUnsupported }
func (tracedConn) SetWriteDeadline(time.Time) error { return errors.ErrUnsupported }

// Close closes all connections. Requests fail from then on.
func (t *Transport) Close() error {
	t.mu.Lock()
	conns, open, socket := t.conns, t.open, t.socket
	t.closed, t.conns, t.open, t.socket = true, nil, nil, nil
	t.mu.Unlock()
	for _, p := range conns {
		p.cancel()
	}
	for p := range open {
		p.conn.CloseWithError(quic.ApplicationErrorCode(ErrCodeNoError), "")
	}
	if socket == nil {
		return nil
	}
	return errors.Join(socket.Close(), socket.Conn.Close())
}
