package quic_test

import (
	"bytes"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
	"github.com/quic-go/quic-go/internal/quictest"
	"github.com/quic-go/quic-go/internal/wire"
)

// addressCases are the rows about Retry and address validation.
var addressCases = map[string]conformanceCase{
	"T-251": secondRetry,
	"T-252": retryAfterInitial,
	"T-253": wrongRetry(func(_ *scene, b []byte) []byte { flipLastBit(b); return b }),
	"T-254": wrongRetry(func(s *scene, _ []byte) []byte { return s.peer.BuildRetry(nil, otherConnectionID) }),
	"T-255": wrongRetry(func(s *scene, _ []byte) []byte { return s.peer.BuildRetry([]byte("token"), s.peer.OriginalDstCID()) }),
	"T-256": retryWithUnusedBits,
	"T-257": afterRetry,
	"T-258": oneRetry,
	"T-259": staleRetryToken,
	"T-260": staleToken,
	"T-261": strangeTokens,
	"T-262": retryTokenFromElsewhere,
	"T-263": tokenFromElsewhere,
	"T-264": tokenManyTimes,
	"T-265": tokensOfTheOtherKind,
	"T-266": amplificationLimit,
	"T-267": noDeadlock,
	"T-268": silenceAtTheLimit,
	"T-269": undecryptableCredit,
	"T-270": paddedInitials,
	"T-347": wrongRetry(func(s *scene, b []byte) []byte {
		return s.peer.BuildRetryFor(otherConnectionID, []byte("token"), protocol.ParseConnectionID([]byte("12345678")))
	}),
}

func secondRetry(_ *testing.T, s *scene) {
	s.begun()
	s.peer.SendRetry([]byte("first"))
	s.peer.ExpectPacket(func(r *quictest.Received) bool { return string(r.Token) == "first" })
	s.peer.SendRaw(s.peer.BuildRetry([]byte("second"), otherConnectionID))
	time.Sleep(50 * time.Millisecond)
	s.complete()
	s.expectNoToken("second")
}

// expectNoToken checks that no Initial shows a token.
func (s *scene) expectNoToken(token string) {
	s.t.Helper()
	for _, r := range s.peer.Packets() {
		if string(r.Token) == token {
			s.t.Errorf("followed the Retry: %s", r)
		}
	}
}

func retryAfterInitial(_ *testing.T, s *scene) {
	s.begun()
	s.peer.Send(initial, &wire.PingFrame{})
	s.settle()
	s.peer.SendRaw(s.peer.BuildRetry([]byte("late"), otherConnectionID))
	time.Sleep(50 * time.Millisecond)
	s.expectNoToken("late")
	s.complete()
}

// wrongRetry is a case in which a Retry, made from a right one, is ignored.
func wrongRetry(change func(s *scene, b []byte) []byte) conformanceCase {
	return func(_ *testing.T, s *scene) {
		s.begun()
		s.peer.SendRaw(change(s, s.peer.BuildRetry([]byte("token"), otherConnectionID)))
		time.Sleep(50 * time.Millisecond)
		for _, r := range s.peer.Packets() {
			s.t.Errorf("answer to a wrong Retry: %s", r)
		}
		s.complete()
	}
}

func retryWithUnusedBits(_ *testing.T, s *scene) {
	bits := []byte{0x00, 0x05, 0x0f}[s.pick(3)]
	s.begun()
	b := s.peer.BuildRetry([]byte("token"), otherConnectionID)
	b = b[:len(b)-16]
	b[0] = b[0]&0xf0 | bits
	s.peer.ExpectAfterRetry(otherConnectionID)
	s.peer.SendRaw(s.peer.SignRetry(b))
	s.peer.ExpectPacket(func(r *quictest.Received) bool { return string(r.Token) == "token" && r.Err == nil })
	s.complete()
}

func afterRetry(t *testing.T, s *scene) {
	s.peerOptions.HoldHandshake = true
	s.start()
	s.peer.ExpectType(protocol.PacketTypeInitial)
	time.Sleep(50 * time.Millisecond)
	before := s.peer.Packets()
	hello := helloOf(before)
	s.peer.Forget()
	src := s.peer.SendRetry([]byte("token"))
	time.Sleep(3 * time.Second) // with probes
	after := s.peer.Packets()
	if len(after) < 2 {
		t.Fatalf("%d packets after the Retry", len(after))
	}
	for _, r := range after {
		switch {
		case r.Type != protocol.PacketTypeInitial || r.Err != nil:
			t.Errorf("after Retry: %s", r)
		case string(r.Token) != "token" || r.DstCID != src:
			t.Errorf("Initial with token %q to %s, want that of the Retry", r.Token, r.DstCID)
		case r.SrcCID != before[0].SrcCID:
			t.Errorf("Source Connection ID %s, was %s", r.SrcCID, before[0].SrcCID)
		case r.PN <= before[len(before)-1].PN:
			t.Errorf("packet number %d after %d", r.PN, before[len(before)-1].PN)
		}
	}
	if !bytes.Equal(helloOf(after), hello) {
		t.Error("another ClientHello after Retry")
	}
	s.complete()
}

// helloOf returns the CRYPTO data in packets, in order.
func helloOf(packets []*quictest.Received) []byte {
	data := make([]byte, 1<<16)
	end := 0
	for _, r := range packets {
		for _, f := range r.Frames {
			if f, ok := f.(*wire.CryptoFrame); ok {
				end = max(end, int(f.Offset)+copy(data[f.Offset:], f.Data))
			}
		}
	}
	return data[:end]
}

// withRetry makes a server under test ask clients to prove their addresses, as soon as the result is true.
func (s *scene) withRetry() *atomic.Bool {
	asks := new(atomic.Bool)
	s.transport.VerifySourceAddress = func(net.Addr) bool { return asks.Load() }
	return asks
}

func oneRetry(t *testing.T, s *scene) {
	s.withRetry().Store(true)
	s.peerOptions.HoldHandshake = true
	s.start()
	s.peer.Start()
	b := s.peer.Seal(
		s.peer.Packet(initial, &wire.PingFrame{}, quictest.Padding(400)),
		s.peer.Packet(initial, &wire.PingFrame{}, quictest.Padding(900)),
	)
	s.peer.SendRaw(b)
	r := s.peer.ExpectType(protocol.PacketTypeRetry)
	if len(r.Datagram) > 3*len(b) {
		t.Errorf("Retry of %d bytes for %d", len(r.Datagram), len(b))
	}
	s.peer.ExpectSilence(time.Second)
}

// retryToken gets the token of a Retry for a client and the connection ID that goes with it.
func (s *scene) retryToken() (token []byte, src protocol.ConnectionID) {
	s.t.Helper()
	s.withRetry().Store(true)
	s.peerOptions.HoldHandshake = true
	s.start()
	s.peer.Start()
	s.peer.Send(initial, &wire.PingFrame{})
	r := s.peer.ExpectType(protocol.PacketTypeRetry)
	s.settle()
	return r.Token, r.SrcCID
}

// follow makes the peer use a Retry by hand.
func follow(p *quictest.Peer, token []byte, src protocol.ConnectionID) {
	p.SetToken(token)
	p.SetDstCID(src)
	p.ExpectAfterRetry(src)
	p.SendCryptoAt(initial, 0, p.TakeCrypto(initial))
}

func staleRetryToken(_ *testing.T, s *scene) {
	expired := s.pick(2) == 1
	token, src := s.retryToken()
	if expired {
		time.Sleep(11 * time.Second)
	} else {
		src = otherConnectionID // not that of the Retry
	}
	follow(s.peer, token, src)
	s.peer.ExpectClose(qerr.InvalidToken)
	select {
	case <-s.conns:
		s.t.Error("connection was accepted")
	case <-time.After(time.Second):
	}
}

func retryTokenFromElsewhere(_ *testing.T, s *scene) {
	token, src := s.retryToken()
	s.peer.Use(s.clientSocket())
	follow(s.peer, token, src)
	s.peer.ExpectClose(qerr.InvalidToken)
}

// newToken gets the token of a NEW_TOKEN frame. From then on clients are asked to prove their addresses.
func (s *scene) newToken() []byte {
	s.t.Helper()
	asks := s.withRetry()
	s.start()
	s.peer.Handshake()
	token := quictest.Expect[*wire.NewTokenFrame](s.peer, nil).Token
	s.peer.Send(oneRTT, &wire.ConnectionCloseFrame{IsApplicationError: true})
	s.settle()
	asks.Store(true)
	return token
}

func staleToken(_ *testing.T, s *scene) {
	expired := s.pick(2) == 1
	s.transport.MaxTokenAge = time.Hour
	token := s.newToken()
	if expired {
		time.Sleep(2 * time.Hour)
	} else {
		flipLastBit(token)
	}
	s.peerOptions.Token = token
	s.peer = s.newClient()
	s.peer.Start()
	s.peer.ExpectType(protocol.PacketTypeRetry)
	s.peer.Handshake()
}

func strangeTokens(_ *testing.T, s *scene) {
	valid := s.newToken()
	tokens := [][]byte{{0}, randomBytes(1, 16), randomBytes(2, len(valid)), randomBytes(3, 900), append(valid, 0), valid[:len(valid)-1], valid[1:]}
	for _, token := range tokens {
		s.peerOptions.Token = token
		s.peer = s.newClient()
		s.peer.Start()
		s.peer.ExpectType(protocol.PacketTypeRetry)
		s.peer.Handshake()
	}
}

// tokenFromElsewhere: each client of the scene has an IP address of its own.
func tokenFromElsewhere(_ *testing.T, s *scene) {
	s.peerOptions.Token = s.newToken()
	s.peer = s.newClient()
	s.peer.Start()
	s.peer.ExpectType(protocol.PacketTypeRetry)
	s.peer.Handshake()
}

func tokenManyTimes(t *testing.T, s *scene) {
	s.peerOptions.Token = s.newToken()
	asked := 0
	for i := range 5 {
		s.peer = quictest.NewClient(t, s.net.Listen(&net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 5000 + i}), s.serverAddr, s.peerOptions)
		s.peer.Handshake()
		if slices.ContainsFunc(s.peer.Packets(), func(r *quictest.Received) bool { return r.Type == protocol.PacketTypeRetry }) {
			asked++
		}
	}
	if asked != 4 {
		t.Errorf("%d of 5 clients with the same token got a Retry, want 4", asked)
	}
}

func tokensOfTheOtherKind(t *testing.T, s *scene) {
	if s.pick(2) == 0 {
		// A Retry token where the token of an earlier connection belongs: it validates nothing.
		token, _ := s.retryToken()
		s.peerOptions.Token = token
		s.peer = s.newClient()
		s.peer.Start()
		s.peer.SendCryptoAt(initial, 0, s.peer.TakeCrypto(initial))
		s.peer.ExpectClose(qerr.InvalidToken)
		return
	}
	// A token of an earlier connection in the answer to a Retry.
	token := s.newToken()
	s.peerOptions.HoldHandshake = true
	s.peer = s.newClient()
	s.peer.Start()
	s.peer.Send(initial, &wire.PingFrame{})
	r := s.peer.ExpectType(protocol.PacketTypeRetry)
	s.settle()
	follow(s.peer, token, r.SrcCID)
	time.Sleep(time.Second)
	// Without a Retry behind it, its Destination Connection ID may be too short.
	for _, r := range s.peer.Packets() {
		if r.Type != protocol.PacketTypeRetry {
			t.Errorf("answered by %s, want a Retry or nothing", r)
		}
	}
}

// bytesReceived returns how much the peer has received since the last Forget.
func (s *scene) bytesReceived() (n int) {
	for _, r := range s.peer.Packets() {
		if r.First {
			n += len(r.Datagram)
		}
	}
	return n
}

// sendHello sends a ClientHello in as few datagrams as possible and returns their size.
func (s *scene) sendHello() (sent int) {
	s.t.Helper()
	s.peerOptions.HoldHandshake, s.peerOptions.HoldAcks = true, true
	s.start()
	s.peer.Start()
	hello := s.peer.TakeCrypto(initial)
	for off := 0; off < len(hello); off += 1100 {
		data := hello[off:min(off+1100, len(hello))]
		s.peer.Send(initial, &wire.CryptoFrame{Offset: protocol.ByteCount(off), Data: data})
		sent += 1200
	}
	return sent
}

// amplificationLimit: the certificate of the server is too large for three times what the client has sent.
func amplificationLimit(t *testing.T, s *scene) {
	s.tls.Certificates[0] = largeCertificate(s.tls.Certificates[0], 20_000)
	sent := s.sendHello()
	time.Sleep(3 * time.Second)
	if got := s.bytesReceived(); got > 3*sent || got < 2*sent {
		t.Errorf("got %d bytes for %d, want about three times as much", got, sent)
	}
	s.peer.ExpectSilence(time.Second)
	// One byte more gives credit for three.
	s.peer.Send(initial, &wire.PingFrame{})
	sent += 1200
	time.Sleep(time.Second)
	if got := s.bytesReceived(); got > 3*sent || got < 2*sent {
		t.Errorf("got %d bytes for %d, want about three times as much", got, sent)
	}
	time.Sleep(10 * time.Second) // the end of the handshake
	if got := s.bytesReceived(); got > 3*sent {
		t.Errorf("got %d bytes for %d in the end", got, sent)
	}
}

// noDeadlock: the server has sent a part of its flight and waits.
func noDeadlock(t *testing.T, s *scene) {
	hasKeys := s.pick(2) == 1
	if hasKeys {
		s.half()
	} else {
		s.begun()
		// All of ours is acknowledged, so that nothing is in flight.
		s.peer.AckAll(initial)
	}
	s.peer.Forget()
	probes := 0
	for range 3 {
		r := s.peer.ExpectPacket(func(*quictest.Received) bool { return true })
		if r.Level == initial && len(r.Datagram) < 1200 {
			t.Errorf("Initial in a datagram of %d bytes", len(r.Datagram))
		}
		if r.AckEliciting() {
			probes++
		}
	}
	if probes == 0 {
		t.Error("client waits for the server")
	}
	s.complete()
}

func silenceAtTheLimit(_ *testing.T, s *scene) {
	s.tls.Certificates[0] = largeCertificate(s.tls.Certificates[0], 20_000)
	s.sendHello()
	time.Sleep(500 * time.Millisecond)
	s.peer.ExpectSilence(4 * time.Second)
}

func undecryptableCredit(t *testing.T, s *scene) {
	s.tls.Certificates[0] = largeCertificate(s.tls.Certificates[0], 20_000)
	sent := s.sendHello()
	time.Sleep(500 * time.Millisecond)
	before := s.bytesReceived()
	pkt := s.peer.Packet(initial, &wire.PingFrame{})
	pkt.Corrupt = flipLastBit
	s.peer.SendPackets(pkt)
	sent += 1200
	time.Sleep(500 * time.Millisecond)
	if got := s.bytesReceived(); got < before+1200 || got > 3*sent {
		t.Errorf("got %d bytes after %d, for %d bytes sent", got, before, sent)
	}
}

func paddedInitials(t *testing.T, s *scene) {
	s.sendHello()
	time.Sleep(3 * time.Second)
	var levels []protocol.EncryptionLevel
	for _, r := range s.peer.Packets() {
		levels = append(levels, r.Level)
		if r.Level == initial && r.AckEliciting() && len(r.Datagram) < 1200 {
			t.Errorf("ack-eliciting Initial in a datagram of %d bytes: %s", len(r.Datagram), r)
		}
	}
	if !slices.Contains(levels, initial) {
		t.Error("no Initial")
	}
}
