package udp

import (
	"net"
	"sync"
	"time"

	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
)

// controlBufs lends memory for control messages to sends that run at the same time.
var controlBufs = sync.Pool{New: func() any { return new([controlSize]byte) }}

// errNotUDP is the answer to a destination that a UDP socket cannot have.
var errNotUDP = &net.AddrError{Err: "not a UDP address"}

// plainConn is the implementation for any net.PacketConn.
type plainConn struct {
	batchWriter

	conn  net.PacketConn // immutable
	addrs addrCache

	// reader only
	slot *Buffer
}

func newPlainConn(pc net.PacketConn) Conn {
	c := &plainConn{conn: pc}
	c.out = c
	return c
}

// ReadBatch implements Conn.
func (c *plainConn) ReadBatch(pkts []Packet) (int, error) {
	var (
		try retrier
		m   message
	)
	for {
		if c.slot == nil {
			c.slot = getBuffer(largeBuffer)
		}
		n, addr, err := c.conn.ReadFrom(c.slot.data)
		if err != nil {
			if err = try.failed(err); err != nil {
				c.slot.Release()
				c.slot = nil
				return 0, err
			}
			continue
		}
		try.ok()
		if n <= 0 || n > largeBuffer || addr == nil {
			continue
		}
		if m.fill(c.slot, n, RemoteFrom(addr), Control{}) {
			c.slot = nil
		}
		m.next(&pkts[0], monotime.Now())
		return 1, nil
	}
}

// send implements sender.
func (c *plainConn) send(b []byte, _ int, _ protocol.ECN, d *Destination) error {
	addr := d.Remote.Addr
	if addr == nil {
		if !d.Remote.AddrPort.IsValid() {
			return errNotUDP
		}
		addr = c.addrs.get(d.Remote.AddrPort)
	}
	_, err := c.conn.WriteTo(b, addr)
	return err
}

func (c *plainConn) LocalAddr() net.Addr               { return c.conn.LocalAddr() }
func (c *plainConn) SetReadDeadline(t time.Time) error { return c.conn.SetReadDeadline(t) }
func (c *plainConn) Close() error                      { return c.conn.Close() }

// Capabilities implements Conn. What is no socket may say that it never fragments by a method DontFragment.
func (c *plainConn) Capabilities() (gso, ecn, df bool) {
	d, ok := c.conn.(interface{ DontFragment() bool })
	return false, false, ok && d.DontFragment()
}
