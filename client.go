package quic

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
	"github.com/quic-go/quic-go/internal/udp"
)

// DialAddr connects to a server by UDP. addr is a host and a port; the host is also the name that the server has to
// prove, unless tlsConf has one. The connection has a socket of its own, which is closed with it.
//
// It waits until the handshake is complete. If ctx ends before, it returns the cause of that.
func DialAddr(ctx context.Context, addr string, tlsConf *tls.Config, conf *Config) (*Conn, error) {
	return dialAddr(ctx, addr, dialParams{tls: tlsConf, config: conf})
}

// DialAddrEarly is DialAddr, but it returns as soon as data can be sent: at once if tlsConf has a session of the
// server that permits 0-RTT. Whether the server has accepted that shows when Conn.HandshakeComplete is done.
func DialAddrEarly(ctx context.Context, addr string, tlsConf *tls.Config, conf *Config) (*Conn, error) {
	return dialAddr(ctx, addr, dialParams{tls: tlsConf, config: conf, early: true})
}

// Dial connects to a server on a socket, from which nobody else may read until the connection is over. The socket is
// left open. Use a Transport for several connections on it. See DialAddr for all else.
func Dial(ctx context.Context, conn net.PacketConn, addr net.Addr, tlsConf *tls.Config, conf *Config) (*Conn, error) {
	t := &Transport{Conn: conn, life: transportLife{single: true}}
	return t.dialSingle(ctx, dialParams{addr: addr, tls: tlsConf, config: conf})
}

// DialEarly is Dial, but it returns as soon as data can be sent, see DialAddrEarly.
func DialEarly(ctx context.Context, conn net.PacketConn, addr net.Addr, tlsConf *tls.Config, conf *Config) (*Conn, error) {
	t := &Transport{Conn: conn, life: transportLife{single: true}}
	return t.dialSingle(ctx, dialParams{addr: addr, tls: tlsConf, config: conf, early: true})
}

// Dial connects to a server. The name that the server has to prove is the host of addr, unless tlsConf has one.
// It waits until the handshake is complete. If ctx ends before, it returns the cause of that.
func (t *Transport) Dial(ctx context.Context, addr net.Addr, tlsConf *tls.Config, conf *Config) (*Conn, error) {
	return t.dial(ctx, dialParams{addr: addr, tls: tlsConf, config: conf})
}

// DialEarly is Dial, but it returns as soon as data can be sent, see DialAddrEarly.
func (t *Transport) DialEarly(ctx context.Context, addr net.Addr, tlsConf *tls.Config, conf *Config) (*Conn, error) {
	return t.dial(ctx, dialParams{addr: addr, tls: tlsConf, config: conf, early: true})
}

// dialParams are the arguments of a dial function.
type dialParams struct {
	addr   net.Addr
	host   string // the name to use if tls has none; empty: the host of addr
	tls    *tls.Config
	config *Config
	early  bool
}

// check reports arguments that cannot be used, before anything is done.
func (d *dialParams) check(ctx context.Context) error {
	if d.tls == nil {
		return errNoTLSConfig
	}
	if err := validateConfig(d.config); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// serverName returns the name that the server has to prove.
func (d *dialParams) serverName() string {
	if d.tls.ServerName != "" {
		return d.tls.ServerName
	}
	if d.host != "" {
		return d.host
	}
	host, _, err := net.SplitHostPort(d.addr.String())
	if err != nil {
		return d.addr.String()
	}
	return host
}

func dialAddr(ctx context.Context, addr string, d dialParams) (*Conn, error) {
	if err := d.check(ctx); err != nil {
		return nil, err
	}
	var err error
	if d.host, _, err = net.SplitHostPort(addr); err != nil {
		return nil, err
	}
	if d.addr, err = resolve(ctx, addr); err != nil {
		return nil, err
	}
	conn, err := net.ListenUDP("udp", nil)
	if err != nil {
		return nil, err
	}
	t := &Transport{Conn: conn, life: transportLife{single: true, ownsSocket: true}}
	return t.dialSingle(ctx, d)
}

// resolve is net.ResolveUDPAddr with a context.
func resolve(ctx context.Context, addr string) (*net.UDPAddr, error) {
	host, service, err := net.SplitHostPort(addr)
	if err != nil || host == "" {
		return net.ResolveUDPAddr("udp", addr)
	}
	port, err := net.DefaultResolver.LookupPort(ctx, "udp", service)
	if err != nil {
		return nil, err
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	// Like package net, which prefers IPv4 where only one address is wanted.
	i := max(slices.IndexFunc(ips, func(ip netip.Addr) bool { return ip.Unmap().Is4() }), 0)
	return net.UDPAddrFromAddrPort(netip.AddrPortFrom(ips[i].Unmap(), uint16(port))), nil
}

// dialSingle dials on a Transport that was made for that.
func (t *Transport) dialSingle(ctx context.Context, d dialParams) (*Conn, error) {
	t.ConnectionIDGenerator = randomConnectionIDs(0)
	c, err := t.dial(ctx, d)
	return orClose(t, c, err)
}

func (t *Transport) dial(ctx context.Context, d dialParams) (*Conn, error) {
	if err := d.check(ctx); err != nil {
		return nil, err
	}
	if err := t.init(); err != nil {
		return nil, err
	}
	remote := udp.RemoteFrom(d.addr)
	if !remote.IsValid() {
		return nil, errNoRemoteAddress
	}
	// It also keeps a Transport that was made for this open if there has to be a second connection.
	if err := t.hold(); err != nil {
		return nil, err
	}
	defer t.release()
	p := connParams{
		transport:   t,
		perspective: protocol.PerspectiveClient,
		config:      populateConfig(d.config),
		tls:         d.tls,
		ctx:         context.WithoutCancel(ctx),
		early:       d.early,
		remote:      remote,
		serverName:  d.serverName(),
	}
	p.version = p.config.Versions[0]
	c, err := t.connect(ctx, p)
	negotiation, ok := errors.AsType[*errVersionNegotiated](err)
	if !ok {
		return c, err
	}
	p.version, p.versionNegotiated = selectVersion(p.config.Versions, negotiation.theirs), true
	if p.version == 0 {
		// RFC 9000, Section 6.2: "A client that supports only this version of QUIC MUST abandon the current
		// connection attempt".
		return nil, &qerr.VersionNegotiationError{Ours: p.config.Versions, Theirs: negotiation.theirs}
	}
	return t.connect(ctx, p)
}

// connect makes one connection and waits until it can be used.
func (t *Transport) connect(ctx context.Context, p connParams) (*Conn, error) {
	var err error
	if p.dstCID, err = protocol.RandomConnectionID(protocol.MinInitialDestinationConnectionIDLen); err != nil {
		return nil, err
	}
	p.origDstCID = p.dstCID
	p.useTokens()
	c, err := t.registeredConn(&p, stageOther)
	if err != nil {
		return nil, err
	}
	ready := c.handshakeDone
	if p.early {
		ready = c.earlyReady
	}
	c.start()
	select {
	case <-ready:
		return c, nil
	case <-c.Context().Done():
	case <-ctx.Done():
		// Tells the server, which may have state for the connection by now.
		_ = c.CloseWithError(0, "")
		return nil, context.Cause(ctx)
	}
	select {
	case <-ready: // the connection was usable before it ended
		return c, nil
	default:
		<-c.done // only now its connection ID can be given to another one
		return nil, context.Cause(c.Context())
	}
}

// useTokens makes the connection show and keep the address validation tokens of its server.
func (p *connParams) useTokens() {
	store := p.config.TokenStore
	if store == nil {
		return
	}
	// RFC 9369, Section 5: "Clients MUST NOT use a session ticket or token from a QUIC version 1 connection to
	// initiate a QUIC version 2 connection, and vice versa."
	if tok := store.Pop(p.serverName); tok != nil && tok.version == p.version {
		p.token, p.initialRTT = tok.data, tok.rtt
	}
	name := p.serverName
	p.storeToken = func(token []byte, v protocol.Version, rtt time.Duration) {
		store.Put(name, &ClientToken{data: bytes.Clone(token), rtt: rtt, version: v})
	}
}
