package quic

import (
	"crypto/rand"
	"crypto/sha256"
	"slices"
	"sync"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
)

// A connTable knows the connections of a Transport.
type connTable struct {
	secret [32]byte // immutable, see tokenKey

	mu           sync.RWMutex // rank 1
	byID         map[protocol.ConnectionID]packetHandler
	byResetToken map[tokenKey]*Conn
	conns        map[*Conn]connStage
	handshakes   int // connections of stageHandshake
	closed       int // closedConns
	dials        int // calls of Dial
	listener     *listener
	err          error // why the Transport is closed; nil while it is open
	closing      bool  // somebody closes the Transport, or it closes itself
}

// connStage tells the accepted connections whose handshake is not complete from all others.
type connStage uint8

const (
	stageOther connStage = iota
	stageHandshake
)

func (ct *connTable) init() {
	rand.Read(ct.secret[:])
	ct.byID = make(map[protocol.ConnectionID]packetHandler)
	ct.byResetToken = make(map[tokenKey]*Conn)
	ct.conns = make(map[*Conn]connStage)
}

// close lets nothing new in and returns who is to be told.
func (ct *connTable) close(err error) ([]*Conn, *listener) {
	ct.mu.Lock()
	defer ct.mu.Unlock()
	if ct.err == nil {
		ct.err = err
	}
	conns := make([]*Conn, 0, len(ct.conns))
	for c := range ct.conns {
		conns = append(conns, c)
	}
	l := ct.listener
	ct.listener = nil
	return conns, l
}

// A tokenKey, a keyed hash, stands for a stateless reset token in a map. RFC 9000, Section 10.3.1: "endpoints MUST
// perform the comparison without leaking information about the value of the token."
type tokenKey [16]byte

func (ct *connTable) tokenKey(tok protocol.StatelessResetToken) tokenKey {
	var b [len(ct.secret) + len(tok)]byte
	copy(b[:], ct.secret[:])
	copy(b[len(ct.secret):], tok[:])
	sum := sha256.Sum256(b[:])
	return tokenKey(sum[:16])
}

// lookup returns who takes the datagrams with a connection ID, nil if nobody does.
func (t *Transport) lookup(cid protocol.ConnectionID) packetHandler {
	t.table.mu.RLock()
	defer t.table.mu.RUnlock()
	return t.table.byID[cid]
}

// register makes a connection known under its first connection IDs. It changes nothing if one of them is in
// use or the Transport is closed.
func (t *Transport) register(c *Conn, stage connStage, cids ...protocol.ConnectionID) error {
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
		t.table.byID[cid] = c
	}
	t.table.conns[c] = stage
	if stage == stageHandshake {
		t.table.handshakes++
	}
	return nil
}

// freeLocked reports whether cid can be given to a connection. The empty one is the only one of its
// Transport, so it is taken from a connection that is over.
func (ct *connTable) freeLocked(cid protocol.ConnectionID) bool {
	h, used := ct.byID[cid]
	if _, over := h.(*closedConn); over && cid.Len() == 0 {
		return true
	}
	return !used
}

// addConnectionID makes h take the datagrams with a connection ID. It returns false if the ID is in use or the
// Transport is closed.
func (t *Transport) addConnectionID(cid protocol.ConnectionID, h packetHandler) bool {
	t.table.mu.Lock()
	defer t.table.mu.Unlock()
	if t.table.err != nil || !t.table.freeLocked(cid) {
		return false
	}
	t.table.byID[cid] = h
	return true
}

// removeConnectionID forgets a connection ID.
func (t *Transport) removeConnectionID(cid protocol.ConnectionID) {
	t.table.mu.Lock()
	defer t.table.mu.Unlock()
	delete(t.table.byID, cid)
}

// addResetToken makes datagrams that end with tok end c.
func (t *Transport) addResetToken(tok protocol.StatelessResetToken, c *Conn) {
	key := t.table.tokenKey(tok)
	t.table.mu.Lock()
	defer t.table.mu.Unlock()
	t.table.byResetToken[key] = c
}

// removeResetToken forgets a stateless reset token.
func (t *Transport) removeResetToken(tok protocol.StatelessResetToken) {
	key := t.table.tokenKey(tok)
	t.table.mu.Lock()
	defer t.table.mu.Unlock()
	delete(t.table.byResetToken, key)
}

// handshakeOver notes that an accepted connection counts as a handshake no more.
func (t *Transport) handshakeOver(c *Conn) {
	t.table.mu.Lock()
	defer t.table.mu.Unlock()
	t.table.handshakeOverLocked(c)
}

func (ct *connTable) handshakeOverLocked(c *Conn) {
	if ct.conns[c] == stageHandshake {
		ct.conns[c] = stageOther
		ct.handshakes--
	}
}

// handshakes returns how many accepted connections are in their handshakes.
func (t *Transport) handshakes() int {
	t.table.mu.RLock()
	defer t.table.mu.RUnlock()
	return t.table.handshakes
}

func (t *Transport) currentListener() *listener {
	t.table.mu.RLock()
	defer t.table.mu.RUnlock()
	return t.table.listener
}

// connClosed is the last word of a connection, before its context ends. For the time of linger datagrams with
// one of cids are answered with closePacket, now and then, or not at all if it is nil. A Transport that was made for
// the connection is closed at once, which includes waiting for its reader.
func (t *Transport) connClosed(c *Conn, cids []protocol.ConnectionID, closePacket []byte, linger time.Duration) {
	var over *closedConn
	remote := c.RemoteAddr()
	if c.perspective == protocol.PerspectiveServer {
		// After a Retry this is none of the connection IDs that the connection knows of.
		cids = append(slices.Clip(cids), c.params.clientDstCID())
	}
	t.table.mu.Lock()
	t.table.handshakeOverLocked(c)
	delete(t.table.conns, c)
	if linger > 0 && t.table.err == nil && t.table.closed < maxClosedConns {
		over = newClosedConn(t, remote, cids, closePacket)
		over.quietUntil = c.life.finishedAt.Add(c.recovery.RTT().Min())
		t.table.closed++
	}
	for _, cid := range cids {
		switch {
		case !t.table.routedLocked(cid, c):
		case over != nil:
			t.table.byID[cid] = over
		default:
			delete(t.table.byID, cid)
		}
	}
	last := t.closesNowLocked()
	t.table.mu.Unlock()
	if last {
		_ = t.Close()
		return
	}
	if over != nil {
		time.AfterFunc(linger, func() { t.forget(over) })
	}
}

// forget ends the lingering of a connection that is over.
func (t *Transport) forget(over *closedConn) {
	t.table.mu.Lock()
	defer t.table.mu.Unlock()
	t.table.closed--
	for _, cid := range over.cids {
		if t.table.byID[cid] == over {
			delete(t.table.byID, cid)
		}
	}
}

// hold keeps a Transport that closes itself open until release is called.
func (t *Transport) hold() error {
	t.table.mu.Lock()
	defer t.table.mu.Unlock()
	if t.table.err != nil {
		return t.table.err
	}
	t.table.dials++
	return nil
}

func (t *Transport) release() {
	t.table.mu.Lock()
	t.table.dials--
	last := t.closesNowLocked()
	t.table.mu.Unlock()
	if last {
		_ = t.Close()
	}
}

// noteClosing keeps the Transport from closing itself: its last connection would wait for Close, which waits for it.
func (t *Transport) noteClosing() {
	t.table.mu.Lock()
	defer t.table.mu.Unlock()
	t.table.closing = true
}

// closesNowLocked reports whether the Transport closes itself. The caller then calls Close, without the lock.
func (t *Transport) closesNowLocked() bool {
	ct := &t.table
	if !t.life.single || ct.closing || len(ct.conns) > 0 || ct.dials > 0 || ct.listener != nil {
		return false
	}
	ct.closing = true
	return true
}
