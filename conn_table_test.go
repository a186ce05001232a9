package quic

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
)

// TableSizes is tableSizes for external tests.
var TableSizes = tableSizes

// tableSizes returns how many connection IDs and closed connections a Transport remembers.
func tableSizes(tr *Transport) (ids, closed int) {
	tr.table.mu.RLock()
	defer tr.table.mu.RUnlock()
	return len(tr.table.byID), tr.table.closed
}

func TestConnectionIDsAreUnique(t *testing.T) {
	inBubble(t, &Transport{}, func(t *testing.T, n *rawNet) {
		tr := n.transport
		c := idleConn(t, tr, cid("aaaa"))
		if err := tr.register(c, stageOther, cid("aaaa"), cid("bbbb")); err != nil {
			t.Fatal(err)
		}
		other := idleConn(t, tr, cid("cccc"))
		if err := tr.register(other, stageOther, cid("cccc"), cid("bbbb")); !errors.Is(err, errConnectionIDUse) {
			t.Errorf("register = %v, want %v", err, errConnectionIDUse)
		}
		if h := tr.lookup(cid("cccc")); h != nil {
			t.Error("a connection that was not registered has a connection ID")
		}
		if tr.addConnectionID(cid("aaaa"), other) || !tr.addConnectionID(cid("dddd"), other) {
			t.Error("addConnectionID takes an ID that is in use, or not one that is free")
		}
		tr.removeConnectionID(cid("aaaa"))
		if h := tr.lookup(cid("aaaa")); h != nil {
			t.Error("a removed connection ID is known")
		}
		tr.connClosed(c, []protocol.ConnectionID{cid("bbbb")}, nil, 0)
		if h := tr.lookup(cid("bbbb")); h != nil || len(tr.table.conns) != 0 {
			t.Error("a closed connection is known")
		}
	})
}

func TestClosedTransportTakesNothing(t *testing.T) {
	tr := &Transport{}
	var c *Conn
	inBubble(t, tr, func(t *testing.T, n *rawNet) { c = idleConn(t, tr, cid("aaaa")) })
	if err := tr.register(c, stageOther, cid("aaaa")); !errors.Is(err, ErrTransportClosed) {
		t.Errorf("register = %v, want %v", err, ErrTransportClosed)
	}
	if tr.addConnectionID(cid("bbbb"), c) {
		t.Error("addConnectionID = true, want false")
	}
	if err := tr.hold(); !errors.Is(err, ErrTransportClosed) {
		t.Errorf("hold = %v, want %v", err, ErrTransportClosed)
	}
}

func TestHandshakesAreCounted(t *testing.T) {
	inBubble(t, &Transport{}, func(t *testing.T, n *rawNet) {
		tr := n.transport
		a, b, client := idleConn(t, tr, cid("aaaa")), idleConn(t, tr, cid("bbbb")), idleConn(t, tr, cid("cccc"))
		for c, stage := range map[*Conn]connStage{a: stageHandshake, b: stageHandshake, client: stageOther} {
			if err := tr.register(c, stage, c.params.srcCID); err != nil {
				t.Fatal(err)
			}
		}
		want := 2
		check := func(after string) {
			t.Helper()
			if got := tr.handshakes(); got != want {
				t.Errorf("%d handshakes after %s, want %d", got, after, want)
			}
		}
		check("registering")
		tr.handshakeOver(a)
		tr.handshakeOver(a)
		tr.handshakeOver(client)
		want = 1
		check("the end of one")
		for _, c := range []*Conn{a, b, client} {
			tr.connClosed(c, []protocol.ConnectionID{c.params.srcCID}, nil, 0)
		}
		want = 0
		check("closing")
	})
}

func TestLingeringConnectionIsForgotten(t *testing.T) {
	inBubble(t, &Transport{}, func(t *testing.T, n *rawNet) {
		tr := n.transport
		c := idleConn(t, tr, cid("aaaa"))
		if err := tr.register(c, stageOther, cid("aaaa"), cid("bbbb")); err != nil {
			t.Fatal(err)
		}
		tr.connClosed(c, []protocol.ConnectionID{cid("aaaa"), cid("bbbb")}, []byte("bye"), time.Second)
		synctest.Wait()
		time.Sleep(time.Second - 1)
		if tr.lookup(cid("aaaa")) == nil || tr.lookup(cid("bbbb")) == nil {
			t.Error("the closing period is too short")
		}
		time.Sleep(2)
		synctest.Wait()
		if ids, closed := tableSizes(tr); ids != 0 || closed != 0 {
			t.Errorf("%d connection IDs and %d connections are left, want none", ids, closed)
		}
	})
}

func TestLingeringConnectionsAreBounded(t *testing.T) {
	inBubble(t, &Transport{}, func(t *testing.T, n *rawNet) {
		tr := n.transport
		c := idleConn(t, tr, cid("aaaa"))
		for i := range maxClosedConns + 100 {
			id := protocol.ParseConnectionID([]byte{byte(i >> 8), byte(i), 0, 0})
			tr.addConnectionID(id, c)
			tr.connClosed(c, []protocol.ConnectionID{id}, nil, time.Second)
		}
		if ids, _ := tableSizes(tr); ids != maxClosedConns {
			t.Errorf("%d connections linger, want %d", ids, maxClosedConns)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if ids, closed := tableSizes(tr); ids != 0 || closed != 0 {
			t.Error("some are never forgotten")
		}
	})
}

func TestConnClosedLeavesOthersAlone(t *testing.T) {
	inBubble(t, &Transport{}, func(t *testing.T, n *rawNet) {
		tr := n.transport
		a, b := idleConn(t, tr, cid("aaaa")), idleConn(t, tr, cid("bbbb"))
		for _, c := range []*Conn{a, b} {
			if err := tr.register(c, stageOther, c.params.srcCID); err != nil {
				t.Fatal(err)
			}
		}
		tr.connClosed(a, []protocol.ConnectionID{cid("aaaa"), cid("bbbb")}, nil, time.Second)
		if tr.lookup(cid("bbbb")) != packetHandler(b) {
			t.Error("the end of a connection takes a connection ID of another")
		}
		tr.connClosed(b, []protocol.ConnectionID{cid("bbbb")}, nil, 0)
	})
}

func TestEmptyConnectionIDIsTakenFromClosedConnection(t *testing.T) {
	tr := &Transport{ConnectionIDGenerator: randomConnectionIDs(0)}
	inBubble(t, tr, func(t *testing.T, n *rawNet) {
		first, second := idleConn(t, tr, cid("")), idleConn(t, tr, cid(""))
		if err := tr.register(first, stageOther, cid("")); err != nil {
			t.Fatal(err)
		}
		if err := tr.register(second, stageOther, cid("")); !errors.Is(err, errConnectionIDUse) {
			t.Errorf("register = %v, want %v", err, errConnectionIDUse)
		}
		tr.connClosed(first, []protocol.ConnectionID{cid("")}, nil, time.Second)
		if err := tr.register(second, stageOther, cid("")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if tr.lookup(cid("")) != packetHandler(second) {
			t.Error("the end of the closing period removes the next connection")
		}
		tr.connClosed(second, []protocol.ConnectionID{cid("")}, nil, 0)
	})
}

func TestSingleTransportClosesItself(t *testing.T) {
	tr := &Transport{life: transportLife{single: true, ownsSocket: true}}
	inBubble(t, tr, func(t *testing.T, n *rawNet) {
		c := idleConn(t, tr, cid("aaaa"))
		if err := tr.hold(); err != nil {
			t.Fatal(err)
		}
		if err := tr.register(c, stageOther, cid("aaaa")); err != nil {
			t.Fatal(err)
		}
		tr.release()
		if tr.closedErr() != nil {
			t.Fatal("closed while there is a connection")
		}
		tr.connClosed(c, []protocol.ConnectionID{cid("aaaa")}, []byte("bye"), time.Second)
		if !errors.Is(tr.closedErr(), ErrTransportClosed) {
			t.Errorf("err = %v, want %v", tr.closedErr(), ErrTransportClosed)
		}
		if _, err := n.server.WriteTo([]byte("x"), rawClientAddr); err == nil {
			t.Error("the socket is open")
		}
	})
}

func TestSingleTransportWaitsForSecondAttempt(t *testing.T) {
	tr := &Transport{life: transportLife{single: true}}
	inBubble(t, tr, func(t *testing.T, n *rawNet) {
		c := idleConn(t, tr, cid("aaaa"))
		if err := tr.hold(); err != nil {
			t.Fatal(err)
		}
		if err := tr.register(c, stageOther, cid("aaaa")); err != nil {
			t.Fatal(err)
		}
		tr.connClosed(c, []protocol.ConnectionID{cid("aaaa")}, nil, 0)
		if tr.closedErr() != nil {
			t.Error("closed in the middle of a dial")
		}
		tr.release()
		if tr.closedErr() == nil {
			t.Error("open after the dial")
		}
	})
}

// A connection that is over does not wait for Close while Close waits for it.
func TestCloseWithAConnectionThatEnds(t *testing.T) {
	inBubble(t, &Transport{life: transportLife{single: true}}, func(t *testing.T, n *rawNet) {
		tr := n.transport
		c := idleConn(t, tr, cid("aaaa"))
		if err := tr.register(c, stageOther, cid("aaaa")); err != nil {
			t.Fatal(err)
		}
		closed := make(chan struct{})
		go func() {
			tr.Close()
			close(closed)
		}()
		synctest.Wait() // Close waits for the connection
		tr.connClosed(c, []protocol.ConnectionID{cid("aaaa")}, nil, 0)
		synctest.Wait()
		select {
		case <-closed:
			t.Error("Close did not wait for the connection")
		default:
		}
		c.cancel(ErrTransportClosed)
		c.closeRequests()
		<-closed
	})
}
