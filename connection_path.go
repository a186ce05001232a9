package quic

import (
	"net"

	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/mtu"
	"github.com/quic-go/quic-go/internal/path"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/udp"
	"github.com/quic-go/quic-go/internal/wire"
)

// pathTable holds the paths of a connection: loop only, but for where.
type pathTable struct {
	manager *path.Manager
	at      [protocol.MaxPaths]connPath // by path.ID
	// attached are the Transports besides Conn.transport that the connection uses, nil for those it used. The index does not
	// change, see pathReceiver.
	attached []*Transport
	pending  []*Path // that wait for the handshake to be confirmed
	// newest is the largest number of a non-probing packet (RFC 9000, Section 9.1).
	newest protocol.PacketNumber
	// learned is the address that the congestion controller and the MTU belong to.
	learned   udp.Remote
	preferred path.ID // of the server's preferred address, while it is validated
	in        incomingPacket
}

// A connPath is a way to the peer.
type connPath struct {
	transport *Transport // nil: not in use
	dst       udp.Destination
	cid       pathCID
	peerDst   protocol.ConnectionID // ours, to which the peer sent its last packet on this path
	users     []*Path
}

// A pathCID says which connection ID of the peer is used on a path.
type pathCID struct {
	kind cidKind
	seq  uint64 // of cidOwn
}

type cidKind uint8

const (
	cidNone cidKind = iota // one has to be taken
	cidMain                // the current one
	cidOwn                 // one that was taken for the path
)

// incomingPacket is what is to be known about the packet that is being handled, for the sake of its path.
type incomingPacket struct {
	id         path.ID // path.None: not known
	packet     *udp.Packet
	nonProbing bool
	challenge  *[8]byte // on a path that is not known yet
}

// pathAddrs are the addresses of the active path, for other goroutines.
type pathAddrs struct {
	transport *Transport
	dst       udp.Destination
}

func (c *Conn) newPaths() {
	c.paths = pathTable{
		manager:   path.NewManager(),
		newest:    protocol.InvalidPacketNumber,
		learned:   c.params.remote,
		preferred: path.None,
	}
	c.paths.at[0] = connPath{
		transport: c.transport,
		dst:       udp.Destination{Remote: c.params.remote, Local: c.params.local, IfIndex: c.params.ifIndex},
		cid:       pathCID{kind: cidMain},
	}
	c.publishAddrs()
}

// activePath returns the path on which packets are sent.
func (c *Conn) activePath() *connPath { return &c.paths.at[c.paths.manager.Active()] }

func (c *Conn) publishAddrs() {
	p := c.activePath()
	c.addrs.Store(&pathAddrs{transport: p.transport, dst: p.dst})
}

// LocalAddr returns the local address, a *net.UDPAddr on UDP sockets. It changes when the connection migrates.
func (c *Conn) LocalAddr() net.Addr {
	a := c.addrs.Load()
	return localAddr(a.transport, &a.dst)
}

func localAddr(t *Transport, dst *udp.Destination) net.Addr {
	addr := t.conn.LocalAddr()
	if ua, ok := addr.(*net.UDPAddr); ok && dst.Local.IsValid() {
		return &net.UDPAddr{IP: dst.Local.AsSlice(), Port: ua.Port, Zone: ua.Zone}
	}
	return addr
}

// RemoteAddr returns the address of the peer, a *net.UDPAddr on UDP sockets. It changes when the peer migrates and has proved
// its new address.
func (c *Conn) RemoteAddr() net.Addr { return c.addrs.Load().dst.Remote.NetAddr() }

// findPath returns the path on which p came, path.None if it is not known.
func (c *Conn) findPath(p *udp.Packet) path.ID {
	via := c.transport
	if p.Path > 0 {
		via = c.paths.attached[p.Path-1]
	}
	if active := c.paths.manager.Active(); c.paths.at[active].matches(via, p.Remote) {
		return active
	}
	for i := range c.paths.at {
		if c.paths.at[i].matches(via, p.Remote) {
			return path.ID(i)
		}
	}
	return path.None
}

func (p *connPath) matches(via *Transport, remote udp.Remote) bool {
	if p.transport != via || via == nil {
		return false
	}
	return p.dst.Remote.Equal(remote) || sameHost(p.dst.Remote, remote)
}

// sameHost reports whether packets to sent may be answered from answered although the addresses differ: the unspecified
// address means the own host, and a zone has several names.
func sameHost(sent, answered udp.Remote) bool {
	s, a := sent.AddrPort, answered.AddrPort
	if !s.IsValid() || !a.IsValid() || s.Port() != a.Port() {
		return false
	}
	return s.Addr().IsUnspecified() || s.Addr().Zone() != "" && s.Addr().WithZone("") == a.Addr().WithZone("")
}

// onDatagram notes the path of a received datagram. It reports whether its packets are to be handled.
func (c *Conn) onDatagram(now monotime.Time, p *udp.Packet) bool {
	id := c.findPath(p)
	c.paths.in = incomingPacket{id: id, packet: p}
	if id == c.paths.manager.Active() {
		c.recovery.OnDatagramReceived(now, protocol.ByteCount(len(p.Data)))
	}
	// RFC 9000, Section 9: "If a client receives packets from an unknown server address, the client MUST discard these packets."
	return id != path.None || c.perspective == protocol.PerspectiveServer
}

// onPathPacket is called when the frames of an authentic 1-RTT packet have been handled.
func (c *Conn) onPathPacket(now monotime.Time, pn protocol.PacketNumber, dst protocol.ConnectionID) {
	t, in := &c.paths, &c.paths.in
	// RFC 9000, Section 9.3: "An endpoint only changes the address to which it sends packets in response to the
	// highest-numbered non-probing packet."
	moves := in.nonProbing && pn > t.newest
	if moves {
		t.newest = pn
	}
	other := in.id != t.manager.Active()
	if other {
		c.onOtherPath(now, dst, moves) // which may put it in the place of the active one
	}
	if in.id == path.None {
		return
	}
	t.manager.OnReceived(now, in.id, protocol.ByteCount(len(in.packet.Data)))
	t.at[in.id].peerDst = dst
	if moves && other && c.perspective == protocol.PerspectiveServer {
		c.follow(now, in.id)
	}
}

// onOtherPath adds the path of the packet if it is not known and the peer may want to use it.
func (c *Conn) onOtherPath(now monotime.Time, dst protocol.ConnectionID, moves bool) {
	in := &c.paths.in
	// RFC 9000, Section 9: "An endpoint MUST NOT initiate connection migration before the handshake is confirmed". Nor does
	// a server follow before.
	if in.id != path.None || !c.life.confirmed || !moves && in.challenge == nil {
		return
	}
	in.id = c.addPeerPath(now, dst, moves)
	if in.id != path.None && in.challenge != nil {
		c.onNewChallenge(now, in.id, *in.challenge)
	}
}

// addPeerPath adds the path of the packet that is being handled. It returns path.None if there is no room.
func (c *Conn) addPeerPath(now monotime.Time, dst protocol.ConnectionID, moves bool) path.ID {
	m, p := c.paths.manager, c.paths.in.packet
	added := connPath{
		transport: c.transport,
		dst:       udp.Destination{Remote: p.Remote, Local: p.Local, IfIndex: p.IfIndex},
		peerDst:   dst,
	}
	// RFC 9000, Section 9.5: "Due to network changes outside the control of its peer, an endpoint might receive packets from a
	// new source address with the same Destination Connection ID field value, in which case it MAY continue to use the
	// current connection ID with the new remote address".
	if active := c.activePath(); active.peerDst == dst {
		added.cid = active.cid
	}
	if moves && added.cid.kind == cidNone {
		// RFC 9000, Section 9.3: "If the recipient has no unused connection IDs from the peer, it will not be able to send
		// anything on the new path until the peer provides one".
		var ok bool
		if added.cid, ok = c.takeCID(); !ok {
			return path.None
		}
	}
	var id path.ID
	if moves {
		id = m.AddMigrated(now)
	} else {
		id = m.Add(now)
	}
	if id == path.None {
		c.releaseCID(added.cid)
		return id
	}
	old := c.paths.at[id].cid
	c.paths.at[id] = added
	c.releaseCID(old)
	return id
}

// onNewChallenge handles a PATH_CHALLENGE frame on a path.
func (c *Conn) onNewChallenge(now monotime.Time, id path.ID, data [8]byte) {
	m := c.paths.manager
	m.OnChallenge(id, data)
	if c.perspective == protocol.PerspectiveServer && !m.Validated(id) && !m.Validating(id) {
		m.Validate(now, id, c.recovery.RTT().PTO(true)) // so that the client's migration finds it done
	}
}

// handlePathChallenge queues the answer. RFC 9000, Section 8.2.2: "On receiving a PATH_CHALLENGE frame, an endpoint
// MUST respond by echoing the data contained in the PATH_CHALLENGE frame in a PATH_RESPONSE frame."
func (c *Conn) handlePathChallenge(now monotime.Time, f *wire.Decoded) {
	data := [8]byte(f.Data)
	if id := c.paths.in.id; id != path.None {
		c.onNewChallenge(now, id, data)
		return
	}
	c.paths.in.challenge = &data
}

// handlePathResponse handles a PATH_RESPONSE frame. One that answers nothing is ignored, as RFC 9000, Section 19.18 permits.
func (c *Conn) handlePathResponse(now monotime.Time, f *wire.Decoded) {
	id, verdict := c.paths.manager.OnResponse(now, [8]byte(f.Data))
	if verdict == path.Nothing {
		return
	}
	if id == c.paths.manager.Active() {
		c.onActiveValidated(now)
	}
	if verdict == path.Validated {
		c.onPathValidated(now, id)
	}
}

// follow makes the path on which the client sends now the active one.
func (c *Conn) follow(now monotime.Time, id path.ID) {
	m := c.paths.manager
	// RFC 9000, Section 9.5: "An endpoint that exhausts available connection IDs cannot probe new paths or initiate migration,
	// nor can it respond to probes or attempts by its peer to migrate."
	if _, ok := c.pathDst(id); !ok {
		return
	}
	m.Follow(now, id, c.recovery.RTT().PTO(true))
	if m.Validated(id) {
		c.onActiveValidated(now)
		return
	}
	c.recovery.SetAddressUnvalidated(m.Credit(id))
}

// onActiveValidated is called when the active path is one that leads to the peer, for sure.
func (c *Conn) onActiveValidated(now monotime.Time) {
	p := c.activePath()
	c.recovery.SetAddressValidated()
	c.useCID(c.paths.manager.Active())
	// RFC 9000, Section 9.4: "On confirming a peer's ownership of its new address, an endpoint MUST immediately reset the
	// congestion controller and round-trip time estimator for the new path to initial values [...] unless the only change in
	// the peer's address is its port number."
	if !onlyPortDiffers(c.paths.learned, p.dst.Remote) {
		c.resetPath(now)
	}
	c.paths.learned = p.dst.Remote
	if !c.addrs.Load().dst.Remote.Equal(p.dst.Remote) {
		c.publishAddrs()
		if c.perspective == protocol.PerspectiveServer {
			// RFC 9000, Section 9.3: "After verifying a new client address, the server SHOULD send new address
			// validation tokens (Section 8) to the client."
			c.queueNewToken()
		}
	}
}

func onlyPortDiffers(a, b udp.Remote) bool {
	if !a.AddrPort.IsValid() || !b.AddrPort.IsValid() {
		return a.Equal(b)
	}
	return a.AddrPort.Addr() == b.AddrPort.Addr()
}

// resetPath forgets what was learned about the path before.
func (c *Conn) resetPath(now monotime.Time) {
	c.mtu = mtu.New(now, min(protocol.ByteCount(c.config.InitialPacketSize), max(c.peerParams.MaxUDPPayloadSize, protocol.MinInitialPacketSize)))
	c.mtu.Search(c.mtuLimit())
	c.maxPacketSize = c.mtu.Current()
	c.recovery.ResetPath(now, c.maxPacketSize)
	c.updateMaxDatagramPayload()
}

// onPathTimeout handles the validations that have failed.
func (c *Conn) onPathTimeout(now monotime.Time) {
	m := c.paths.manager
	for {
		before := m.Active()
		id := m.OnTimeout(now)
		if id == path.None {
			return
		}
		if m.Active() != before {
			c.recovery.SetAddressValidated()
			c.removePath(id)
			c.control.ping = true // the peer may be silent until it hears from us again
			continue
		}
		c.onPathFailed(now, id)
	}
}

// pathDst returns the connection ID to which packets on the path go. ok is false if there is none.
func (c *Conn) pathDst(id path.ID) (_ protocol.ConnectionID, ok bool) {
	p := &c.paths.at[id]
	if p.cid.kind == cidMain {
		return c.received.Current(), true
	}
	if p.cid.kind == cidOwn {
		if cid, ok := c.received.Lookup(p.cid.seq); ok {
			return cid, true
		}
		p.cid = pathCID{} // the peer had it retired
	}
	taken, ok := c.takeCID()
	if !ok {
		return c.received.Current(), false
	}
	p.cid = taken
	return c.received.Lookup(taken.seq)
}

// takeCID takes an unused connection ID of the peer.
func (c *Conn) takeCID() (_ pathCID, ok bool) {
	seq, change, ok := c.received.Take()
	if !ok {
		return pathCID{}, false
	}
	c.applyTokenChange(change)
	return pathCID{kind: cidOwn, seq: seq}, true
}

// useCID makes the connection ID of the path the main one.
func (c *Conn) useCID(id path.ID) {
	used := c.paths.at[id].cid
	if used.kind == cidMain {
		return
	}
	if used.kind == cidOwn {
		change, ok := c.received.Use(used.seq)
		c.applyTokenChange(change)
		if !ok {
			used = pathCID{}
		}
	}
	for i := range c.paths.at {
		switch p := &c.paths.at[i]; {
		case path.ID(i) == id || p.cid == used && used.kind == cidOwn:
			p.cid = pathCID{kind: cidMain}
		case p.cid.kind == cidMain && used.kind == cidOwn:
			p.cid = pathCID{} // that one is retired
		}
	}
}

// releaseCID retires the connection ID of a path that is gone, unless another path uses it.
func (c *Conn) releaseCID(old pathCID) {
	if old.kind != cidOwn {
		return
	}
	for i := range c.paths.at {
		if c.paths.at[i].cid == old {
			return
		}
	}
	c.applyTokenChange(c.received.Retire(old.seq))
}

// removePath forgets a path that is not the active one.
func (c *Conn) removePath(id path.ID) {
	old := c.paths.at[id]
	c.paths.manager.Remove(id)
	c.paths.at[id] = connPath{}
	c.releaseCID(old.cid)
	c.leaveUnused(old.transport)
	for _, p := range old.users {
		p.end(ErrPathClosed)
	}
	if id == c.paths.preferred {
		c.paths.preferred = path.None
	}
}
