package quic

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
