package quic

import (
	"bytes"
	"testing"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/testutils/simnet"
)

// closeConn makes a connection that is in its closing period.
func closeConn(t *testing.T, tr *Transport, packet []byte) {
	t.Helper()
	c := idleConn(t, tr, cid("aaaa"))
	if err := tr.register(c, stageOther, cid("aaaa")); err != nil {
		t.Fatal(err)
	}
	tr.connClosed(c, []protocol.ConnectionID{cid("aaaa")}, packet, time.Minute)
}

// A-40, T-200: the replies back off.
func TestClosedConnRepliesBackOff(t *testing.T) {
	inBubble(t, &Transport{}, func(t *testing.T, n *rawNet) {
		bye := []byte("connection close")
		closeConn(t, n.transport, bye)
		replies := 0
		for i := 1; i <= 10_000; i++ {
			n.send(t, shortPacket(cid("aaaa"), 100))
			b := n.receive(t)
			if due := i&(i-1) == 0; due != (b != nil) {
				t.Fatalf("datagram %d is answered: %t, want %t", i, b != nil, due)
			}
			if b != nil && !bytes.Equal(b, bye) {
				t.Fatalf("the answer is %q, want %q", b, bye)
			}
			if b != nil {
				replies++
			}
		}
		if replies != 14 {
			t.Errorf("%d replies, want 14", replies)
		}
	})
}

func TestClosedConnStaysBelowAmplificationLimit(t *testing.T) {
	inBubble(t, &Transport{}, func(t *testing.T, n *rawNet) {
		const size = 30
		bye := make([]byte, 1000)
		closeConn(t, n.transport, bye)
		received, sent, replies := 0, 0, 0
		for range 1000 {
			n.send(t, shortPacket(cid("aaaa"), size))
			received += size
			if b := n.receive(t); b != nil {
				sent += len(b)
				replies++
			}
			if sent > 3*received {
				t.Fatalf("sent %d bytes for %d, want at most three times as much", sent, received)
			}
		}
		if replies == 0 {
			t.Error("no reply at all")
		}
	})
}

// T-201.
func TestClosedConnIgnoresOtherAddresses(t *testing.T) {
	inBubble(t, &Transport{}, func(t *testing.T, n *rawNet) {
		closeConn(t, n.transport, []byte("bye"))
		other := simnet.NewSimConn(rawOtherAddr, &n.router)
		for range 10 {
			n.sendFrom(t, other, shortPacket(cid("aaaa"), 100))
		}
		if b := n.receiveAt(t, other); b != nil {
			t.Errorf("another address gets %q, want nothing", b)
		}
		n.send(t, shortPacket(cid("aaaa"), 100))
		if b := n.receive(t); b == nil {
			t.Error("the peer gets no answer to its first datagram")
		}
	})
}

// T-199.
func TestDrainingConnIsSilent(t *testing.T) {
	var key StatelessResetKey
	inBubble(t, &Transport{StatelessResetKey: &key}, func(t *testing.T, n *rawNet) {
		closeConn(t, n.transport, nil)
		for range 10 {
			n.send(t, shortPacket(cid("aaaa"), 100))
			n.wantNothing(t, "a datagram of a draining connection")
		}
		time.Sleep(time.Minute)
		n.send(t, shortPacket(cid("aaaa"), 100))
		if b := n.receive(t); b == nil {
			t.Error("no stateless reset after the draining period")
		}
	})
}
