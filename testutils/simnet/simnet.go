package simnet

import (
	"errors"
	"net"
	"sync"
)

var errClosed = errors.New("network is closed")

// A Simnet is a network of endpoints that are connected to one router, each by a link of its own.
type Simnet struct {
	// Router connects the links. It is set before the first endpoint is made; nil means a
	// PerfectRouter.
	Router Router

	mu      sync.Mutex
	links   []*SimulatedLink
	started bool
	closed  bool
}

// NewEndpoint makes a connection with the given address. Packets to it are delivered once the network
// is started.
func (n *Simnet) NewEndpoint(addr *net.UDPAddr, settings NodeBiDiLinkSettings) *SimConn {
	n.mu.Lock()
	if n.Router == nil {
		n.Router = &PerfectRouter{}
	}
	l := &SimulatedLink{
		UplinkSettings:   settings.Uplink,
		DownlinkSettings: settings.Downlink,
		UploadPacket:     n.Router,
		Latency:          settings.Latency,
		LatencyFunc:      settings.LatencyFunc,
	}
	n.links = append(n.links, l)
	started, closed := n.started, n.closed
	n.mu.Unlock()

	switch {
	case closed:
		_ = l.Close()
	case started:
		l.Start()
	}
	return NewBlockingSimConn(addr, l)
}

// Start starts all links; those of later endpoints start at once. It fails after Close.
func (n *Simnet) Start() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return errClosed
	}
	n.started = true
	for _, l := range n.links {
		l.Start()
	}
	return nil
}

// Close closes all links and waits until nothing is being delivered. The connections stay open, but
// no packet reaches them any more.
func (n *Simnet) Close() error {
	n.mu.Lock()
	n.closed = true
	links := n.links
	n.mu.Unlock()
	for _, l := range links {
		_ = l.Close()
	}
	return nil
}
