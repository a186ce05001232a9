package udp

import (
	"net"
	"net/netip"
	"sync"
)

// A Remote is the address of a peer. AddrPort is valid for UDP, with IPv4-mapped addresses unmapped,
// and Addr is nil then; for every other kind of address Addr is set.
type Remote struct {
	AddrPort netip.AddrPort
	Addr     net.Addr
}

// RemoteFrom returns a as a Remote.
func RemoteFrom(a net.Addr) Remote {
	ua, ok := a.(*net.UDPAddr)
	if !ok || ua == nil {
		return Remote{Addr: a}
	}
	ap := ua.AddrPort()
	if !ap.IsValid() {
		// net takes a UDPAddr without an IP address as the unspecified address.
		return Remote{AddrPort: netip.AddrPortFrom(netip.IPv6Unspecified(), uint16(ua.Port))}
	}
	return Remote{AddrPort: unmap(ap)}
}

// IsValid reports whether r is an address at all.
func (r Remote) IsValid() bool { return r.AddrPort.IsValid() || r.Addr != nil }

// Equal reports whether both are the same address. Addresses that are not UDP are compared by
// network and text, since they need not be comparable.
func (r Remote) Equal(o Remote) bool {
	if r.AddrPort != o.AddrPort {
		return false
	}
	if r.Addr == nil || o.Addr == nil {
		return r.Addr == nil && o.Addr == nil
	}
	return r.Addr.Network() == o.Addr.Network() && r.Addr.String() == o.Addr.String()
}

// NetAddr returns the address as a net.Addr: a new *net.UDPAddr for UDP.
func (r Remote) NetAddr() net.Addr {
	if r.Addr != nil || !r.AddrPort.IsValid() {
		return r.Addr
	}
	return net.UDPAddrFromAddrPort(r.AddrPort)
}

// String returns the text of the address.
func (r Remote) String() string {
	if r.Addr != nil {
		return r.Addr.String()
	}
	return r.AddrPort.String()
}

func unmap(ap netip.AddrPort) netip.AddrPort {
	if !ap.Addr().Is4In6() {
		return ap
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// maxCachedAddrs bounds an addrCache. At the limit it starts anew.
const maxCachedAddrs = 1024

// An addrCache keeps the *net.UDPAddr of recent destinations, for the methods of package net that
// want one. The addresses are shared: nobody may change them.
type addrCache struct {
	mu sync.Mutex // leaf
	m  map[netip.AddrPort]*net.UDPAddr
}

func (c *addrCache) get(ap netip.AddrPort) *net.UDPAddr {
	c.mu.Lock()
	defer c.mu.Unlock()
	if a := c.m[ap]; a != nil {
		return a
	}
	if c.m == nil || len(c.m) >= maxCachedAddrs {
		c.m = make(map[netip.AddrPort]*net.UDPAddr)
	}
	a := net.UDPAddrFromAddrPort(ap)
	c.m[ap] = a
	return a
}
