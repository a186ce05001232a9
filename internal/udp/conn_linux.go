package udp

import (
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/quic-go/quic-go/internal/monotime"
)

// udpConn is the implementation for *net.UDPConn on Linux.
type udpConn struct {
	batchWriter

	// immutable
	conn *net.UDPConn
	raw  syscall.RawConn
	f    features

	// reader only
	r receiver
}

func newUDPConn(c *net.UDPConn, raw syscall.RawConn, f features) Conn {
	f.gro = setGRO(raw, 1)
	if isBoundTo(c.LocalAddr()) {
		f.pktinfo = false // of no use for sending
	}
	u := &udpConn{conn: c, raw: raw, f: f}
	u.gso.Store(f.gso)
	u.ecn.Store(f.ecn)
	u.out = u
	u.r.init()
	return u
}

// ReadBatch implements Conn.
func (c *udpConn) ReadBatch(pkts []Packet) (int, error) {
	var try retrier
	for {
		if n := c.r.take(pkts); n > 0 {
			return n, nil
		}
		err := c.raw.Read(c.r.readFunc)
		if err == nil {
			err = c.r.result()
		}
		if err == nil {
			try.ok()
			c.r.now = monotime.Now()
			continue
		}
		if err = try.failed(err); err != nil {
			// As net.UDPConn reports it: applications look for the *net.OpError of a read.
			return 0, &net.OpError{Op: "read", Net: "udp", Source: c.conn.LocalAddr(), Err: err}
		}
	}
}

func (c *udpConn) LocalAddr() net.Addr               { return c.conn.LocalAddr() }
func (c *udpConn) SetReadDeadline(t time.Time) error { return c.conn.SetReadDeadline(t) }
func (c *udpConn) Close() error                      { return c.conn.Close() }

// Capabilities implements Conn.
func (c *udpConn) Capabilities() (gso, ecn, df bool) { return c.gso.Load(), c.ecn.Load(), c.f.df }

func (c *udpConn) detach() {
	if c.f.gro {
		setGRO(c.raw, 0)
	}
}

// maxZones bounds the names of interfaces that are remembered. There is one for each interface
// with a link-local peer.
const maxZones = 64

// zoneNames maps scope IDs to the names that addresses of package netip carry.
type zoneNames map[uint32]string

func (z *zoneNames) name(scope uint32) string {
	if s, ok := (*z)[scope]; ok {
		return s
	}
	if *z == nil || len(*z) >= maxZones {
		*z = make(zoneNames)
	}
	s := uitoa(scope)
	if i, err := net.InterfaceByIndex(int(scope)); err == nil {
		s = i.Name
	}
	(*z)[scope] = s
	return s
}

// scopeOf is the reverse of zoneNames.name. It is slow, and rare: senders to link-local addresses
// remember the last one.
func scopeOf(a netip.Addr) uint32 {
	zone := a.Zone()
	if zone == "" {
		return 0
	}
	if i, err := net.InterfaceByName(zone); err == nil {
		return uint32(i.Index)
	}
	return atou(zone)
}
