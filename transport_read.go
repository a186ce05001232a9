package quic

import (
	"context"
	"errors"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/udp"
	"github.com/quic-go/quic-go/internal/wire"
	"github.com/quic-go/quic-go/qlog"
)

const (
	// readBatchSize is how many datagrams are taken from the socket at once.
	readBatchSize = 32
	// foreignDeadlinePause keeps the reader from spinning while somebody else sets read deadlines.
	foreignDeadlinePause = time.Millisecond
)

// A packetHandler takes the datagrams with one of its connection IDs: *Conn and *closedConn.
type packetHandler interface {
	// handlePacket takes over p and its Buffer. It does not block.
	handlePacket(p udp.Packet)
}

// read is the goroutine that reads from the socket. It calls leave at its end.
func (t *Transport) read(leave func()) {
	defer close(t.life.readerDone)
	defer leave()
	pkts := make([]udp.Packet, readBatchSize)
	for {
		n, err := t.conn.ReadBatch(pkts)
		switch {
		case err == nil:
			t.dispatch(pkts[:n])
			clear(pkts[:n])
		case t.life.stopping.Load():
			return
		case isTimeout(err):
			// Not our deadline, so nothing is wrong with the socket.
			_ = t.conn.SetReadDeadline(time.Time{})
			if t.life.stopping.Load() {
				return // that may have been our deadline after all
			}
			time.Sleep(foreignDeadlinePause)
		default:
			logf(logErrors, "socket of a Transport: %v", err)
			t.shutdown(&errTransportClosed{cause: err})
			return
		}
	}
}

func isTimeout(err error) bool {
	ne, ok := errors.AsType[net.Error](err)
	return errors.Is(err, os.ErrDeadlineExceeded) || ok && ne.Timeout()
}

// dispatch hands out received datagrams. Runs of the same connection ID, as one peer sends them, cost
// one look-up.
func (t *Transport) dispatch(pkts []udp.Packet) {
	var (
		last    protocol.ConnectionID
		handler packetHandler
	)
	for i := range pkts {
		p := pkts[i]
		cid, err := wire.ParseDestinationConnectionID(p.Data, t.cidLen)
		if err == nil && cid != last {
			last, handler = cid, t.lookup(cid)
		}
		switch {
		case err == nil && handler != nil && !t.isNonQUIC(p.Data[0], cid):
			handler.handlePacket(p)
		case t.handOver(p):
		case p.Data[0]&firstTwoBits == 0:
			t.nonQUIC.push(p)
		default:
			// Of no connection, too short, or of a version with longer connection IDs.
			t.newest(wire.IsLongHeader(p.Data[0])).enqueueUnmatched(p)
		}
	}
}

// firstTwoBits of a packet are the header form and the fixed bit.
const firstTwoBits = 0xc0

// isNonQUIC reports whether a packet that could be for a connection is not QUIC's. One with the connection ID of a connection,
// although its first two bits are zero, is from a peer that makes use of grease_quic_bit. An empty connection ID tells
// nothing: then it is the application's if that reads such packets.
func (t *Transport) isNonQUIC(first byte, cid protocol.ConnectionID) bool {
	return first&firstTwoBits == 0 && cid.Len() == 0 && !t.greases()
}

// greases reports whether new connections accept packets with a fixed bit of 0 (RFC 9287). They do not if the application looks for
// packets that are not QUIC's.
func (t *Transport) greases() bool { return t.nonQUIC.packets.Load() == nil }

// enqueueUnmatched leaves the datagram of no connection to the worker, if it can be of interest.
func (t *Transport) enqueueUnmatched(p udp.Packet) {
	if len(p.Data) < minStatelessReset || !t.awaits(wire.IsLongHeader(p.Data[0])) {
		t.logDropped(p.Data, qlog.PacketDropUnknownConnectionID)
		p.Buffer.Release()
		return
	}
	t.enqueue(work{p: p})
}

// awaits reports whether there is anything to do about datagrams of no connection.
func (t *Transport) awaits(longHeader bool) bool {
	t.table.mu.RLock()
	defer t.table.mu.RUnlock()
	switch {
	case len(t.table.byResetToken) > 0:
		return true
	case longHeader:
		return t.table.listener != nil
	}
	return t.resets.enabled
}

// handleUnmatched is what the worker does about a datagram of no connection. It reports whether it has taken
// over the Buffer.
func (t *Transport) handleUnmatched(p *udp.Packet) bool {
	cid, err := wire.ParseDestinationConnectionID(p.Data, t.cidLen)
	if err == nil {
		// A datagram before it may have opened the connection.
		if h := t.lookup(cid); h != nil {
			h.handlePacket(*p)
			return true
		}
	}
	// RFC 9000, Section 10.3.1: "An endpoint detects a potential Stateless Reset using the trailing 16 bytes of
	// the UDP datagram", whatever its first bytes look like.
	if c := t.isStatelessReset(p.Data); c != nil {
		c.destroy(&StatelessResetError{})
		return false
	}
	if !wire.IsLongHeader(p.Data[0]) {
		t.sendStatelessReset(p, cid)
		return false
	}
	if l := t.currentListener(); l != nil {
		return l.handlePacket(p)
	}
	t.logDropped(p.Data, qlog.PacketDropUnknownConnectionID)
	return false
}

// nonQUICQueue holds the packets for ReadNonQUICPacket, at most protocol.MaxNonQUICPackets. It drops what comes
// while it is full, or before the first call.
type nonQUICQueue struct {
	packets atomic.Pointer[chan udp.Packet]
}

func (q *nonQUICQueue) open() <-chan udp.Packet {
	if c := q.packets.Load(); c != nil {
		return *c
	}
	c := make(chan udp.Packet, protocol.MaxNonQUICPackets)
	q.packets.CompareAndSwap(nil, &c)
	return *q.packets.Load()
}

func (q *nonQUICQueue) push(p udp.Packet) {
	if c := q.packets.Load(); c != nil {
		select {
		case *c <- p:
			return
		default:
		}
	}
	p.Buffer.Release()
}

// ReadNonQUICPacket reads a packet that is not QUIC's: one whose first two bits are zero and that does not begin like one for
// a connection. What does not fit in b is lost. Such packets are kept only after the first call, and only some. That call should
// come before the first connection: peers of connections that were made before it may send packets that look like that.
func (t *Transport) ReadNonQUICPacket(ctx context.Context, b []byte) (int, net.Addr, error) {
	if err := t.init(); err != nil {
		if t.closedErr() != nil {
			err = errNonQUICClosed
		}
		return 0, nil, err
	}
	select {
	case p := <-t.nonQUIC.open():
		defer p.Buffer.Release()
		return copy(b, p.Data), p.Remote.NetAddr(), nil
	case <-t.life.ended:
		return 0, nil, errNonQUICClosed
	case <-ctx.Done():
		return 0, nil, ctx.Err()
	}
}
