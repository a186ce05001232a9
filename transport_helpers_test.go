package quic

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protect"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/udp"
	"github.com/quic-go/quic-go/internal/wire"
	"github.com/quic-go/quic-go/testutils/simnet"
)

// A rawNet is a network without delay between a Transport and bare sockets.
type rawNet struct {
	router    simnet.PerfectRouter
	transport *Transport
	server    *simnet.SimConn
	client    *simnet.SimConn
}

var (
	rawServerAddr = &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 443}
	rawClientAddr = &net.UDPAddr{IP: net.IPv4(192, 0, 2, 2), Port: 1000}
	rawOtherAddr  = &net.UDPAddr{IP: net.IPv4(192, 0, 2, 3), Port: 2000}
)

// inBubble runs f with a Transport, which is closed afterwards, and with the socket of a peer.
func inBubble(t *testing.T, tr *Transport, f func(t *testing.T, n *rawNet)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := &rawNet{transport: tr}
		n.server = simnet.NewSimConn(rawServerAddr, &n.router)
		n.client = simnet.NewSimConn(rawClientAddr, &n.router)
		tr.Conn = n.server
		f(t, n)
		if err := tr.Close(); err != nil {
			t.Errorf("Close = %v, want nil", err)
		}
	})
}

// listen starts a listener on the Transport.
func (n *rawNet) listen(t *testing.T, conf *Config) *Listener {
	t.Helper()
	l, err := n.transport.Listen(&tls.Config{}, conf)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// send sends b from the client's socket, and waits until it is dealt with.
func (n *rawNet) send(t *testing.T, b []byte) { n.sendFrom(t, n.client, b) }

func (n *rawNet) sendFrom(t *testing.T, from *simnet.SimConn, b []byte) {
	t.Helper()
	if _, err := from.WriteTo(b, rawServerAddr); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
}

// receive returns the next datagram that has arrived at the client's socket, nil if there is none.
func (n *rawNet) receive(t *testing.T) []byte { return n.receiveAt(t, n.client) }

func (n *rawNet) receiveAt(t *testing.T, at *simnet.SimConn) []byte {
	t.Helper()
	if err := at.SetReadDeadline(time.Now().Add(time.Nanosecond)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1500)
	size, _, err := at.ReadFrom(b)
	if os.IsTimeout(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return b[:size]
}

// wantNothing fails the test if a datagram has arrived.
func (n *rawNet) wantNothing(t *testing.T, why string) {
	t.Helper()
	if b := n.receive(t); b != nil {
		t.Errorf("%s is answered with %x, want no answer", why, b)
	}
}

func cid(s string) protocol.ConnectionID { return protocol.ParseConnectionID([]byte(s)) }

// An initial describes a client's Initial with nothing but PADDING.
type initial struct {
	version  protocol.Version
	dst, src protocol.ConnectionID
	token    []byte
	size     int
}

func defaultInitial() initial {
	return initial{version: protocol.Version1, dst: cid("original"), src: cid("client"), size: 1200}
}

// packet returns the protected packet.
func (i initial) packet() []byte {
	const pnLen = 2
	b, lengthAt := wire.AppendLongHeader(nil, protocol.PacketTypeInitial, i.version, i.dst, i.src, i.token, 0, pnLen)
	payload := len(b)
	b = append(b, make([]byte, i.size-len(b)-protect.Overhead)...)
	wire.SetLongHeaderLength(b, lengthAt, len(b)-payload+pnLen+protect.Overhead)
	sealer, _ := protect.InitialKeys(i.version, i.dst, protocol.PerspectiveClient)
	return sealer.Seal(b, 0, payload, 0, pnLen)
}

// shortPacket returns a datagram of size bytes that looks like a 1-RTT packet.
func shortPacket(dst protocol.ConnectionID, size int) []byte {
	b := append([]byte{0x40}, dst.Bytes()...)
	for len(b) < size {
		b = append(b, byte(len(b)*7+1))
	}
	return b[:size]
}

// received returns b as a datagram from the client.
func received(b []byte) udp.Packet {
	buf, data := udp.NewBuffer(b)
	return udp.Packet{Data: data, Buffer: buf, Remote: udp.RemoteFrom(rawClientAddr), Time: monotime.Now()}
}

// wantCause waits for the end of a connection, which must be because of want.
func wantCause(t *testing.T, c *Conn, want error) {
	t.Helper()
	<-c.Context().Done()
	if got := context.Cause(c.Context()); !errors.Is(got, want) {
		t.Errorf("the connection ends with %v, want %v", got, want)
	}
}

// A recordingHandler counts what it gets.
type recordingHandler struct{ packets int }

func (h *recordingHandler) handlePacket(p udp.Packet) {
	h.packets++
	p.Buffer.Release()
}

// idleConn returns a connection that was never started. It has to leave the Transport by connClosed.
func idleConn(t *testing.T, tr *Transport, src protocol.ConnectionID) *Conn {
	t.Helper()
	if err := tr.init(); err != nil {
		t.Fatal(err)
	}
	return newConn(connParams{
		transport:   tr,
		perspective: protocol.PerspectiveServer,
		version:     protocol.Version1,
		config:      populateConfig(nil),
		tls:         &tls.Config{},
		ctx:         context.Background(),
		remote:      udp.RemoteFrom(rawClientAddr),
		srcCID:      src,
		dstCID:      cid("client"),
		origDstCID:  cid("original"),
	})
}
