package udp

import (
	"encoding/binary"
	"net/netip"

	"github.com/quic-go/quic-go/internal/protocol"
)

// Control is what the control messages of a received datagram say.
type Control struct {
	Local   netip.Addr // unmapped; zero if not given
	IfIndex uint32
	ECN     protocol.ECN
	Segment int // of a coalesced train; 0 if it is a single datagram
}

// controlLayout is the layout of struct cmsghdr: a length of lenSize bytes, which includes the header,
// int level, int type; then, at the next multiple of align, the data, padded to align.
type controlLayout struct{ lenSize, align int }

func (l controlLayout) pad(n int) int   { return (n + l.align - 1) &^ (l.align - 1) }
func (l controlLayout) header() int     { return l.pad(l.lenSize + 8) }
func (l controlLayout) space(n int) int { return l.header() + l.pad(n) }

// next splits the first message off oob. It stops, with ok false, at the end and at anything
// malformed: a truncated buffer ends in half a message.
func (l controlLayout) next(oob []byte) (level, typ int, data, rest []byte, ok bool) {
	if len(oob) < l.header() {
		return 0, 0, nil, nil, false
	}
	var length uint64
	if l.lenSize == 8 {
		length = binary.NativeEndian.Uint64(oob)
	} else {
		length = uint64(binary.NativeEndian.Uint32(oob))
	}
	if length < uint64(l.header()) || length > uint64(len(oob)) {
		return 0, 0, nil, nil, false
	}
	n := int(length)
	level = int(int32(binary.NativeEndian.Uint32(oob[l.lenSize:])))
	typ = int(int32(binary.NativeEndian.Uint32(oob[l.lenSize+4:])))
	return level, typ, oob[l.header():n], oob[min(l.pad(n), len(oob)):], true
}

// appendMessage appends a message with n zero bytes of data, and returns them too. If b has not
// enough capacity it allocates.
func (l controlLayout) appendMessage(b []byte, level, typ, n int) (out, data []byte) {
	start := len(b)
	for range l.space(n) {
		b = append(b, 0)
	}
	length := l.header() + n
	if l.lenSize == 8 {
		binary.NativeEndian.PutUint64(b[start:], uint64(length))
	} else {
		binary.NativeEndian.PutUint32(b[start:], uint32(length))
	}
	binary.NativeEndian.PutUint32(b[start+l.lenSize:], uint32(level))
	binary.NativeEndian.PutUint32(b[start+l.lenSize+4:], uint32(typ))
	return b, b[start+l.header() : start+length]
}

// ParseControl reads the control messages of a received datagram. What is unknown or malformed is
// skipped.
func ParseControl(oob []byte) Control {
	var c Control
	for {
		level, typ, data, rest, ok := layout.next(oob)
		if !ok {
			return c
		}
		c.set(level, typ, data)
		oob = rest
	}
}

// setTrafficClass takes the TOS or Traffic Class byte, which comes as a byte or an int.
func (c *Control) setTrafficClass(data []byte) {
	switch {
	case len(data) >= 4:
		c.ECN = protocol.ECN(binary.NativeEndian.Uint32(data) & 0b11)
	case len(data) >= 1:
		c.ECN = protocol.ECN(data[0] & 0b11)
	}
}

// setPktinfo6 takes struct in6_pktinfo: 16 bytes of address, then the interface index.
func (c *Control) setPktinfo6(data []byte) {
	if len(data) < 20 {
		return
	}
	c.Local = netip.AddrFrom16([16]byte(data[:16])).Unmap()
	c.IfIndex = binary.NativeEndian.Uint32(data[16:])
}

// setPktinfo4 takes struct in_pktinfo: interface index, local address, destination of the header.
// The local address differs from the destination for broadcasts, and it is the one to reply from. Linux
// fills in zeros for datagrams that came before the socket was told to report addresses.
func (c *Control) setPktinfo4(data []byte) {
	if len(data) < 12 {
		return
	}
	c.IfIndex = binary.NativeEndian.Uint32(data)
	if local := netip.AddrFrom4([4]byte(data[4:8])); !local.IsUnspecified() {
		c.Local = local
	}
}

// ifIndexFor returns the interface index to send by: see Destination.
func (d *Destination) ifIndexFor() uint32 {
	if !d.Local.IsValid() || d.Local.IsLinkLocalUnicast() && d.Local.Is6() {
		return d.IfIndex
	}
	return 0
}

func appendPktinfo4(b []byte, d *Destination, level, typ int) []byte {
	b, data := layout.appendMessage(b, level, typ, 12)
	binary.NativeEndian.PutUint32(data, d.ifIndexFor())
	if d.Local.Is4() {
		a := d.Local.As4()
		copy(data[4:8], a[:])
	}
	return b
}

func appendPktinfo6(b []byte, d *Destination, level, typ int) []byte {
	b, data := layout.appendMessage(b, level, typ, 20)
	if d.Local.Is6() {
		a := d.Local.As16()
		copy(data, a[:])
	}
	binary.NativeEndian.PutUint32(data[16:], d.ifIndexFor())
	return b
}

func appendInt(b []byte, level, typ, v int) []byte {
	b, data := layout.appendMessage(b, level, typ, 4)
	binary.NativeEndian.PutUint32(data, uint32(v))
	return b
}
