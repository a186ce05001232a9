package simnet

import (
	"net"
	"net/netip"
)

// A Packet is a datagram on its way.
type Packet struct {
	To   net.Addr
	From net.Addr
	Data []byte
}

// A PacketReceiver takes packets that have arrived.
type PacketReceiver interface {
	// RecvPacket takes over p, including its data.
	RecvPacket(p Packet)
}

// A Router passes packets on to the node that they are for.
type Router interface {
	// SendPacket takes over p, including its data.
	SendPacket(p Packet) error
	// AddNode makes receiver the node at addr, in place of an earlier one.
	AddNode(addr net.Addr, receiver PacketReceiver)
}

// addrKey makes addresses comparable: equal UDP addresses have equal keys, however they are stored.
type addrKey struct {
	udp   netip.AddrPort
	other string
}

func keyOf(a net.Addr) addrKey {
	if ua, ok := a.(*net.UDPAddr); ok && ua != nil {
		ap := ua.AddrPort()
		return addrKey{udp: netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())}
	}
	if a == nil {
		return addrKey{}
	}
	return addrKey{other: a.Network() + " " + a.String()}
}
