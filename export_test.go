package quic

import "runtime"

// StreamCount returns how many streams the streams map of c holds.
func StreamCount(c *Conn) int {
	c.streams.mu.Lock()
	defer c.streams.mu.Unlock()
	return len(c.streams.streams)
}

// HoldsStream reports whether the streams map of c holds a stream with this ID.
func HoldsStream(c *Conn, id StreamID) bool { return c.streams.lookup(id) != nil }

// QueuedDatagrams returns how many datagrams wait to be sent.
func QueuedDatagrams(c *Conn) int {
	c.datagrams.mu.Lock()
	defer c.datagrams.mu.Unlock()
	return c.datagrams.send.len()
}

// ReceivedDatagrams returns how many datagrams wait for ReceiveDatagram.
func ReceivedDatagrams(c *Conn) int {
	c.datagrams.mu.Lock()
	defer c.datagrams.mu.Unlock()
	return c.datagrams.received.len()
}

// RoutedByTransport returns how many connections, connection IDs and stateless reset tokens t knows.
func RoutedByTransport(t *Transport) int {
	t.table.mu.RLock()
	defer t.table.mu.RUnlock()
	return len(t.table.conns) + len(t.table.byID) + len(t.table.byResetToken)
}

// GoroutineID tells goroutines apart.
func GoroutineID() string { return goroutineID() }

// HeldLocks returns which locks that c, its Transport and s have are held for longer than a moment.
func HeldLocks(c *Conn, s *Stream) (held []string) {
	m, t := c.streams, c.transport
	for _, l := range []struct {
		name string
		mu   interface {
			TryLock() bool
			Unlock()
		}
	}{
		{"connections of the Transport", &t.table.mu}, {"streams map", &m.mu}, {"send half", &s.send.mu}, {"receive half", &s.receive.mu},
		{"scheduler", &m.sched.mu}, {"pending list", &m.pending.mu}, {"control list", &m.control.mu},
		{"subscribers", &s.send.rec.observers.mu}, {"datagrams", &c.datagrams.mu}, {"received packets", &c.packets.mu},
		{"end", &c.ending.mu}, {"requests", &c.requests.mu}, {"statistics", &c.stats.mu},
	} {
		free := false
		for i := 0; !free && i < 1_000_000; i++ { // another goroutine may hold it for a moment
			if free = l.mu.TryLock(); !free {
				runtime.Gosched()
			}
		}
		if !free {
			held = append(held, l.name)
			continue
		}
		l.mu.Unlock()
	}
	return held
}
