package quictest

import (
	"crypto/tls"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go/internal/netsim"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
	"github.com/quic-go/quic-go/internal/testcert"
	"github.com/quic-go/quic-go/internal/wire"
)

// inBubble runs f with a client and a server on a network with 5 ms in each direction.
func inBubble(t *testing.T, co, so Options, f func(t *testing.T, client, server *Peer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		client, server := newPeers(t, co, so)
		f(t, client, server)
	})
}

func newPeers(t *testing.T, co, so Options) (client, server *Peer) {
	t.Helper()
	d := netsim.Direction{Delay: 5 * time.Millisecond}
	cpc, spc, n := netsim.Pair(1, netsim.Options{Up: d, Down: d})
	t.Cleanup(func() { n.Close() })
	if co.TLS == nil {
		co.TLS = testcert.ClientConfig("test")
	}
	if so.TLS == nil {
		so.TLS = testcert.ServerConfig("test")
	}
	server = NewServer(t, spc, so)
	client = NewClient(t, cpc, spc.LocalAddr(), co)
	return client, server
}

func TestHandshake(t *testing.T) {
	for _, v := range protocol.SupportedVersions {
		inBubble(t, Options{Version: v}, Options{Version: v}, func(t *testing.T, client, server *Peer) {
			client.Handshake()
			server.Handshake()
			if got := client.TLSState().NegotiatedProtocol; got != "test" {
				t.Errorf("protocol = %q, want test", got)
			}
			if tp := client.Parameters(); tp.InitialSourceConnectionID != server.SrcCID() ||
				tp.OriginalDestinationConnectionID != client.opts.DstCID && client.opts.DstCID.Valid() {
				t.Errorf("parameters = %+v", tp)
			}
			if tp := server.Parameters(); tp.InitialSourceConnectionID != client.SrcCID() {
				t.Errorf("parameters of the client = %+v", tp)
			}
			client.Send(OneRTT, &wire.StreamFrame{StreamID: 0, Data: []byte("hello "), DataLenPresent: true})
			client.Send(OneRTT, &wire.StreamFrame{StreamID: 0, Offset: 6, Data: []byte("world"), Fin: true})
			if got := server.ExpectStream(0); string(got) != "hello world" {
				t.Errorf("stream = %q", got)
			}
			Expect[*wire.AckFrame](client, nil)
			for _, r := range client.Packets() {
				if r.Err != nil {
					t.Errorf("client: %s", r)
				}
			}
			for _, r := range server.Packets() {
				if r.Err != nil {
					t.Errorf("server: %s", r)
				}
			}
		})
	}
}

func TestHandshakeStepByStep(t *testing.T) {
	inBubble(t, Options{HoldHandshake: true, HoldAcks: true}, Options{HoldHandshake: true, HoldAcks: true}, func(t *testing.T, client, server *Peer) {
		client.Start()
		server.ExpectSilence(time.Second)
		client.SendCryptoAt(Initial, 0, client.TakeCrypto(Initial))
		if r := server.ExpectType(protocol.PacketTypeInitial); len(r.Datagram) != 1200 {
			t.Errorf("Initial in %d bytes, want 1200", len(r.Datagram))
		}
		client.ExpectSilence(time.Second)
		server.SetParameters()
		server.SendPackets(
			server.Packet(Initial, ackFrame([]protocol.PacketNumber{0}), &wire.CryptoFrame{Data: server.TakeCrypto(Initial)}),
		)
		server.SendCryptoAt(Handshake, 0, server.TakeCrypto(Handshake))
		client.ExpectType(protocol.PacketTypeHandshake)
		if !client.Complete() {
			t.Error("client is not complete after the server's flight")
		}
		server.ExpectSilence(time.Second)
		client.ReleaseHandshake()
		Expect[*wire.CryptoFrame](server, nil)
		server.ReleaseHandshake()
		Expect[*wire.HandshakeDoneFrame](client, nil)
		ExpectNone[*wire.AckFrame](server, time.Second, nil)
		client.ReleaseAcks()
		if f, r := ExpectIn(server, func(f *wire.AckFrame) bool { return f.LargestAcked() == 0 }); r.Level == Initial && len(f.AckRanges) != 1 {
			t.Errorf("ACK = %s", describe(f))
		}
	})
}

func TestRetry(t *testing.T) {
	inBubble(t, Options{}, Options{HoldHandshake: true}, func(t *testing.T, client, server *Peer) {
		client.Start()
		first := server.ExpectType(protocol.PacketTypeInitial)
		src := server.SendRetry([]byte("token"))
		second := server.ExpectPacket(func(r *Received) bool { return string(r.Token) == "token" })
		if second.DstCID != src || second.PN <= first.PN || second.Err != nil {
			t.Errorf("Initial after Retry: %s", second)
		}
		server.ReleaseHandshake()
		client.Handshake()
		if tp := client.Parameters(); tp.RetrySourceConnectionID == nil || *tp.RetrySourceConnectionID != src {
			t.Errorf("retry_source_connection_id = %v, want %s", tp.RetrySourceConnectionID, src)
		}
	})
}

func TestVersionNegotiation(t *testing.T) {
	inBubble(t, Options{}, Options{HoldHandshake: true}, func(t *testing.T, client, server *Peer) {
		client.Start()
		server.ExpectType(protocol.PacketTypeInitial)
		server.SendVersionNegotiation(0x1234)
		r := client.ExpectType(protocol.PacketTypeVersionNegotiation)
		if !slices.Contains(r.Versions, 0x1234) || r.DstCID != client.SrcCID() || r.SrcCID != client.DstCID() {
			t.Errorf("Version Negotiation: %+v", r)
		}
	})
}

func TestExpectClose(t *testing.T) {
	inBubble(t, Options{}, Options{}, func(t *testing.T, client, server *Peer) {
		client.Handshake()
		time.Sleep(time.Second)
		server.Send(OneRTT, &wire.ConnectionCloseFrame{ErrorCode: uint64(qerr.FlowControlError), FrameType: 8})
		client.ExpectCloseFrom(wire.FrameTypeStream, qerr.FinalSizeError, qerr.FlowControlError)
		server.ExpectSilence(time.Second)
	})
}

func TestPacketsThatAreWrong(t *testing.T) {
	inBubble(t, Options{HoldAcks: true}, Options{HoldAcks: true}, func(t *testing.T, client, server *Peer) {
		client.Handshake()
		server.Handshake()
		server.Forget()
		reserved := client.Packet(OneRTT, &wire.PingFrame{})
		reserved.FlipBits = 0x18
		client.SendPackets(reserved)
		if r := server.ExpectType(protocol.PacketType1RTT); r.FirstByte&0x18 != 0x18 || r.Err != nil {
			t.Errorf("%s, first byte %#x, want reserved bits", r, r.FirstByte)
		}
		corrupt := client.Packet(OneRTT, &wire.PingFrame{})
		corrupt.Corrupt = func(b []byte) { b[len(b)-1] ^= 1 }
		client.SendPackets(corrupt)
		if r := server.ExpectType(protocol.PacketType1RTT); r.Err == nil {
			t.Errorf("corrupted packet was opened: %s", r)
		}
		empty := client.Packet(OneRTT)
		client.SendPackets(empty)
		if r := server.ExpectType(protocol.PacketType1RTT); r.Err != nil || len(r.Payload) != 0 {
			t.Errorf("empty packet: %s with %d bytes", r, len(r.Payload))
		}
		client.SetNextNumber(OneRTT, 1000)
		client.SendPackets(client.Packet(Handshake, &wire.PingFrame{}), client.Packet(OneRTT, Raw{0x40}))
		if r := server.ExpectType(protocol.PacketTypeHandshake); r.Err != nil || !r.First {
			t.Errorf("first of two: %s", r)
		}
		if r := server.ExpectType(protocol.PacketType1RTT); r.First || r.PN != 1000 || r.Err == nil {
			t.Errorf("second of two: %s", r)
		}
		client.SendRaw(StatelessReset(30, protocol.StatelessResetToken{1, 2, 3}))
		r := server.ExpectType(protocol.PacketType1RTT)
		if n := len(r.Datagram); n != 30 || r.Datagram[n-16] != 1 || r.Err == nil {
			t.Errorf("stateless reset: % x, %v", r.Datagram, r.Err)
		}
	})
}

func TestKeyUpdates(t *testing.T) {
	inBubble(t, Options{}, Options{}, func(t *testing.T, client, server *Peer) {
		client.Handshake()
		server.Handshake()
		old := server.Packet(OneRTT, &wire.PingFrame{})
		for phase := protocol.KeyPhase(1); phase < 5; phase++ {
			client.UpdateKeys()
			client.Send(OneRTT, &wire.MaxDataFrame{MaximumData: 1000})
			if _, r := ExpectIn[*wire.MaxDataFrame](server, nil); r.KeyPhase != phase {
				t.Errorf("key phase %d, want %d", r.KeyPhase, phase)
			}
			server.Send(OneRTT, &wire.MaxDataFrame{MaximumData: 2000})
			if _, r := ExpectIn[*wire.MaxDataFrame](client, nil); r.KeyPhase != phase {
				t.Errorf("key phase %d of the server, want %d", r.KeyPhase, phase)
			}
			if got := server.KeyPhase(); got != phase {
				t.Errorf("server sends in phase %d, want %d", got, phase)
			}
		}
		client.Forget()
		server.SendPackets(old)
		if r := client.ExpectType(protocol.PacketType1RTT); r.Err == nil {
			t.Errorf("packet of phase 0 was opened in phase 4: %s", r)
		}
	})
}

func TestMigration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := netsim.New(1, &net.UDPAddr{IP: net.IPv4(198, 51, 100, 1), Port: 443}, netsim.Options{})
		t.Cleanup(func() { n.Close() })
		server := NewServer(t, n.Listen(&net.UDPAddr{IP: net.IPv4(198, 51, 100, 1), Port: 443}), Options{TLS: testcert.ServerConfig("test")})
		client := NewClient(t, n.Listen(&net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1}), &net.UDPAddr{IP: net.IPv4(198, 51, 100, 1), Port: 443},
			Options{TLS: testcert.ClientConfig("test")})
		client.Handshake()
		moved := n.Listen(&net.UDPAddr{IP: net.IPv4(192, 0, 2, 2), Port: 2})
		client.Use(moved)
		client.Send(OneRTT, &wire.PathChallengeFrame{Data: [8]byte{1}})
		f, r := ExpectIn[*wire.PathResponseFrame](client, nil)
		if f.Data != [8]byte{1} || r.To.String() != moved.LocalAddr().String() {
			t.Errorf("PATH_RESPONSE %x at %s", f.Data, r.To)
		}
		server.HoldPathResponses()
		client.Send(OneRTT, &wire.PathChallengeFrame{})
		ExpectNone[*wire.PathResponseFrame](client, time.Second, nil)
	})
}

func TestEarlyData(t *testing.T) {
	for _, reject := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			serverTLS, clientTLS := testcert.ServerConfig("test"), testcert.ClientConfig("test")
			clientTLS.ClientSessionCache = tls.NewLRUClientSessionCache(1)
			co, so := Options{TLS: clientTLS, EarlyData: true}, Options{TLS: serverTLS, EarlyData: true, RejectEarlyData: reject}
			first, issuer := newPeers(t, co, so)
			first.Handshake()
			issuer.Handshake()
			if first.CanSend(ZeroRTT) {
				t.Error("0-RTT without a session")
			}
			issuer.SendSessionTicket()
			Expect(first, func(f *wire.CryptoFrame) bool { return true })
			time.Sleep(time.Second)

			client, server := newPeers(t, co, so)
			server.HoldAcks()
			client.Start()
			if !client.CanSend(ZeroRTT) {
				t.Fatal("no 0-RTT with a session")
			}
			client.Send(ZeroRTT, &wire.StreamFrame{Data: []byte("early"), Fin: true})
			client.Handshake()
			if got := client.EarlyDataRejected(); got != reject {
				t.Errorf("rejected = %t, want %t", got, reject)
			}
			r := server.ExpectType(protocol.PacketType0RTT)
			if opened := r.Err == nil; opened == reject {
				t.Errorf("rejected %t, but 0-RTT packet: %s", reject, r)
			}
		})
	}
}

func TestRawParameters(t *testing.T) {
	unknown := []byte{0x40, 0x99, 3, 'a', 'b', 'c'}
	co := Options{
		Parameters:       func(tp *wire.TransportParameters) { tp.InitialMaxData = 12345 },
		EncodeParameters: func(b []byte) []byte { return append(b, unknown...) },
	}
	inBubble(t, co, Options{}, func(t *testing.T, client, server *Peer) {
		client.Handshake()
		if got := server.Parameters().InitialMaxData; got != 12345 {
			t.Errorf("initial_max_data = %d, want 12345", got)
		}
		if raw := server.RawParameters(); !slices.Equal(raw[len(raw)-len(unknown):], unknown) {
			t.Errorf("parameters end with % x, want % x", raw[len(raw)-len(unknown):], unknown)
		}
	})
}

func TestAckFrame(t *testing.T) {
	got := ackFrame([]protocol.PacketNumber{5, 1, 2, 9, 3, 8})
	want := []wire.AckRange{{Smallest: 8, Largest: 9}, {Smallest: 5, Largest: 5}, {Smallest: 1, Largest: 3}}
	if !slices.Equal(got.AckRanges, want) {
		t.Errorf("ranges = %v, want %v", got.AckRanges, want)
	}
}
