package simnet

import (
	"net"
	"sync"
	"time"
)

// defaultMTU holds for links whose settings do not name one.
const defaultMTU = 1400

// LinkSettings describe one direction of a link.
type LinkSettings struct {
	// MTU is the size of the largest datagram that passes, in bytes of UDP payload; larger ones are
	// dropped silently. 0 means 1400.
	MTU int
}

func (s LinkSettings) passes(p Packet) bool {
	mtu := s.MTU
	if mtu == 0 {
		mtu = defaultMTU
	}
	return len(p.Data) <= mtu
}

// NodeBiDiLinkSettings describe the link between a node and the network. The latency is that of the downlink
// alone: packets between two nodes are delayed once, by the settings of the node that they go to.
type NodeBiDiLinkSettings struct {
	Downlink LinkSettings
	Uplink   LinkSettings
	// Latency is how long packets to the node take.
	Latency time.Duration
	// LatencyFunc, if set, is called for each packet to the node instead, and may let packets overtake
	// each other.
	LatencyFunc func(Packet) time.Duration
}

// A SimulatedLink connects a node to a router. For the node it is a Router, for the router it is the node. The
// exported fields are set before first use and not changed after.
type SimulatedLink struct {
	// UplinkSettings hold for packets from the node, DownlinkSettings for packets to it.
	UplinkSettings   LinkSettings
	DownlinkSettings LinkSettings
	// UploadPacket is the router that gets the packets from the node.
	UploadPacket Router
	// Latency and LatencyFunc delay packets to the node: see NodeBiDiLinkSettings.
	Latency     time.Duration
	LatencyFunc func(Packet) time.Duration

	mu       sync.Mutex
	line     *delayLine
	receiver PacketReceiver
}

// Start begins delivering packets to the node. Those that came before are delivered when due.
func (l *SimulatedLink) Start() { l.downlink().start() }

// Close drops what is not delivered. Nothing is delivered after it returns. A link cannot be started
// again.
func (l *SimulatedLink) Close() error {
	l.downlink().close()
	return nil
}

// AddNode makes receiver the node of this link, and tells the router.
func (l *SimulatedLink) AddNode(addr net.Addr, receiver PacketReceiver) {
	l.mu.Lock()
	l.receiver = receiver
	l.mu.Unlock()
	l.UploadPacket.AddNode(addr, l)
}

// SendPacket passes a packet from the node to the router. As in a real network the sender does not learn
// that it was dropped, so the error is always nil.
func (l *SimulatedLink) SendPacket(p Packet) error {
	if l.UplinkSettings.passes(p) {
		_ = l.UploadPacket.SendPacket(p)
	}
	return nil
}

// RecvPacket passes a packet from the router to the node, later.
func (l *SimulatedLink) RecvPacket(p Packet) {
	if !l.DownlinkSettings.passes(p) {
		return
	}
	latency := l.Latency
	if l.LatencyFunc != nil {
		latency = l.LatencyFunc(p)
	}
	l.downlink().push(p, latency)
}

func (l *SimulatedLink) downlink() *delayLine {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.line == nil {
		l.line = &delayLine{deliver: l.deliver}
	}
	return l.line
}

func (l *SimulatedLink) deliver(p Packet, closed <-chan struct{}) {
	l.mu.Lock()
	r := l.receiver
	l.mu.Unlock()
	switch r := r.(type) {
	case nil:
	case *SimConn:
		r.receive(p, closed)
	default:
		r.RecvPacket(p)
	}
}
