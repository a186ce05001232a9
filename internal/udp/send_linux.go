package udp

import (
	"net/netip"
	"sync"
	"syscall"

	"github.com/quic-go/quic-go/internal/protocol"
)

// A sendCall is the arguments and the result of one sendmsg. They are pooled because everything that
// reaches the callback of RawConn.Write lives on the heap.
type sendCall struct {
	write   func(fd uintptr) bool // bound once
	b       []byte
	oob     []byte
	to      syscall.Sockaddr
	to4     syscall.SockaddrInet4
	to6     syscall.SockaddrInet6
	zoned   netip.Addr // whose scope ID to6 has
	err     error
	control [controlSize]byte
}

var sendCalls = sync.Pool{New: func() any {
	s := new(sendCall)
	s.write = s.do
	return s
}}

// do is the callback of RawConn.Write. It never waits: the caller decides what to do about a full socket.
func (s *sendCall) do(fd uintptr) bool {
	_, s.err = syscall.SendmsgN(int(fd), s.b, s.oob, s.to, syscall.MSG_DONTWAIT)
	return true
}

// setAddr fills in the socket address. IPv6 sockets take IPv4 addresses in mapped form.
func (s *sendCall) setAddr(ap netip.AddrPort, v6 bool) {
	if !v6 {
		s.to4.Addr = ap.Addr().As4()
		s.to4.Port = int(ap.Port())
		s.to = &s.to4
		return
	}
	a := ap.Addr()
	s.to6.Addr = a.As16()
	s.to6.Port = int(ap.Port())
	if a != s.zoned {
		s.to6.ZoneId = scopeOf(a)
		s.zoned = a
	}
	s.to = &s.to6
}

// send implements sender.
func (c *udpConn) send(b []byte, segment int, ecn protocol.ECN, d *Destination) error {
	ap := d.Remote.AddrPort
	if !ap.IsValid() {
		return errNotUDP
	}
	if !c.f.v6 && !ap.Addr().Is4() {
		// No route from an IPv4 socket to an IPv6 address.
		return syscall.ENETUNREACH
	}
	s := sendCalls.Get().(*sendCall)
	s.b = b
	s.oob = appendControl(s.control[:0], d, ecn, segment, &c.f)
	s.setAddr(ap, c.f.v6)
	err := c.raw.Write(s.write)
	if err == nil {
		err = s.err
	}
	s.b, s.err = nil, nil
	sendCalls.Put(s)
	return err
}
