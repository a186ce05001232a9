package udp

import (
	"syscall"

	"github.com/quic-go/quic-go/internal/protocol"
)

// Numbers of Darwin.
const (
	ipTOS           = 3
	ipPktinfo       = 26
	ipRecvLocal     = ipPktinfo // IP_RECVPKTINFO
	ipRecvTOS       = 27
	ipDontFrag      = 28
	ipv6RecvTclass  = 35
	ipv6Tclass      = 36
	ipv6Pktinfo     = 46
	ipv6RecvPktinfo = 61
	ipv6DontFrag    = 62
)

// struct cmsghdr { socklen_t cmsg_len; int cmsg_level; int cmsg_type; }, aligned to 4 bytes.
var layout = controlLayout{lenSize: 4, align: 4}

const (
	controlSize = 256
	msgTrunc    = syscall.MSG_TRUNC
)

func (c *Control) set(level, typ int, data []byte) {
	switch {
	case level == syscall.IPPROTO_IP && (typ == ipRecvTOS || typ == ipTOS),
		level == syscall.IPPROTO_IPV6 && typ == ipv6Tclass:
		c.setTrafficClass(data)
	case level == syscall.IPPROTO_IP && typ == ipPktinfo:
		c.setPktinfo4(data)
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
	local := f.pktinfo && (d.Local.IsValid() || d.IfIndex != 0)
	switch {
	case v4 && ecn != protocol.ECNNon:
		b = appendInt(b, syscall.IPPROTO_IP, ipTOS, int(ecn))
	case ecn != protocol.ECNNon:
		b = appendInt(b, syscall.IPPROTO_IPV6, ipv6Tclass, int(ecn))
	}
	switch {
	case v4 && local:
		b = appendPktinfo4(b, d, syscall.IPPROTO_IP, ipPktinfo)
	case local:
		b = appendPktinfo6(b, d, syscall.IPPROTO_IPV6, ipv6Pktinfo)
	}
	return b
}
