package quic

import (
	"context"
	"errors"
	"net/netip"
	"slices"

	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/path"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/udp"
	"github.com/quic-go/quic-go/internal/wire"
)

var (
	errServerMigration   = errors.New("server cannot initiate connection migration")
	errMigrationDisabled = errors.New("server does not permit connection migration")
	errCloseActivePath   = errors.New("cannot close active path")
	errTooManyPaths      = errors.New("too many paths")
	errNoConnectionID    = errors.New("server has provided no connection ID for another path")
	errPathCIDLength     = errors.New("transport has connection IDs of another length")
)

// A Path is a network path of a client's connection that was added by Conn.AddPath. Its methods may be called concurrently, but
// not by a callback of the connection.
type Path struct {
	conn      *Conn
	transport *Transport

	// loop only
	id        path.ID // path.None before the first Probe
	closed    bool
	validated bool
	waiters   []chan error // of Probe
}

// AddPath adds a path from the socket of t to the server, to which the connection can migrate: Probe finds out whether it
// works, Switch makes the connection use it. Nothing is sent before Probe. The connection IDs of t must have the length of
// those of the Transport by which the connection was dialed; the functions Dial and DialAddr use none at all. Closing t closes
// its paths, and the connection if it uses one of them.
//
// Only a client can do that. A server follows it.
func (c *Conn) AddPath(t *Transport) (*Path, error) {
	if c.perspective == protocol.PerspectiveServer {
		return nil, errServerMigration
	}
	if err := t.init(); err != nil {
		return nil, err
	}
	if t.connectionIDLen() != c.params.srcCID.Len() {
		return nil, errPathCIDLength
	}
	return &Path{conn: c, transport: t, id: path.None}, nil
}

// Probe finds out whether the server can be reached by the path. It waits, sending challenges (RFC 9000, Section 8.2), until
// the server has answered, ctx ends, the path is closed or the connection is over.
func (p *Path) Probe(ctx context.Context) error {
	c := p.conn
	wait := make(chan error, 1)
	if err := <-c.ask(func(now monotime.Time) error { return c.probePath(now, p, wait) }); err != nil {
		return err
	}
	select {
	case err := <-wait:
		return err
	case <-ctx.Done():
		c.ask(func(monotime.Time) error { return c.stopProbe(p, wait) })
		return context.Cause(ctx)
	case <-c.ctx.Done():
		return context.Cause(c.ctx)
	}
}

// Switch makes the connection use the path for everything that it sends from now on. It returns ErrPathNotValidated if Probe has
// not succeeded before, and ErrPathClosed after Close.
func (p *Path) Switch() error {
	return <-p.conn.ask(func(now monotime.Time) error { return p.conn.switchPath(now, p) })
}

// Close gives up the path. The one that the connection uses cannot be closed.
func (p *Path) Close() error {
	return <-p.conn.ask(func(monotime.Time) error { return p.conn.closePath(p) })
}

// end closes the path, on the loop.
func (p *Path) end(err error) {
	p.closed, p.validated, p.id = true, false, path.None
	p.answer(err)
}

// answer ends the calls of Probe.
func (p *Path) answer(err error) {
	for _, w := range p.waiters {
		w <- err
	}
	p.waiters = nil
}

// probePath begins a probe, or notes that it is to begin when the handshake is confirmed.
func (c *Conn) probePath(now monotime.Time, p *Path, wait chan error) error {
	if p.closed {
		return ErrPathClosed
	}
	p.waiters = append(p.waiters, wait)
	// RFC 9000, Section 9: "An endpoint MUST NOT initiate connection migration before the handshake is confirmed".
	if !c.life.confirmed {
		c.paths.pending = append(c.paths.pending, p)
		return nil
	}
	c.beginProbe(now, p)
	return nil
}

// beginPending begins the probes that had to wait for the confirmation of the handshake.
func (c *Conn) beginPending(now monotime.Time) {
	for _, p := range c.paths.pending {
		if len(p.waiters) > 0 {
			c.beginProbe(now, p)
		}
	}
	c.paths.pending = nil
}

func (c *Conn) beginProbe(now monotime.Time, p *Path) {
	if p.id == path.None {
		if err := c.placePath(now, p); err != nil {
			p.answer(err)
			return
		}
	}
	if !c.paths.manager.Validating(p.id) {
		c.paths.manager.Validate(now, p.id, c.recovery.RTT().PTO(true))
	}
}

// placePath gives p a place in the table: that of the path from the same socket, if there is one.
func (c *Conn) placePath(now monotime.Time, p *Path) error {
	// RFC 9000, Section 18.2: "An endpoint that receives this transport parameter MUST NOT use a new local address when sending
	// to the address that the peer used during the handshake."
	if c.peerParams.DisableActiveMigration && c.activePath().dst.Remote.Equal(c.params.remote) {
		return errMigrationDisabled
	}
	remote := c.activePath().dst.Remote
	for i := range c.paths.at {
		if at := &c.paths.at[i]; at.matches(p.transport, remote) {
			at.users = append(at.users, p)
			p.id = path.ID(i)
			c.paths.manager.Own(p.id)
			return nil
		}
	}
	id, err := c.addOwnPath(now, p.transport, remote)
	if err != nil {
		return err
	}
	c.paths.at[id].users = []*Path{p}
	p.id = id
	return nil
}

// addOwnPath adds a path that we want to use.
func (c *Conn) addOwnPath(now monotime.Time, t *Transport, remote udp.Remote) (path.ID, error) {
	id := c.paths.manager.Add(now)
	if id == path.None {
		return id, errTooManyPaths
	}
	if c.paths.at[id].transport != nil {
		c.removePath(id)
		id = c.paths.manager.Add(now)
	}
	if err := c.join(t); err != nil {
		c.paths.manager.Remove(id)
		return path.None, err
	}
	c.paths.manager.Own(id)
	c.paths.at[id] = connPath{transport: t, dst: udp.Destination{Remote: remote}}
	return id, nil
}

// stopProbe ends a call of Probe whose context has ended.
func (c *Conn) stopProbe(p *Path, wait chan error) error {
	p.waiters = slices.DeleteFunc(p.waiters, func(w chan error) bool { return w == wait })
	if p.id != path.None && !c.isAwaited(p.id) {
		c.paths.manager.Abandon(p.id)
	}
	return nil
}

// isAwaited reports whether the application waits for the validation of the path.
func (c *Conn) isAwaited(id path.ID) bool {
	return slices.ContainsFunc(c.paths.at[id].users, func(p *Path) bool { return len(p.waiters) > 0 })
}

// onPathValidated tells those who wait for it.
func (c *Conn) onPathValidated(now monotime.Time, id path.ID) {
	for _, p := range c.paths.at[id].users {
		p.validated = true
		p.answer(nil)
	}
	if id == c.paths.preferred {
		c.paths.preferred = path.None
		// RFC 9000, Section 9.6.1: "If path validation succeeds, the client SHOULD begin sending all future packets to the new
		// server address using the new connection ID and discontinue use of the old server address."
		c.migrate(now, id)
	}
}

// onPathFailed is called when the validation of a path other than the active one has failed.
func (c *Conn) onPathFailed(now monotime.Time, id path.ID) {
	if c.isAwaited(id) {
		c.paths.manager.Validate(now, id, c.recovery.RTT().PTO(true))
		return
	}
	if id == c.paths.preferred {
		// RFC 9000, Section 9.6.1: "If path validation fails, the client MUST continue sending all future packets to the server's
		// original IP address."
		c.removePath(id)
	}
}

func (c *Conn) switchPath(now monotime.Time, p *Path) error {
	if p.closed {
		return ErrPathClosed
	}
	if !p.validated {
		return ErrPathNotValidated
	}
	if p.id == c.paths.manager.Active() {
		return nil
	}
	if _, ok := c.pathDst(p.id); !ok {
		return errNoConnectionID
	}
	c.migrate(now, p.id)
	return nil
}

// migrate makes a client's path the active one.
func (c *Conn) migrate(now monotime.Time, id path.ID) {
	c.paths.manager.Choose(id)
	c.useCID(id)
	c.paths.learned = c.paths.at[id].dst.Remote
	c.resetPath(now)
	c.publishAddrs()
	c.control.ping = true // the server follows a packet with a non-probing frame
}

func (c *Conn) closePath(p *Path) error {
	if p.closed {
		return nil
	}
	if p.id == path.None {
		p.end(ErrPathClosed)
		return nil
	}
	id := p.id
	at := &c.paths.at[id]
	others := slices.DeleteFunc(slices.Clone(at.users), func(u *Path) bool { return u == p })
	if id == c.paths.manager.Active() && len(others) == 0 {
		return errCloseActivePath
	}
	if len(others) == 0 {
		c.removePath(id)
		return nil
	}
	at.users = others
	p.end(ErrPathClosed)
	return nil
}

// probePreferredAddress begins the validation of the server's preferred address (RFC 9000, Section 9.6).
func (c *Conn) probePreferredAddress(now monotime.Time) {
	tp := c.peerParams.PreferredAddress
	if c.perspective == protocol.PerspectiveServer || tp == nil {
		return
	}
	at := c.activePath()
	remote := preferredRemote(tp, at.dst.Remote.AddrPort)
	if !remote.IsValid() {
		return
	}
	id, err := c.addOwnPath(now, at.transport, udp.Remote{AddrPort: remote})
	if err != nil {
		return
	}
	c.paths.preferred = id
	c.paths.manager.Validate(now, id, c.recovery.RTT().PTO(true))
}

// preferredRemote returns the preferred address of the family that is in use, the zero value if there is none that may be used.
func preferredRemote(tp *wire.PreferredAddress, current netip.AddrPort) netip.AddrPort {
	remote := tp.IPv4
	if current.Addr().Is6() {
		remote = tp.IPv6
	}
	a := remote.Addr()
	// A server must not make us talk to our own host or link, see RFC 9000, Section 21.5.6.
	inside := a.IsLoopback() && !current.Addr().IsLoopback() || a.IsLinkLocalUnicast() && !current.Addr().IsLinkLocalUnicast()
	if !current.IsValid() || !remote.IsValid() || remote == current || remote.Port() == 0 || a.IsUnspecified() || a.IsMulticast() || inside {
		return netip.AddrPort{}
	}
	return remote
}
