package quic

import (
	"net"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/quic-go/quic-go/internal/udp"
	"github.com/quic-go/quic-go/internal/wire"
)

// siblings are the Transports that read from one socket, the newest one last. A server that is replaced while it still has
// connections shares its socket with its successor: both read, and a datagram goes to either of them. They hand over what
// is for the other one.
type siblings struct {
	all atomic.Pointer[[]*Transport] // nil if there is only one
}

// socketReaders are the Transports by their sockets. They are known to the whole process, like sockets are: nothing else connects
// those who have got hold of the same one.
var socketReaders struct {
	mu    sync.Mutex // leaf, guards what follows
	byKey map[any][]*Transport
}

// socketKey returns what the readers of a socket have in common, nil if that is not known.
func socketKey(pc net.PacketConn) any {
	if id := udp.Identity(pc); id != nil {
		return id
	}
	if reflect.TypeOf(pc).Kind() == reflect.Pointer {
		return pc
	}
	return nil
}

// joinSocket makes t known as a reader of its socket. The returned function undoes that.
func (t *Transport) joinSocket() (leave func()) {
	key := socketKey(t.Conn)
	if key == nil {
		return func() {}
	}
	updateReaders(key, func(readers []*Transport) []*Transport { return append(readers, t) })
	return func() {
		updateReaders(key, func(readers []*Transport) []*Transport {
			return slices.DeleteFunc(readers, func(r *Transport) bool { return r == t })
		})
		t.siblings.all.Store(nil)
	}
}

func updateReaders(key any, update func([]*Transport) []*Transport) {
	socketReaders.mu.Lock()
	defer socketReaders.mu.Unlock()
	readers := update(slices.Clone(socketReaders.byKey[key]))
	switch {
	case len(readers) == 0:
		delete(socketReaders.byKey, key)
		return
	case socketReaders.byKey == nil:
		socketReaders.byKey = make(map[any][]*Transport)
	}
	socketReaders.byKey[key] = readers
	shared := &readers
	if len(readers) == 1 {
		shared = nil
	}
	for _, r := range readers {
		r.siblings.all.Store(shared)
	}
}

// handOver gives a datagram to the connection of a sibling that it is for. It reports whether there is one.
func (t *Transport) handOver(p udp.Packet) bool {
	all := t.siblings.all.Load()
	if all == nil {
		return false
	}
	for _, s := range *all {
		cid, err := wire.ParseDestinationConnectionID(p.Data, s.cidLen)
		if err != nil || s == t || s.isNonQUIC(p.Data[0], cid) {
			continue
		}
		if h := s.lookup(cid); h != nil {
			h.handlePacket(p)
			return true
		}
	}
	return false
}

// newest returns who decides about datagrams of no connection. For those with a long header that is the newest sibling
// that listens, so that all datagrams of a ClientHello get to the same.
func (t *Transport) newest(longHeader bool) *Transport {
	all := t.siblings.all.Load()
	if all == nil || !longHeader {
		return t
	}
	for _, s := range slices.Backward(*all) {
		if s.currentListener() != nil {
			return s
		}
	}
	return t
}
