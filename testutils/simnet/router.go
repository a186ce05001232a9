package simnet

import (
	"errors"
	"net"
	"sync"
	"time"
)

var errUnknownDestination = errors.New("unknown destination")

// A PerfectRouter delivers every packet at once. The zero value is ready to use.
type PerfectRouter struct {
	mu    sync.RWMutex
	nodes map[addrKey]PacketReceiver
}

// AddNode makes receiver the node at addr, in place of an earlier one.
func (r *PerfectRouter) AddNode(addr net.Addr, receiver PacketReceiver) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.nodes == nil {
		r.nodes = make(map[addrKey]PacketReceiver)
	}
	r.nodes[keyOf(addr)] = receiver
}

// RemoveNode removes the node at addr, if there is one.
func (r *PerfectRouter) RemoveNode(addr net.Addr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.nodes, keyOf(addr))
}

// SendPacket calls RecvPacket of the node at p.To. It fails if there is none.
func (r *PerfectRouter) SendPacket(p Packet) error {
	r.mu.RLock()
	node := r.nodes[keyOf(p.To)]
	r.mu.RUnlock()
	if node == nil {
		return errUnknownDestination
	}
	node.RecvPacket(p)
	return nil
}

// A FixedLatencyRouter delivers every packet after the same time, in the order of sending. The zero
// value has no latency, but unlike a PerfectRouter it does not deliver during SendPacket.
type FixedLatencyRouter struct {
	PerfectRouter
	latency time.Duration
}

// AddNode makes receiver the node at addr, in place of an earlier one.
func (r *FixedLatencyRouter) AddNode(addr net.Addr, receiver PacketReceiver) {
	r.PerfectRouter.AddNode(addr, newDelayedPacketReceiver(receiver, r.latency))
}

// RemoveNode removes the node at addr. Packets on their way to it still arrive.
func (r *FixedLatencyRouter) RemoveNode(addr net.Addr) { r.PerfectRouter.RemoveNode(addr) }

// SendPacket sends p to the node at p.To. It fails if there is none.
func (r *FixedLatencyRouter) SendPacket(p Packet) error { return r.PerfectRouter.SendPacket(p) }

// A DelayedPacketReceiver passes packets to another receiver after some time. The zero value
// drops them.
type DelayedPacketReceiver struct {
	latency time.Duration
	line    *delayLine
}

func newDelayedPacketReceiver(r PacketReceiver, latency time.Duration) *DelayedPacketReceiver {
	l := &delayLine{deliver: func(p Packet, _ <-chan struct{}) { r.RecvPacket(p) }}
	l.start()
	return &DelayedPacketReceiver{latency: latency, line: l}
}

// RecvPacket delivers p later.
func (r *DelayedPacketReceiver) RecvPacket(p Packet) {
	if r.line != nil {
		r.line.push(p, r.latency)
	}
}
