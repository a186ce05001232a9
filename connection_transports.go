package quic

import (
	"context"
	"slices"
	"sync"

	"github.com/quic-go/quic-go/internal/connid"
	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/path"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/udp"
)

// A loopRequest is what another goroutine wants the loop to do.
type loopRequest struct {
	do    func(now monotime.Time) error
	reply chan error // capacity 1
}

// loopRequests are the requests that the loop has not seen yet. There is one for each goroutine that waits.
type loopRequests struct {
	mu     sync.Mutex // rank 4
	list   []loopRequest
	closed bool
}

func (r *loopRequests) add(req loopRequest) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false
	}
	r.list = append(r.list, req)
	return true
}

func (r *loopRequests) take() []loopRequest {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := r.list
	r.list = nil
	return list
}

func (r *loopRequests) close() []loopRequest {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	return r.list
}

// ask lets the loop call do. What is returned gets the result, or why the connection is over.
func (c *Conn) ask(do func(now monotime.Time) error) <-chan error {
	req := loopRequest{do: do, reply: make(chan error, 1)}
	if c.requests.add(req) {
		c.wake()
	} else {
		req.reply <- context.Cause(c.ctx)
	}
	return req.reply
}

// handleRequests does what other goroutines have asked for.
func (c *Conn) handleRequests(now monotime.Time) {
	for _, r := range c.requests.take() {
		if c.end != nil {
			r.reply <- c.end
			continue
		}
		r.reply <- r.do(now)
	}
}

// closeRequests answers the requests that come too late. The context of the connection is done.
func (c *Conn) closeRequests() {
	for _, r := range c.requests.close() {
		r.reply <- c.end
	}
}

// A pathReceiver takes the datagrams of a Transport besides the one of the connection. Its number says which.
type pathReceiver struct {
	conn   *Conn
	number uint8 // index in pathTable.attached plus 1
}

// handlePacket implements packetHandler.
func (r pathReceiver) handlePacket(p udp.Packet) {
	p.Path = r.number
	r.conn.handlePacket(p)
}

// maxAttached bounds how many Transports a connection can use in its life besides the one that it was dialed by. A Transport
// that was left and is joined again counts once.
const maxAttached = 255

// join makes the connection reachable by t.
func (c *Conn) join(t *Transport) error {
	if t == c.transport || slices.Contains(c.paths.attached, t) {
		return nil
	}
	i := slices.Index(c.paths.attached, nil)
	if i < 0 {
		i = len(c.paths.attached)
	}
	if i >= maxAttached {
		return errTooManyPaths
	}
	if err := t.attach(c, pathReceiver{conn: c, number: uint8(i + 1)}, c.issued.All()); err != nil {
		return err
	}
	for _, tok := range c.received.Tokens() {
		t.addResetToken(tok, c)
	}
	if i == len(c.paths.attached) {
		c.paths.attached = append(c.paths.attached, t)
	} else {
		c.paths.attached[i] = t
	}
	return nil
}

// leaveUnused ends the use of t if no path needs it any more.
func (c *Conn) leaveUnused(t *Transport) {
	i := slices.Index(c.paths.attached, t)
	if t == nil || i < 0 || slices.ContainsFunc(c.paths.at[:], func(p connPath) bool { return p.transport == t }) {
		return
	}
	c.paths.attached[i] = nil
	t.detach(c, c.issued.All(), c.received.Tokens())
}

// leave tells the connection that t is closed. What is returned gets an error if that ends the connection, nil as soon as it
// uses t no more.
func (c *Conn) leave(t *Transport, err error) <-chan error {
	return c.ask(func(monotime.Time) error { return c.onTransportClosed(t, err) })
}

// onTransportClosed is called when t is closed: its paths are gone. It returns err if one of them was in use, so that the
// connection is over.
func (c *Conn) onTransportClosed(t *Transport, err error) error {
	if c.activePath().transport == t {
		c.endWith(err, endSilent)
		return err
	}
	for i := range c.paths.at {
		if c.paths.at[i].transport == t {
			c.removePath(path.ID(i))
		}
	}
	if t == c.transport {
		t.detach(c, c.issued.All(), c.received.Tokens())
	}
	return nil
}

// transports returns all Transports of the connection.
func (c *Conn) transports() []*Transport {
	all := []*Transport{c.transport}
	for _, t := range c.paths.attached {
		if t != nil {
			all = append(all, t)
		}
	}
	return all
}

func (c *Conn) applyTokenChange(change connid.TokenChange) {
	for _, t := range c.transports() {
		for _, tok := range change.Added {
			t.addResetToken(tok, c)
		}
		t.removeResetTokens(c, change.Removed)
	}
}

// routeConnectionIDs makes all Transports of the connection route new connection IDs to it.
func (c *Conn) routeConnectionIDs(ids []protocol.ConnectionID) {
	for _, id := range ids {
		c.transport.addConnectionID(id, c)
		for i, t := range c.paths.attached {
			if t != nil {
				t.addConnectionID(id, pathReceiver{conn: c, number: uint8(i + 1)})
			}
		}
	}
}
