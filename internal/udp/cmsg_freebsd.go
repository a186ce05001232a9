package udp

import (
	"net/netip"
	"strconv"
	"syscall"

	"github.com/quic-go/quic-go/internal/protocol"
)

// Numbers of FreeBSD.
const (
	ipTOS           = 3
	ipSendSrcAddr   = 7
	ipRecvLocal     = ipSendSrcAddr // IP_RECVDSTADDR
	ipDontFrag      = 67
	ipRecvTOS       = 68
	ipv6RecvPktinfo = 36
	ipv6Pktinfo     = 46
	ipv6RecvTclass  = 57
	ipv6Tclass      = 61
	ipv6DontFrag    = 62
)

// struct cmsghdr { socklen_t cmsg_len; int cmsg_level; int cmsg_type; }, aligned to a register.
var layout = controlLayout{lenSize: 4, align: strconv.IntSize / 8}

const (
	controlSize = 256
	msgTrunc    = syscall.MSG_TRUNC
)

func (c *Control) set(level, typ int, data []byte) {
	switch {
	case level == syscall.IPPROTO_IP && (typ == ipRecvTOS || typ == ipTOS),
		level == syscall.IPPROTO_IPV6 && typ == ipv6Tclass:
		c.setTrafficClass(data)
	case level == syscall.IPPROTO_IP && typ == ipRecvLocal:
		if len(data) >= 4 {
			c.Local = netip.AddrFrom4([4]byte(data[:4]))
		}
	case level == syscall.IPPROTO_IPV6 && typ == ipv6Pktinfo:
		c.setPktinfo6(data)
	}
}

// appendControl appends the control messages for sending. There are none for IPv4 on dual stack
// sockets, which take neither family's.
func appendControl(b []byte, d *Destination, ecn protocol.ECN, _ int, f *features) []byte {
	v4 := d.Remote.AddrPort.Addr().Is4()
	if v4 && f.v6 {
		return b
	}
	var data []byte
	switch {
	case v4 && ecn != protocol.ECNNon:
		b, data = layout.appendMessage(b, syscall.IPPROTO_IP, ipTOS, 1)
		data[0] = byte(ecn)
	case ecn != protocol.ECNNon:
		b = appendInt(b, syscall.IPPROTO_IPV6, ipv6Tclass, int(ecn))
	}
	switch {
	case v4 && f.pktinfo && d.Local.Is4():
		b, data = layout.appendMessage(b, syscall.IPPROTO_IP, ipSendSrcAddr, 4)
		a := d.Local.As4()
		copy(data, a[:])
	case !v4 && f.pktinfo && (d.Local.IsValid() || d.IfIndex != 0):
		b = appendPktinfo6(b, d, syscall.IPPROTO_IPV6, ipv6Pktinfo)
	}
	return b
}
