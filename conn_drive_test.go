package quic

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/quic-go/quic-go/internal/handshake"
	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/testcert"
	"github.com/quic-go/quic-go/internal/udp"
)

// A drivenConn is a connection whose loop is the goroutine of the test, which also moves its datagrams and its clock.
type drivenConn struct {
	*Conn
	socket *driveSocket
	batch  [protocol.MaxPacketsPerTurn]udp.Packet
}

// A driveSocket keeps what is written until the test moves it. Its memory is used again and again.
type driveSocket struct {
	segments int
	calls    int // of WriteBatch
	memory   []byte
	sizes    []int // of the datagrams in memory
}

func (s *driveSocket) WriteBatch(b []byte, segment int, _ protocol.ECN, _ *udp.Destination) error {
	s.calls++
	s.memory = append(s.memory, b...)
	for n := len(b); n > 0; n -= segment {
		s.sizes = append(s.sizes, min(n, segment))
	}
	return nil
}

func (s *driveSocket) reset() { s.memory, s.sizes, s.calls = s.memory[:0], s.sizes[:0], 0 }

func (s *driveSocket) ReadBatch([]udp.Packet) (int, error) { return 0, net.ErrClosed }
func (s *driveSocket) MaxSegments() int                    { return s.segments }
func (s *driveSocket) LocalAddr() net.Addr                 { return rawServerAddr }
func (s *driveSocket) SetReadDeadline(time.Time) error     { return nil }
func (s *driveSocket) Close() error                        { return nil }
func (s *driveSocket) Capabilities() (gso, ecn, df bool)   { return s.segments > 1, false, false }
func driveTransport(t testing.TB, s *driveSocket) *Transport {
	t.Helper()
	tr := &Transport{conn: s, cids: randomConnectionIDs(4), cidLen: 4}
	tr.earlyHellos = handshake.NewReplayFilter(handshake.MaxReplayEntries)
	tr.table.init()
	tr.resets.init(nil)
	return tr
}

// A driven is a client and a server that are driven by hand, and their clock.
type driven struct {
	t              testing.TB
	now            monotime.Time
	client, server *drivenConn
}

// newDriven returns two connections whose handshake is complete and confirmed, and that have nothing to say.
func newDriven(t testing.TB, conf *Config, segments int) *driven {
	t.Helper()
	d := &driven{t: t, now: monotime.Now()}
	conf = populateConfig(conf)
	origDst := cid("original")
	base := connParams{
		version: protocol.Version1, config: conf, ctx: context.Background(),
		remote: udp.RemoteFrom(rawClientAddr), origDstCID: origDst,
	}
	newSide := func(p connParams) *drivenConn {
		s := &drivenConn{socket: &driveSocket{segments: segments}}
		p.transport = driveTransport(t, s.socket)
		s.Conn = newConn(p)
		s.timer = time.NewTimer(time.Hour)
		t.Cleanup(func() {
			s.endWith(ErrTransportClosed, endSilent)
			s.finish(monotime.Now())
		})
		return s
	}
	client, server := base, base
	client.perspective, client.tls, client.srcCID, client.dstCID = protocol.PerspectiveClient, testcert.ClientConfig("test"), cid("clnt"), origDst
	server.perspective, server.tls, server.srcCID, server.dstCID = protocol.PerspectiveServer, testcert.ServerConfig("test"), cid("srvr"), cid("clnt")
	d.client, d.server = newSide(client), newSide(server)
	d.client.begin(d.now)
	d.server.begin(d.now)
	for range 20 {
		d.round()
	}
	if !d.client.life.confirmed || !d.server.life.confirmed {
		t.Fatalf("the handshake is not confirmed: client %v, server %v", d.client.end, d.server.end)
	}
	return d
}

// pass moves the clock.
func (d *driven) pass(by time.Duration) { d.now = d.now.Add(by) }

// move hands the datagrams that from has sent to to.
func (d *driven) move(from, to *drivenConn) {
	b := from.socket.memory
	for _, n := range from.socket.sizes {
		buf, data := udp.NewBuffer(b[:n])
		to.handlePacket(udp.Packet{Data: data, Buffer: buf, Remote: to.params.remote, Time: d.now})
		b = b[n:]
	}
	from.socket.reset()
}

// turn lets c take turns until it has handled all that has arrived.
func (d *driven) turn(c *drivenConn) {
	for c.Conn.turn(d.now, c.batch[:]) {
	}
	if c.end != nil {
		d.t.Helper()
		d.t.Fatalf("the connection has ended: %v", c.end)
	}
}

// round gives each side a turn and moves what it has sent to the other. 10 ms pass.
func (d *driven) round() {
	d.turn(d.client)
	d.move(d.client, d.server)
	d.turn(d.server)
	d.move(d.server, d.client)
	d.pass(10 * time.Millisecond)
}

// stream opens a stream of the client, moves a byte both ways and returns both ends.
func (d *driven) stream() (a, b *Stream) {
	d.t.Helper()
	a, err := d.client.OpenStream()
	if err != nil {
		d.t.Fatal(err)
	}
	var one [1]byte
	a.Write(one[:])
	d.round()
	if b, err = d.server.AcceptStream(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
	b.Write(one[:])
	d.round()
	d.round()
	if n, err := a.Read(one[:]); n != 1 || err != nil {
		d.t.Fatalf("Read = %d, %v", n, err)
	}
	if n, err := b.Read(one[:]); n != 1 || err != nil {
		d.t.Fatalf("Read = %d, %v", n, err)
	}
	return a, b
}
