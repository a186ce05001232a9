package udp

import (
	"net"
	"net/netip"
	"time"

	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
)

// msgConn is the implementation for sockets with control messages, by the methods of package net: a
// wrapper around *net.UDPConn on Linux, and everything with these methods elsewhere.
type msgConn struct {
	batchWriter

	// immutable
	conn      oobConn
	udp       *net.UDPConn // conn, if it is just that: its netip methods do not allocate
	connected bool
	f         features

	addrs addrCache

	// reader only
	slot    *Buffer
	control [controlSize]byte
	pending message
	now     monotime.Time
}

func newMsgConn(c oobConn, f features) Conn {
	m := &msgConn{conn: c, f: f}
	m.udp, _ = c.(*net.UDPConn)
	if r, ok := c.(interface{ RemoteAddr() net.Addr }); ok {
		m.connected = r.RemoteAddr() != nil
	}
	if isBoundTo(c.LocalAddr()) {
		m.f.pktinfo = false // of no use for sending
	}
	m.gso.Store(f.gso)
	m.ecn.Store(f.ecn)
	m.out = m
	return m
}

// ReadBatch implements Conn.
func (c *msgConn) ReadBatch(pkts []Packet) (int, error) {
	var try retrier
	for len(c.pending.data) == 0 {
		err := c.read()
		if err == nil {
			try.ok()
			continue
		}
		if err = try.failed(err); err != nil {
			c.slot.Release()
			c.slot = nil
			return 0, err
		}
	}
	for n := range pkts {
		if c.pending.next(&pkts[n], c.now) {
			return n + 1, nil
		}
	}
	return len(pkts), nil
}

// read receives one message into c.pending, which stays empty if there was nothing of use.
func (c *msgConn) read() error {
	if c.slot == nil {
		c.slot = getBuffer(largeBuffer)
	}
	var (
		n, oobn, flags int
		remote         Remote
		err            error
	)
	if c.udp != nil {
		var ap netip.AddrPort
		n, oobn, flags, ap, err = c.udp.ReadMsgUDPAddrPort(c.slot.data, c.control[:])
		remote.AddrPort = unmap(ap)
	} else {
		var ua *net.UDPAddr
		n, oobn, flags, ua, err = c.conn.ReadMsgUDP(c.slot.data, c.control[:])
		if err == nil && ua != nil {
			remote = RemoteFrom(ua)
		}
	}
	if err != nil {
		return err
	}
	// The numbers of a wrapper are not trusted to be in range.
	if n <= 0 || n > largeBuffer || flags&msgTrunc != 0 || !remote.IsValid() {
		return nil
	}
	c.now = monotime.Now()
	oob := c.control[:min(max(oobn, 0), controlSize)]
	if c.pending.fill(c.slot, n, remote, ParseControl(oob)) {
		c.slot = nil
	}
	return nil
}

// send implements sender.
func (c *msgConn) send(b []byte, segment int, ecn protocol.ECN, d *Destination) error {
	ap := d.Remote.AddrPort
	if !ap.IsValid() {
		return errNotUDP
	}
	s := controlBufs.Get().(*[controlSize]byte)
	oob := appendControl(s[:0], d, ecn, segment, &c.f)
	var err error
	switch {
	case c.udp != nil && c.connected:
		_, _, err = c.udp.WriteMsgUDPAddrPort(b, oob, netip.AddrPort{})
	case c.udp != nil:
		_, _, err = c.udp.WriteMsgUDPAddrPort(b, oob, ap)
	case c.connected:
		_, _, err = c.conn.WriteMsgUDP(b, oob, nil)
	default:
		_, _, err = c.conn.WriteMsgUDP(b, oob, c.addrs.get(ap))
	}
	controlBufs.Put(s)
	return err
}

func (c *msgConn) LocalAddr() net.Addr               { return c.conn.LocalAddr() }
func (c *msgConn) SetReadDeadline(t time.Time) error { return c.conn.SetReadDeadline(t) }
func (c *msgConn) Close() error                      { return c.conn.Close() }

// Capabilities implements Conn.
func (c *msgConn) Capabilities() (gso, ecn, df bool) { return c.gso.Load(), c.ecn.Load(), c.f.df }

// isBoundTo reports whether a socket has a single address to send from.
func isBoundTo(a net.Addr) bool {
	ua, ok := a.(*net.UDPAddr)
	return ok && ua != nil && len(ua.IP) > 0 && !ua.IP.IsUnspecified()
}
