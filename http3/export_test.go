package http3

// OpenStreams returns the number of request streams that are not retired.
func (c *ClientConn) OpenStreams() int {
	c.conn.mu.Lock()
	defer c.conn.mu.Unlock()
	return len(c.conn.streams)
}
