package quic_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	quic "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/internal/netsim"
	"github.com/quic-go/quic-go/internal/protect"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
	"github.com/quic-go/quic-go/internal/quictest"
	"github.com/quic-go/quic-go/internal/testcert"
	"github.com/quic-go/quic-go/internal/wire"
	"github.com/quic-go/quic-go/quicvarint"
)

const (
	initial   = protocol.EncryptionInitial
	zeroRTT   = protocol.Encryption0RTT
	handshake = protocol.EncryptionHandshake
	oneRTT    = protocol.Encryption1RTT

	uni  = protocol.StreamTypeUni
	bidi = protocol.StreamTypeBidi

	// settleTime is more than it takes until nobody has anything to say.
	settleTime = 500 * time.Millisecond
)

// A scene is an endpoint of package quic and the scripted peer that it talks to.
type scene struct {
	t    *testing.T
	role protocol.Perspective // of the endpoint under test

	// to be changed before start
	config      quic.Config
	tls         *tls.Config
	peerOptions quictest.Options
	transport   quic.Transport
	early       bool // DialEarly, ListenEarly
	noEcho      bool // streams of the peer are left to the case
	noPeer      bool // start makes no peer
	nonQUIC     bool // the application reads packets that are not QUIC's
	// beforeResumption changes something between the two connections of resumeServer and resumeClient.
	beforeResumption func()

	net        *netsim.Net
	peer       *quictest.Peer
	tr         *quic.Transport
	conn       *quic.Conn // after connect
	conns      chan *quic.Conn
	dialErr    chan error
	dialCancel context.CancelFunc
	serverAddr *net.UDPAddr
	clients    int
	transfers  int                         // how often works was called
	issued     []wire.NewConnectionIDFrame // by the endpoint under test, until the last settle

	variant, variants int
}

func newScene(t *testing.T, role protocol.Perspective) *scene {
	s := &scene{t: t, role: role, conns: make(chan *quic.Conn, 64), dialErr: make(chan error, 1)}
	s.config.DisablePathMTUDiscovery = true
	s.config.MaxIdleTimeout = time.Minute
	// An early first key update would be none of the script.
	quic.SetKeyLimits(&s.transport, protect.Limits{UpdateAfter: protect.DefaultUpdateAfter})
	serverTLS, clientTLS := testcert.ServerConfig("test"), testcert.ClientConfig("test")
	s.tls, s.peerOptions.TLS = serverTLS, clientTLS
	if role == protocol.PerspectiveClient {
		s.tls, s.peerOptions.TLS = clientTLS, serverTLS
	}
	return s
}

// pick returns which of n variants of the case this is. All of them are run.
func (s *scene) pick(n int) int {
	s.variants = n
	return s.variant
}

func (s *scene) isServer() bool { return s.role == protocol.PerspectiveServer }

// theirs returns the n-th stream of the peer, ours that of the endpoint under test, starting at 1.
func (s *scene) theirs(typ protocol.StreamType, n protocol.StreamNum) protocol.StreamID {
	return n.StreamID(typ, s.role.Opposite())
}

func (s *scene) ours(typ protocol.StreamType, n protocol.StreamNum) protocol.StreamID {
	return n.StreamID(typ, s.role)
}

// start makes the endpoint and the peer. A client under test begins to connect.
func (s *scene) start() {
	s.t.Helper()
	serverAddr := &net.UDPAddr{IP: net.IPv4(198, 51, 100, 1), Port: 443}
	s.serverAddr = serverAddr
	d := netsim.Direction{Delay: 5 * time.Millisecond}
	s.net = netsim.New(1, serverAddr, netsim.Options{Up: d, Down: d})
	s.t.Cleanup(func() { s.net.Close() })
	serverConn := s.net.Listen(serverAddr)
	s.tr = &s.transport
	if s.isServer() {
		s.tr.Conn = serverConn
		s.readNonQUIC()
		s.listen()
		if !s.noPeer {
			s.peer = s.newClient()
		}
		return
	}
	if !s.noPeer {
		s.peer = quictest.NewServer(s.t, serverConn, s.peerOptions)
	}
	s.tr.Conn = s.clientSocket()
	s.t.Cleanup(func() { s.tr.Close() })
	s.readNonQUIC()
	s.dial()
}

func (s *scene) readNonQUIC() {
	if !s.nonQUIC {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, _, _ = s.tr.ReadNonQUICPacket(ctx, nil)
}

// clientSocket returns the socket of another client.
func (s *scene) clientSocket() net.PacketConn {
	s.clients++
	return s.net.Listen(&net.UDPAddr{IP: net.IPv4(192, 0, 2, byte(s.clients)), Port: 1000 + s.clients})
}

// newClient returns another peer of a server under test.
func (s *scene) newClient() *quictest.Peer {
	s.t.Helper()
	return quictest.NewClient(s.t, s.clientSocket(), s.serverAddr, s.peerOptions)
}

func (s *scene) listen() {
	s.t.Helper()
	type acceptor interface {
		Accept(context.Context) (*quic.Conn, error)
	}
	var (
		l   acceptor
		err error
	)
	if s.early {
		l, err = s.tr.ListenEarly(s.tls, &s.config)
	} else {
		l, err = s.tr.Listen(s.tls, &s.config)
	}
	if err != nil {
		s.t.Fatalf("listen: %v", err)
	}
	s.t.Cleanup(func() { s.tr.Close() })
	go func() {
		for {
			c, err := l.Accept(context.Background())
			if err != nil {
				return
			}
			s.serve(c)
			s.conns <- c
		}
	}()
}

func (s *scene) dial() {
	ctx, cancel := context.WithCancel(context.Background())
	s.dialCancel = cancel
	s.t.Cleanup(cancel)
	dial := s.tr.Dial
	if s.early {
		dial = s.tr.DialEarly
	}
	go func() {
		c, err := dial(ctx, s.serverAddr, s.tls, &s.config)
		if err != nil {
			s.dialErr <- err
			return
		}
		s.serve(c)
		s.conns <- c
	}()
}

// serve is the application of the endpoint under test: bidirectional streams of the peer are echoed, others
// are read.
func (s *scene) serve(c *quic.Conn) {
	if s.noEcho {
		return
	}
	go func() {
		for {
			str, err := c.AcceptStream(context.Background())
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(str, str)
				_ = str.Close()
			}()
		}
	}()
	go func() {
		for {
			str, err := c.AcceptUniStream(context.Background())
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(io.Discard, str) }()
		}
	}()
}

// connect completes the handshake and waits until all is quiet.
func (s *scene) connect() {
	s.t.Helper()
	if s.tr == nil {
		s.start()
	}
	s.peer.Handshake()
	s.await()
	s.settle()
}

// await waits for the connection of the endpoint under test.
func (s *scene) await() {
	s.t.Helper()
	select {
	case s.conn = <-s.conns:
	case err := <-s.dialErr:
		s.t.Fatalf("Dial: %v", err)
	case <-time.After(s.peer.Timeout):
		s.t.Fatal("no connection")
	}
}

func (s *scene) settle() {
	time.Sleep(settleTime)
	for _, f := range quictest.Frames[*wire.NewConnectionIDFrame](s.peer) {
		s.issued = append(s.issued, *f)
	}
	s.peer.Forget()
}

// begun brings the handshake to the point at which the endpoint under test reads CRYPTO data in Initial packets:
// a server has got the beginning of a ClientHello, a client nothing. The peer does nothing by itself from then on.
func (s *scene) begun() {
	s.t.Helper()
	s.peerOptions.HoldHandshake = true
	s.start()
	s.peer.Start()
	if s.isServer() {
		s.peer.SendCryptoAt(initial, 0, s.peer.TakeCrypto(initial)[:100])
		s.settle()
		return
	}
	s.peer.ExpectType(protocol.PacketTypeInitial)
	time.Sleep(50 * time.Millisecond)
	s.peer.Forget()
}

// half brings the handshake to the point at which the peer has Handshake keys and the endpoint under test does
// not know of the end of the handshake. The peer does nothing by itself from then on.
func (s *scene) half() {
	s.t.Helper()
	s.peerOptions.HoldHandshake = true
	s.start()
	s.peer.Start()
	if s.isServer() {
		s.peer.SendCryptoAt(initial, 0, s.peer.TakeCrypto(initial))
		s.peer.ExpectType(protocol.PacketTypeHandshake)
		s.settle()
		return
	}
	s.peer.ExpectType(protocol.PacketTypeInitial)
	time.Sleep(50 * time.Millisecond)
	s.peer.SetParameters()
	s.peer.SendCryptoAt(initial, 0, s.peer.TakeCrypto(initial))
	s.settle()
}

// cause returns why the connection of the endpoint under test is over.
func (s *scene) cause() error {
	s.t.Helper()
	var over <-chan struct{}
	if s.conn != nil {
		over = s.conn.Context().Done()
	}
	select {
	case <-over:
		return context.Cause(s.conn.Context())
	case err := <-s.dialErr:
		return err
	case <-time.After(s.peer.Timeout):
		s.t.Fatal("connection is not over")
		return nil
	}
}

// expectClose checks that the connection is closed with one of the codes because of a frame of the given type.
func (s *scene) expectClose(frameType wire.FrameType, codes ...qerr.TransportErrorCode) {
	s.t.Helper()
	s.peer.ExpectCloseFrom(frameType, codes...)
	s.expectCode(codes...)
}

// expectCode checks that the connection is closed with one of the codes.
func (s *scene) expectCode(codes ...qerr.TransportErrorCode) {
	s.t.Helper()
	s.peer.ExpectClose(codes...)
	if s.conn == nil && s.isServer() {
		return // the application has not seen it
	}
	err := s.cause()
	t, ok := errors.AsType[*quic.TransportError](err)
	if !ok || t.Remote || !slices.Contains(codes, t.ErrorCode) {
		s.t.Errorf("connection is over because of %v, want a local error of %s", err, codes)
	}
}

// alive checks that the connection still acknowledges.
func (s *scene) alive() {
	s.t.Helper()
	pn := s.peer.Send(oneRTT, &wire.PingFrame{})
	quictest.Expect(s.peer, func(f *wire.AckFrame) bool { return f.AcksPacket(pn) })
}

// firstWorkStream is behind the streams that cases use.
const firstWorkStream = 50

// works checks that the connection still transfers 64 KiB in both directions.
func (s *scene) works() {
	s.t.Helper()
	if s.noEcho {
		s.alive()
		return
	}
	id := s.theirs(bidi, protocol.StreamNum(firstWorkStream+s.transfers))
	s.transfers++
	data := randomBytes(uint64(id), 64<<10)
	s.sendStream(id, data)
	if got := s.peer.ExpectStream(id); !bytes.Equal(got, data) {
		s.t.Errorf("echo of %d bytes differs: %d bytes", len(data), len(got))
	}
}

// sendStream sends all of a stream.
func (s *scene) sendStream(id protocol.StreamID, data []byte) {
	s.t.Helper()
	const perPacket = 1000
	for off := 0; off < len(data) || off == 0; off += perPacket {
		end := min(off+perPacket, len(data))
		s.peer.Send(oneRTT, &wire.StreamFrame{
			StreamID: id, Offset: protocol.ByteCount(off), Data: data[off:end], Fin: end == len(data), DataLenPresent: true,
		})
	}
}

// drops checks that what f sends is ignored: nothing comes back, and the connection works.
func (s *scene) drops(f func()) {
	s.t.Helper()
	s.peer.Forget()
	f()
	s.peer.ExpectSilence(time.Second)
	s.works()
}

// varints encodes integers, of which the first is often a frame type.
func varints(values ...uint64) quictest.Raw {
	var b []byte
	for _, v := range values {
		b = quicvarint.Append(b, v)
	}
	return b
}

const maxVarint = quicvarint.Max

// closes is a case in which frames in a 1-RTT packet close the connection.
func closes(frameType wire.FrameType, code qerr.TransportErrorCode, frames ...wire.Frame) conformanceCase {
	return func(_ *testing.T, s *scene) {
		s.connect()
		s.peer.Send(oneRTT, frames...)
		s.expectClose(frameType, code)
	}
}
