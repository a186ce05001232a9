package http3

// Load returns what the connections of a server hold: the request streams that are not retired, and the handlers and
// streams that keep a connection from being idle.
func (s *Server) Load() (streams, active int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.conn.mu.Lock()
		streams += len(c.conn.streams)
		active += c.active
		c.conn.mu.Unlock()
	}
	return streams, active
}

// Load returns the number of connections of a Transport, and of the requests that are running on them.
func (t *Transport) Load() (conns, active int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for p := range t.open {
		p.conn.conn.mu.Lock()
		active += p.conn.active + len(p.conn.conn.streams)
		p.conn.conn.mu.Unlock()
	}
	return len(t.open), active
}
