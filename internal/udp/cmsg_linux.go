package udp

import (
	"encoding/binary"
	"strconv"
	"syscall"

	"github.com/quic-go/quic-go/internal/protocol"
)

// Numbers of Linux that package syscall does not name.
const (
	solUDP     = 17
	udpSegment = 103
	udpGRO     = 104
)

const msgTrunc = syscall.MSG_TRUNC

// struct cmsghdr { size_t cmsg_len; int cmsg_level; int cmsg_type; }, aligned to long.
var layout = controlLayout{lenSize: strconv.IntSize / 8, align: strconv.IntSize / 8}

// controlSize has room for everything asked for here, twice: a socket may have more turned on.
const controlSize = 256

func (c *Control) set(level, typ int, data []byte) {
	switch {
	case level == solUDP && typ == udpGRO:
		if len(data) >= 4 {
			c.Segment = int(int32(binary.NativeEndian.Uint32(data)))
		} else if len(data) >= 2 {
			c.Segment = int(binary.NativeEndian.Uint16(data))
		}
	case level == syscall.IPPROTO_IP && typ == syscall.IP_TOS,
		level == syscall.IPPROTO_IPV6 && typ == syscall.IPV6_TCLASS:
		c.setTrafficClass(data)
	case level == syscall.IPPROTO_IP && typ == syscall.IP_PKTINFO:
		c.setPktinfo4(data)
	case level == syscall.IPPROTO_IPV6 && typ == syscall.IPV6_PKTINFO:
		c.setPktinfo6(data)
	}
}

// appendControl appends the control messages for sending. IPv4 destinations take those of IPv4 on
// dual stack sockets too.
func appendControl(b []byte, d *Destination, ecn protocol.ECN, segment int, f *features) []byte {
	v4 := d.Remote.AddrPort.Addr().Is4()
	if ecn != protocol.ECNNon {
		if v4 {
			b = appendInt(b, syscall.IPPROTO_IP, syscall.IP_TOS, int(ecn))
		} else {
			b = appendInt(b, syscall.IPPROTO_IPV6, syscall.IPV6_TCLASS, int(ecn))
		}
	}
	if f.pktinfo && (d.Local.IsValid() || d.IfIndex != 0) {
		if v4 {
			b = appendPktinfo4(b, d, syscall.IPPROTO_IP, syscall.IP_PKTINFO)
		} else {
			b = appendPktinfo6(b, d, syscall.IPPROTO_IPV6, syscall.IPV6_PKTINFO)
		}
	}
	if segment > 0 {
		var data []byte
		b, data = layout.appendMessage(b, solUDP, udpSegment, 2)
		binary.NativeEndian.PutUint16(data, uint16(segment))
	}
	return b
}
