package quic_test

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	quic "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/quictest"
	"github.com/quic-go/quic-go/internal/testcert"
	"github.com/quic-go/quic-go/internal/wire"
)

// inScene runs f with an endpoint and a scripted peer.
func inScene(t *testing.T, role protocol.Perspective, f func(t *testing.T, s *scene)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, newScene(t, role)) })
}

// TestPreferredAddress: RFC 9000, Section 9.6.1: "If path validation succeeds, the client SHOULD begin sending all future packets to
// the new server address using the new connection ID".
func TestPreferredAddress(t *testing.T) {
	inScene(t, protocol.PerspectiveClient, func(t *testing.T, s *scene) {
		addr := &net.UDPAddr{IP: net.IPv4(198, 51, 100, 2).To4(), Port: 444}
		s.withPreferredAddress(addr)
		s.start()
		preferred := s.net.Listen(addr)
		s.peer.Watch(preferred)
		s.connect()
		s.peer.Use(preferred)
		s.works()
		if got := s.conn.RemoteAddr().String(); got != addr.String() {
			t.Errorf("RemoteAddr = %s, want %s", got, addr)
		}
		for _, r := range s.peer.Packets() {
			if !at(preferred)(r) || r.DstCID != newConnectionID(1, 0).ConnectionID {
				t.Fatalf("not to the preferred address with its connection ID: %s", r)
			}
		}
	})
}

// TestUnusablePreferredAddress: a server cannot make a client send packets into the client's own network.
func TestUnusablePreferredAddress(t *testing.T) {
	for _, addr := range []*net.UDPAddr{
		{IP: net.IPv4(127, 0, 0, 1).To4(), Port: 53},
		{IP: net.IPv4(169, 254, 1, 1).To4(), Port: 53},
		{IP: net.IPv4(224, 0, 0, 1).To4(), Port: 53},
		{IP: net.IPv4zero.To4(), Port: 53},
		{IP: net.IPv4(198, 51, 100, 2).To4(), Port: 0},
	} {
		inScene(t, protocol.PerspectiveClient, func(t *testing.T, s *scene) {
			s.withPreferredAddress(addr)
			s.connect()
			s.works()
			if n := s.net.UpStats().Unroutable; n != 0 {
				t.Errorf("%d datagrams to %s", n, addr)
			}
		})
	}
}

// TestMigrationForbidden: RFC 9000, Section 18.2: "An endpoint that receives this transport parameter MUST NOT use a new local address
// when sending to the address that the peer used during the handshake."
func TestMigrationForbidden(t *testing.T) {
	inScene(t, protocol.PerspectiveClient, func(t *testing.T, s *scene) {
		s.peerOptions.Parameters = func(tp *wire.TransportParameters) { tp.DisableActiveMigration = true }
		s.connect()
		p, socket := s.secondPath()
		if err := probe(p, time.Second); err == nil {
			t.Error("Probe succeeds")
		}
		for _, r := range s.peer.Packets() {
			if r.From.String() == socket.LocalAddr().String() {
				t.Errorf("from a new address: %s", r)
			}
		}
		s.works()
	})
}

// TestProbeWaitsForConfirmation: RFC 9000, Section 9: "An endpoint MUST NOT initiate connection migration before the handshake is
// confirmed".
func TestProbeWaitsForConfirmation(t *testing.T) {
	inScene(t, protocol.PerspectiveClient, func(t *testing.T, s *scene) {
		s.peerOptions.HoldHandshakeDone = true
		s.connect()
		p, socket := s.secondPath()
		probed := make(chan error, 1)
		go func() { probed <- p.Probe(t.Context()) }()
		time.Sleep(time.Second)
		for _, r := range s.peer.Packets() {
			if r.From.String() == socket.LocalAddr().String() {
				t.Errorf("before HANDSHAKE_DONE: %s", r)
			}
		}
		select {
		case err := <-probed:
			t.Fatalf("Probe before HANDSHAKE_DONE: %v", err)
		default:
		}
		s.peer.SetRemote(s.conn.LocalAddr())
		s.peer.Send(oneRTT, &wire.HandshakeDoneFrame{})
		if err := <-probed; err != nil {
			t.Errorf("Probe: %v", err)
		}
	})
}

// TestProbeWithoutConnectionID: a path waits for a connection ID of the server.
func TestProbeWithoutConnectionID(t *testing.T) {
	inScene(t, protocol.PerspectiveClient, func(t *testing.T, s *scene) {
		s.connect()
		tr := &quic.Transport{Conn: s.clientSocket()}
		defer tr.Close()
		p, err := s.conn.AddPath(tr)
		if err != nil {
			t.Fatal(err)
		}
		if err := probe(p, 5*time.Second); err == nil {
			t.Error("Probe succeeds")
		}
		if n := len(s.peer.Packets()); n != 0 {
			t.Errorf("%d packets", n)
		}
		time.AfterFunc(time.Second, func() {
			s.peer.SetRemote(s.conn.LocalAddr())
			s.peer.Send(oneRTT, newConnectionID(1, 0))
		})
		if err := probe(p, 5*time.Second); err != nil {
			t.Errorf("Probe with a connection ID: %v", err)
		}
	})
}

// TestRebindingWithoutSpareConnectionID: the client has provided one connection ID only, and its address changes.
func TestRebindingWithoutSpareConnectionID(t *testing.T) {
	inScene(t, protocol.PerspectiveServer, func(t *testing.T, s *scene) {
		s.connect()
		for range 5 {
			moved := s.clientSocket()
			s.peer.Use(moved)
			s.works()
			if got := s.conn.RemoteAddr().String(); got != moved.LocalAddr().String() {
				t.Errorf("RemoteAddr = %s, want %s", got, moved.LocalAddr())
			}
			s.settle()
		}
	})
}

// TestMigrationWithoutSpareConnectionID: RFC 9000, Section 9.3: "If the recipient has no unused connection IDs from the peer, it will
// not be able to send anything on the new path until the peer provides one".
func TestMigrationWithoutSpareConnectionID(t *testing.T) {
	inScene(t, protocol.PerspectiveServer, func(t *testing.T, s *scene) {
		s.connect()
		if len(s.issued) == 0 {
			t.Fatal("no connection ID to migrate with")
		}
		moved := s.clientSocket()
		s.peer.SetDstCID(s.issued[0].ConnectionID)
		s.peer.Use(moved)
		s.peer.Send(oneRTT, &wire.PingFrame{}, quictest.Padding(1100))
		s.settle()
		s.peer.Send(oneRTT, &wire.PathChallengeFrame{}, quictest.Padding(1100))
		time.Sleep(time.Second)
		if n := s.bytesAt(moved); n != 0 {
			t.Errorf("%d bytes on the new path", n)
		}
		s.peer.Send(oneRTT, newConnectionID(1, 0), newConnectionID(2, 0), newConnectionID(3, 0), &wire.PingFrame{}, quictest.Padding(1000))
		s.works()
		if got := s.conn.RemoteAddr().String(); got != moved.LocalAddr().String() {
			t.Errorf("RemoteAddr = %s, want %s", got, moved.LocalAddr())
		}
	})
}

// TestTokenForNewAddress: RFC 9000, Section 9.3: "After verifying a new client address, the server SHOULD send new address validation
// tokens (Section 8) to the client."
func TestTokenForNewAddress(t *testing.T) {
	inScene(t, protocol.PerspectiveServer, func(_ *testing.T, s *scene) {
		s.connect()
		s.peer.Forget()
		s.migrate()
		s.peer.Send(oneRTT, &wire.PingFrame{}, quictest.Padding(1000))
		quictest.Expect[*wire.NewTokenFrame](s.peer, nil)
	})
}

// TestCloseOnNewPath: a CONNECTION_CLOSE goes to where the client is now.
func TestCloseOnNewPath(t *testing.T) {
	inScene(t, protocol.PerspectiveServer, func(t *testing.T, s *scene) {
		s.connect()
		_, to := s.migrate()
		s.works()
		s.peer.Forget()
		s.conn.CloseWithError(3, "")
		if _, r := quictest.ExpectIn[*wire.ConnectionCloseFrame](s.peer, nil); !at(to)(r) {
			t.Errorf("CONNECTION_CLOSE to %s, want %s", r.To, to.LocalAddr())
		}
		s.peer.Forget()
		s.peer.Send(oneRTT, &wire.PingFrame{})
		quictest.Expect[*wire.ConnectionCloseFrame](s.peer, nil)
	})
}

// newRealPair returns a client and a server on sockets of the loopback interface.
func newRealPair(t *testing.T, listen, dial string) (client, server *quic.Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	l, err := quic.ListenAddr(listen, testcert.ServerConfig("test"), nil)
	if err != nil {
		t.Skipf("ListenAddr: %v", err)
	}
	t.Cleanup(func() { l.Close() })
	addr := l.Addr().(*net.UDPAddr)
	if dial != "" {
		addr = &net.UDPAddr{IP: net.ParseIP(dial), Port: addr.Port}
	}
	pc, err := net.ListenUDP("udp", nil)
	if err != nil {
		t.Fatalf("ListenUDP: %v", err)
	}
	tr := &quic.Transport{Conn: pc}
	t.Cleanup(func() {
		tr.Close()
		pc.Close()
	})
	if client, err = tr.Dial(ctx, addr, testcert.ClientConfig("test"), nil); err != nil {
		t.Fatalf("Dial: %v", err)
	}
	if server, err = l.Accept(ctx); err != nil {
		t.Fatalf("Accept: %v", err)
	}
	t.Cleanup(func() { server.CloseWithError(0, "") })
	return client, server
}

// TestUnspecifiedAddresses: the server answers from another address than the client has dialed.
func TestUnspecifiedAddresses(t *testing.T) {
	for _, tc := range []struct{ listen, dial string }{{"0.0.0.0:0", ""}, {"[::]:0", ""}, {"[::]:0", "127.0.0.1"}, {"[::]:0", "0.0.0.0"}, {"0.0.0.0:0", "127.0.0.5"}} {
		t.Run(tc.listen+" "+tc.dial, func(t *testing.T) {
			client, server := newRealPair(t, tc.listen, tc.dial)
			testTransfer(t, client, server, randomBytes(1, 100_000))
			testTransfer(t, server, client, randomBytes(2, 100_000))
		})
	}
}

func TestMigrationOnSockets(t *testing.T) {
	client, server := newRealPair(t, "127.0.0.1:0", "")
	pc, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 2)})
	if err != nil {
		t.Skipf("ListenUDP: %v", err)
	}
	defer pc.Close()
	tr := &quic.Transport{Conn: pc}
	path, err := client.AddPath(tr)
	if err != nil {
		t.Fatalf("AddPath: %v", err)
	}
	testTransfer(t, client, server, randomBytes(1, 5<<20))
	mustMigrate(t, path)
	testTransfer(t, client, server, randomBytes(2, 5<<20))
	testTransfer(t, server, client, randomBytes(3, 5<<20))
	if got, want := server.RemoteAddr().String(), pc.LocalAddr().String(); got != want {
		t.Errorf("RemoteAddr = %s, want %s", got, want)
	}
	tr.Close()
	if client.Context().Err() == nil {
		t.Error("the connection has outlived its Transport")
	}
}
