//go:build !upstream

package measure

import (
	"sync"

	quic "github.com/quic-go/quic-go"
)

// Build names the module that is measured.
const Build = "native"

// unreadSize is the size of the channels that nobody reads. An unbounded one would be a leak.
const unreadSize = 4

// becomeNative makes a one of the designs that need native states.
func (a *arm) becomeNative(name string) bool {
	switch name {
	case Callback, CallbackConn:
		a.attach = callBack
		// A datagram that the peer sent behind its reset may be read before the callback has run.
		a.mayReceive = func(e *entry) bool {
			s, _ := e.stream.ReceiveState()
			return !s.Closed()
		}
		if name == Callback {
			a.send = func(e *entry, b []byte) error { return e.stream.SendDatagram(b) }
		}
	case Channel:
		c := &channels{size: int(quic.StreamStateRetired), open: make(map[*quic.Stream]chan State)}
		a.attach = func(e *entry) application {
			go c.read(e, c.of(e.stream))
			return e.stream
		}
	case ChannelUnread:
		c := &channels{size: unreadSize, open: make(map[*quic.Stream]chan State)}
		a.attach = func(e *entry) application {
			e.unread = c.of(e.stream)
			return e.stream
		}
		a.drain = func(e *entry) {
			for len(e.unread) > 0 {
				e.observe(<-e.unread)
			}
		}
	default:
		return false
	}
	a.states = true
	return true
}

// callBack subscribes to the native states. A layer also wants to know why a half was closed.
func callBack(e *entry) application {
	e.stream.OnStateTransition(func(s quic.StreamState) {
		if s.Closed() {
			e.ask(s)
		}
		e.observe(State(s))
	})
	return e.stream
}

// ask does what a callback may do: it takes the state and the error from the stream.
func (e *entry) ask(s quic.StreamState) {
	if State(s).isSend() {
		_, e.sendReason = e.stream.SendState()
		return
	}
	_, e.receiveReason = e.stream.ReceiveState()
}

// channels gives each stream one channel of transitions, for all layers.
type channels struct {
	size int

	mu   sync.Mutex // guards what follows
	open map[*quic.Stream]chan State
}

// of returns the channel of a stream. A native callback fills it and never waits.
func (c *channels) of(s *quic.Stream) chan State {
	c.mu.Lock()
	ch := c.open[s]
	fresh := ch == nil
	if fresh {
		ch = make(chan State, c.size)
		c.open[s] = ch
	}
	c.mu.Unlock()
	if fresh {
		s.OnStateTransition(func(state quic.StreamState) { c.deliver(s, ch, state) })
	}
	return ch
}

func (c *channels) deliver(s *quic.Stream, ch chan State, state quic.StreamState) {
	select {
	case ch <- State(state):
	default: // full
	}
	if state != quic.StreamStateRetired {
		return
	}
	close(ch)
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, s)
}

// read is the goroutine of a stream.
func (c *channels) read(e *entry, ch chan State) {
	for s := range ch {
		e.observe(s)
	}
}
