package quic

import "github.com/quic-go/quic-go/internal/protocol"

// attach makes a connection that was dialed by another Transport reachable by this one: h takes its datagrams. It changes
// nothing if one of the connection IDs is in use or the Transport is closed.
func (t *Transport) attach(c *Conn, h packetHandler, cids []protocol.ConnectionID) error {
	t.table.mu.Lock()
	defer t.table.mu.Unlock()
	if t.table.err != nil {
		return t.table.err
	}
	for _, cid := range cids {
		if !t.table.freeLocked(cid) {
			return errConnectionIDUse
		}
	}
	for _, cid := range cids {
		t.table.byID[cid] = h
	}
	t.table.conns[c] = stageOther
	return nil
}

// detach forgets a connection that goes on without the Transport.
func (t *Transport) detach(c *Conn, cids []protocol.ConnectionID, tokens []protocol.StatelessResetToken) {
	t.removeResetTokens(c, tokens)
	t.table.mu.Lock()
	defer t.table.mu.Unlock()
	for _, cid := range cids {
		if t.table.routedLocked(cid, c) {
			delete(t.table.byID, cid)
		}
	}
	delete(t.table.conns, c)
}

// routedLocked reports whether c takes the datagrams with the connection ID.
func (ct *connTable) routedLocked(cid protocol.ConnectionID, c *Conn) bool {
	switch h := ct.byID[cid].(type) {
	case *Conn:
		return h == c
	case pathReceiver:
		return h.conn == c
	}
	return false
}

// removeResetTokens forgets the stateless reset tokens of a connection.
func (t *Transport) removeResetTokens(c *Conn, tokens []protocol.StatelessResetToken) {
	for _, tok := range tokens {
		key := t.table.tokenKey(tok)
		t.table.mu.Lock()
		if t.table.byResetToken[key] == c {
			delete(t.table.byResetToken, key)
		}
		t.table.mu.Unlock()
	}
}
