package netsim

import (
	"errors"
	"maps"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/quic-go/quic-go/testutils/simnet"
)

// A Hook observes datagrams. It must not change or keep data.
type Hook func(now time.Time, from, to net.Addr, data []byte)

// Options describe a Net. The zero value is a perfect network.
type Options struct {
	Up   Direction // from the client
	Down Direction // from the server
	// Rebind lists times since the Net was made at which the client's address changes, as by
	// Net.Rebind.
	Rebind []time.Duration
	// OnSent is called for every datagram that an endpoint sends, before anything happens to it, with the
	// addresses that the sender knows.
	OnSent Hook
	// OnDelivered is called for every datagram just before an endpoint can read it, with the addresses
	// that the receiver sees.
	OnDelivered Hook
}

var errClosed = errors.New("netsim: network is closed")

// A Net is the network between one server and any number of clients. It implements simnet.Router.
type Net struct {
	server netip.AddrPort
	up     line
	down   line
	onSent Hook
	start  time.Time

	mu      sync.Mutex
	nodes   map[netip.AddrPort]simnet.PacketReceiver
	outside map[netip.AddrPort]netip.AddrPort // what the server sees of a client
	inside  map[netip.AddrPort]netip.AddrPort // the reverse
	ports   uint16                            // given out by rebinding
	timers  []*time.Timer
	conns   []net.PacketConn // closed with the Net
	closed  bool
}

var _ simnet.Router = (*Net)(nil)

// New returns a network without nodes in which all datagrams from server go down and all others up.
func New(seed uint64, server *net.UDPAddr, o Options) *Net {
	now := time.Now()
	n := &Net{
		server:  key(server),
		onSent:  o.OnSent,
		start:   now,
		nodes:   make(map[netip.AddrPort]simnet.PacketReceiver),
		outside: make(map[netip.AddrPort]netip.AddrPort),
		inside:  make(map[netip.AddrPort]netip.AddrPort),
	}
	n.up.init(n, o.Up, rand.NewPCG(seed, 1), o.OnDelivered)
	n.down.init(n, o.Down, rand.NewPCG(seed, 2), o.OnDelivered)
	for _, at := range o.Rebind {
		n.timers = append(n.timers, time.AfterFunc(at, n.Rebind))
	}
	return n
}

// The addresses of the endpoints of Pair.
var (
	clientIP = net.IPv4(192, 0, 2, 1)
	serverIP = net.IPv4(198, 51, 100, 1)
)

// Pair returns two endpoints and the Net between them. Closing the Net closes the endpoints too and ends all
// that the package started.
func Pair(seed uint64, o Options) (client, server net.PacketConn, n *Net) {
	clientAddr := &net.UDPAddr{IP: clientIP, Port: 1000}
	serverAddr := &net.UDPAddr{IP: serverIP, Port: 443}
	n = New(seed, serverAddr, o)
	return n.Listen(clientAddr), n.Listen(serverAddr), n
}

// Listen adds an endpoint, which is closed with the Net.
func (n *Net) Listen(addr *net.UDPAddr) net.PacketConn {
	// A blocking connection loses nothing that the Net did not mean to lose.
	c := simnet.NewBlockingSimConn(addr, n)
	n.mu.Lock()
	n.conns = append(n.conns, c)
	n.mu.Unlock()
	return c
}

// AddNode implements simnet.Router. The address must be a *net.UDPAddr.
func (n *Net) AddNode(addr net.Addr, r simnet.PacketReceiver) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.nodes[key(addr)] = r
}

// SendPacket implements simnet.Router. Only a closed network is an error for the sender.
func (n *Net) SendPacket(p simnet.Packet) error {
	now := time.Now()
	if n.onSent != nil {
		n.onSent(now, p.From, p.To, p.Data)
	}
	from := key(p.From)
	l := &n.up
	if from == n.server {
		l = &n.down
	}
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		return errClosed
	}
	if out, ok := n.outside[from]; ok {
		p.From = net.UDPAddrFromAddrPort(out)
	}
	n.mu.Unlock()
	l.send(now, p)
	return nil
}

// route returns the node that gets p, and p with the address by which the node knows itself.
func (n *Net) route(p simnet.Packet) (simnet.PacketReceiver, simnet.Packet) {
	n.mu.Lock()
	defer n.mu.Unlock()
	to := key(p.To)
	in, mapped := n.inside[to]
	if mapped {
		p.To = net.UDPAddrFromAddrPort(in)
		return n.nodes[in], p
	}
	if _, moved := n.outside[to]; moved {
		return nil, p // the old binding of a NAT is gone
	}
	return n.nodes[to], p
}

// Rebind gives every client a new address, as a NAT does that has forgotten its bindings. The clients do
// not notice; datagrams to the old addresses are dropped, also those on their way.
func (n *Net) Rebind() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.inside)
	for _, addr := range slices.SortedFunc(maps.Keys(n.nodes), netip.AddrPort.Compare) {
		if addr == n.server {
			continue
		}
		n.ports++
		out := netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, 0, 113, 1}), 20000+n.ports)
		n.outside[addr] = out
		n.inside[out] = addr
	}
}

// ClientAddr returns the address by which the server knows the client at addr now.
func (n *Net) ClientAddr(addr net.Addr) net.Addr {
	n.mu.Lock()
	defer n.mu.Unlock()
	if out, ok := n.outside[key(addr)]; ok {
		return net.UDPAddrFromAddrPort(out)
	}
	return addr
}

// SetUp and SetDown change what happens to datagrams that are sent from now on.
func (n *Net) SetUp(d Direction) { n.up.set(d) }

// SetDown is like SetUp.
func (n *Net) SetDown(d Direction) { n.down.set(d) }

// UpStats returns the counters of the direction from the client.
func (n *Net) UpStats() Stats { return n.up.statistics() }

// DownStats returns the counters of the direction from the server.
func (n *Net) DownStats() Stats { return n.down.statistics() }

// Elapsed returns the time since the Net was made, the scale of Window and Options.Rebind.
func (n *Net) Elapsed() time.Duration { return time.Since(n.start) }

// Close closes the endpoints of Pair and Listen and drops everything on its way.
func (n *Net) Close() error {
	n.mu.Lock()
	n.closed = true
	conns, timers := n.conns, n.timers
	n.conns, n.timers = nil, nil
	n.mu.Unlock()
	for _, t := range timers {
		t.Stop()
	}
	for _, c := range conns {
		_ = c.Close()
	}
	n.up.close()
	n.down.close()
	return nil
}

func key(a net.Addr) netip.AddrPort {
	ua, ok := a.(*net.UDPAddr)
	if !ok || ua == nil {
		return netip.AddrPort{}
	}
	ap := ua.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}
