package quic_test

import (
	"context"
	"net"
	"testing"
	"time"

	quic "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/quictest"
	"github.com/quic-go/quic-go/internal/wire"
)

// pathCases are the rows about path validation and migration.
var pathCases = map[string]conformanceCase{
	"T-271": challengeAnswered,
	"T-272": smallChallenges,
	"T-273": responseToNothing,
	"T-274": responseFromElsewhere,
	"T-275": ackIsNoResponse,
	"T-276": migrationInHandshake,
	"T-277": unknownServerAddress,
	"T-278": migrationDisabled,
	"T-279": migration,
	"T-280": reorderedMigration,
	"T-281": failedMigration,
	"T-282": oldPathChallenged,
	"T-283": newPathState,
	"T-284": freshConnectionID,
	"T-285": preferredAddressUnreachable,
	"T-286": preferredAddressOfOthers,
	"T-287": challengeFlood,
	"T-288": manyAddresses,
}

func challengeAnswered(t *testing.T, s *scene) {
	s.connect()
	s.peer.HoldAcks()
	data := [8]byte{1, 2, 3}
	s.peer.Send(oneRTT, &wire.PathChallengeFrame{Data: data}, quictest.Padding(1150))
	f, r := quictest.ExpectIn[*wire.PathResponseFrame](s.peer, nil)
	if f.Data != data {
		t.Errorf("PATH_RESPONSE %x, want %x", f.Data, data)
	}
	if len(r.Datagram) < 1200 {
		t.Errorf("PATH_RESPONSE in a datagram of %d bytes, want 1200", len(r.Datagram))
	}
	quictest.ExpectNone[*wire.PathResponseFrame](s.peer, 5*time.Second, nil)
}

// smallChallenges come from the peer's address, and from one that a server under test does not know.
func smallChallenges(t *testing.T, s *scene) {
	s.peerOptions.HoldPathResponses = true
	s.connect()
	s.peer.Send(oneRTT, &wire.PathChallengeFrame{Data: [8]byte{9}})
	quictest.Expect(s.peer, func(f *wire.PathResponseFrame) bool { return f.Data == [8]byte{9} })
	if !s.isServer() {
		return
	}
	_, to := s.migrate()
	s.peer.HoldAcks() // they are no probes
	b := s.peer.Seal(s.peer.Packet(oneRTT, &wire.PathChallengeFrame{Data: [8]byte{8}}))
	s.peer.SendRaw(b)
	quictest.Expect(s.peer, func(f *wire.PathResponseFrame) bool { return f.Data == [8]byte{8} })
	time.Sleep(2 * time.Second)
	if got := s.bytesAt(to); got > 3*len(b) {
		t.Errorf("%d bytes to an address that has sent %d", got, len(b))
	}
}

func responseToNothing(_ *testing.T, s *scene) {
	s.connect()
	for i := range 100 {
		s.peer.Send(oneRTT, &wire.PathResponseFrame{Data: [8]byte{byte(i)}})
	}
	s.works()
}

// elsewhere returns another socket of the peer, with another IP address.
func (s *scene) elsewhere() net.PacketConn {
	if s.isServer() {
		return s.clientSocket()
	}
	return s.net.Listen(&net.UDPAddr{IP: net.IPv4(198, 51, 100, 2), Port: 443})
}

// migrate makes the peer, a client, send from another address, after it has provided connection IDs for that.
func (s *scene) migrate() (from, to net.PacketConn) {
	s.t.Helper()
	s.peer.Send(oneRTT, newConnectionID(1, 0), newConnectionID(2, 0), newConnectionID(3, 0))
	s.settle()
	s.peer.SetDstCID(s.issued[0].ConnectionID)
	from, to = s.peer.Conn(), s.elsewhere()
	s.peer.Use(to)
	return from, to
}

// at returns a match of packets that have come to a socket.
func at(c net.PacketConn) func(*quictest.Received) bool {
	return func(r *quictest.Received) bool { return r.To.String() == c.LocalAddr().String() }
}

// bytesAt returns how much has come to a socket.
func (s *scene) bytesAt(c net.PacketConn) (n int) {
	for _, r := range s.peer.Packets() {
		if r.First && at(c)(r) {
			n += len(r.Datagram)
		}
	}
	return n
}

// challengesAt returns how many PATH_CHALLENGE frames have come to a socket.
func (s *scene) challengesAt(c net.PacketConn) (n int) {
	for _, r := range s.peer.Packets() {
		for _, f := range r.Frames {
			if _, ok := f.(*wire.PathChallengeFrame); ok && at(c)(r) {
				n++
			}
		}
	}
	return n
}

// secondPath makes a client under test have another socket, with a path to the same server.
func (s *scene) secondPath() (*quic.Path, net.PacketConn) {
	s.t.Helper()
	s.peer.Send(oneRTT, newConnectionID(1, 0), newConnectionID(2, 0), newConnectionID(3, 0))
	s.settle()
	socket := s.clientSocket()
	tr := &quic.Transport{Conn: socket}
	s.t.Cleanup(func() { tr.Close() })
	p, err := s.conn.AddPath(tr)
	if err != nil {
		s.t.Fatalf("AddPath: %v", err)
	}
	return p, socket
}

func probe(p *quic.Path, d time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	return p.Probe(ctx)
}

// responseFromElsewhere answers on the old path.
func responseFromElsewhere(t *testing.T, s *scene) {
	s.peerOptions.HoldPathResponses = true
	s.connect()
	if s.isServer() {
		from, to := s.migrate()
		s.peer.Send(oneRTT, &wire.PingFrame{}, quictest.Padding(1150))
		_, r := quictest.ExpectIn(s.peer, func(*wire.PathChallengeFrame) bool { return true })
		for !at(to)(r) {
			_, r = quictest.ExpectIn(s.peer, func(*wire.PathChallengeFrame) bool { return true })
		}
		s.peer.Use(from)
		s.peer.Send(oneRTT, &wire.PathResponseFrame{Data: challengeOf(r)})
		s.settle()
		s.peer.Use(to)
		s.works()
		return
	}
	p, _ := s.secondPath()
	done := make(chan error, 1)
	go func() { done <- probe(p, 5*time.Second) }()
	f, r := quictest.ExpectIn[*wire.PathChallengeFrame](s.peer, nil)
	if r.From.String() == s.conn.LocalAddr().String() {
		t.Errorf("PATH_CHALLENGE from %s, want the other socket", r.From)
	}
	s.peer.SetRemote(s.conn.LocalAddr())
	s.peer.Send(oneRTT, &wire.PathResponseFrame{Data: f.Data})
	if err := <-done; err != nil {
		t.Errorf("Probe: %v", err)
	}
}

func challengeOf(r *quictest.Received) [8]byte {
	for _, f := range r.Frames {
		if f, ok := f.(*wire.PathChallengeFrame); ok {
			return f.Data
		}
	}
	return [8]byte{}
}

func ackIsNoResponse(t *testing.T, s *scene) {
	s.peerOptions.HoldPathResponses = true
	s.connect()
	if !s.isServer() {
		p, _ := s.secondPath()
		if err := probe(p, 2*time.Second); err == nil {
			t.Error("Probe succeeds without PATH_RESPONSE")
		}
		if err := p.Switch(); err == nil {
			t.Error("Switch succeeds without PATH_RESPONSE")
		}
		return
	}
	_, to := s.migrate()
	sent := 0
	for range 50 {
		b := s.peer.Seal(s.peer.Packet(oneRTT, &wire.PingFrame{}))
		sent += len(b)
		s.peer.SendRaw(b)
		time.Sleep(5 * time.Millisecond)
	}
	// Acknowledgements of what has come to the new address are on their way all the time.
	time.Sleep(time.Second)
	sent += 100 * 40
	if got := s.bytesAt(to); got > 3*sent {
		t.Errorf("%d bytes to an address that is not validated and has sent about %d", got, sent)
	}
	if s.challengesAt(to) == 0 {
		t.Error("no PATH_CHALLENGE")
	}
}

// migrationInHandshake: the Finished comes from another address, and then from the right one.
func migrationInHandshake(_ *testing.T, s *scene) {
	s.half()
	from := s.peer.Conn()
	finished := s.peer.TakeCrypto(handshake)
	to := s.elsewhere()
	s.peer.Use(to)
	s.peer.SendCryptoAt(handshake, 0, finished)
	time.Sleep(50 * time.Millisecond)
	if n := s.challengesAt(to); n > 0 {
		s.t.Errorf("%d PATH_CHALLENGE frames during the handshake", n)
	}
	s.peer.Use(from)
	s.peer.SendCryptoAt(handshake, 0, finished)
	s.complete()
}

func unknownServerAddress(_ *testing.T, s *scene) {
	s.connect()
	from := s.peer.Conn()
	s.peer.Use(s.elsewhere())
	s.peer.Send(oneRTT, poison)
	s.peer.ExpectSilence(time.Second)
	s.peer.Use(from)
	s.works()
}

// migrationDisabled: ours is to follow the client all the same.
func migrationDisabled(_ *testing.T, s *scene) {
	s.transport.StatelessResetKey = &quic.StatelessResetKey{1}
	s.connect()
	from, _ := s.migrate()
	for range 10 {
		s.peer.Send(oneRTT, &wire.PingFrame{})
	}
	s.settle()
	s.peer.Use(from)
	s.works()
}

func migration(t *testing.T, s *scene) {
	size := []int{1000, 10}[s.pick(2)]
	s.peerOptions.HoldPathResponses = true
	s.connect()
	_, to := s.migrate()
	s.peer.Forget()
	s.peer.HoldAcks() // they would count
	b := s.peer.Seal(s.peer.Packet(oneRTT, streamFin(s.theirs(bidi, 1), 0, size)))
	s.peer.SendRaw(b)
	time.Sleep(2 * time.Second) // with probes
	if got := s.bytesAt(to); got > 3*len(b) || got == 0 {
		t.Errorf("%d bytes to the new address, which has sent %d", got, len(b))
	}
	s.peer.ReleaseAcks()
	var challenge *quictest.Received
	for _, r := range s.peer.Packets() {
		if challengeOf(r) != [8]byte{} && at(to)(r) {
			challenge = r
		}
	}
	if challenge == nil {
		t.Fatal("no PATH_CHALLENGE to the new address")
	}
	s.peer.ReleasePathResponses()
	s.peer.Send(oneRTT, &wire.PathResponseFrame{Data: challengeOf(challenge)})
	s.settle()
	s.works()
	for _, r := range s.peer.Packets() {
		if !at(to)(r) {
			t.Errorf("to the old address: %s", r)
			break
		}
	}
	if got := s.conn.RemoteAddr().String(); got != to.LocalAddr().String() {
		t.Errorf("RemoteAddr = %s, want %s", got, to.LocalAddr())
	}
}

func reorderedMigration(t *testing.T, s *scene) {
	s.connect()
	old := s.peer.Packet(oneRTT, &wire.PingFrame{})
	from, _ := s.migrate()
	s.peer.Use(from)
	s.alive()
	s.settle()
	to := s.elsewhere()
	s.peer.Use(to)
	s.peer.SendPackets(old)
	s.pause()
	for _, r := range s.peer.Packets() {
		if at(to)(r) && challengeOf(r) == [8]byte{} {
			t.Errorf("to the address of an old packet: %s", r)
		}
	}
	s.peer.Use(from)
	s.works()
	if got := s.conn.RemoteAddr().String(); got != from.LocalAddr().String() {
		t.Errorf("RemoteAddr = %s, want %s", got, from.LocalAddr())
	}
}

// failedMigration: somebody has copied one packet. The client itself does not know of it.
func failedMigration(t *testing.T, s *scene) {
	s.peerOptions.HoldPathResponses = true
	s.connect()
	from, to := s.migrate()
	s.peer.Send(oneRTT, &wire.PingFrame{}, quictest.Padding(500))
	s.peer.Use(from)
	time.Sleep(10 * time.Second)
	s.peer.Forget()
	str, err := s.conn.OpenUniStream()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := str.Write([]byte("back")); err != nil {
		t.Fatal(err)
	}
	if _, r := quictest.ExpectIn[*wire.StreamFrame](s.peer, nil); !at(from)(r) {
		t.Errorf("sent to %s, want %s (the copy came from %s)", r.To, from.LocalAddr(), to.LocalAddr())
	}
	s.works()
}

func oldPathChallenged(t *testing.T, s *scene) {
	s.connect()
	from, to := s.migrate()
	s.peer.Send(oneRTT, &wire.PingFrame{}, quictest.Padding(1000))
	s.pause()
	if s.challengesAt(from) == 0 || s.challengesAt(to) == 0 {
		t.Errorf("%d PATH_CHALLENGE frames to the old address, %d to the new one, want both", s.challengesAt(from), s.challengesAt(to))
	}
}

func newPathState(t *testing.T, s *scene) {
	s.connect()
	initialWindow := s.conn.ConnectionStats().CongestionWindow
	s.works()
	s.works()
	grown := s.conn.ConnectionStats().CongestionWindow
	if grown <= initialWindow {
		t.Fatalf("congestion window of %d bytes has not grown from %d", grown, initialWindow)
	}
	s.migrate()
	s.peer.Send(oneRTT, &wire.PingFrame{}, quictest.Padding(1000))
	s.settle()
	if got := s.conn.ConnectionStats().CongestionWindow; got >= grown {
		t.Errorf("congestion window of %d bytes on the new path, %d on the old one", got, grown)
	}
	s.works()
}

func freshConnectionID(t *testing.T, s *scene) {
	s.connect()
	p, socket := s.secondPath()
	if err := probe(p, 3*time.Second); err != nil {
		t.Fatalf("Probe: %v", err)
	}
	if err := p.Switch(); err != nil {
		t.Fatalf("Switch: %v", err)
	}
	s.pause()
	s.works()
	paths := make(map[protocol.ConnectionID]string)
	for _, r := range s.peer.Packets() {
		if from, ok := paths[r.DstCID]; ok && from != r.From.String() {
			t.Errorf("connection ID %s on two paths", r.DstCID)
		}
		paths[r.DstCID] = r.From.String()
	}
	if got := s.conn.LocalAddr().String(); got != socket.LocalAddr().String() {
		t.Errorf("LocalAddr = %s, want %s", got, socket.LocalAddr())
	}
}

// withPreferredAddress makes the server have a preferred address.
func (s *scene) withPreferredAddress(addr *net.UDPAddr) {
	s.peerOptions.Parameters = func(tp *wire.TransportParameters) {
		f := newConnectionID(1, 0)
		tp.PreferredAddress = &wire.PreferredAddress{
			IPv4: addr.AddrPort(), ConnectionID: f.ConnectionID, StatelessResetToken: f.StatelessResetToken,
		}
	}
}

func preferredAddressUnreachable(t *testing.T, s *scene) {
	s.withPreferredAddress(&net.UDPAddr{IP: net.IPv4(198, 51, 100, 77).To4(), Port: 443})
	s.connect()
	s.works()
	time.Sleep(10 * time.Second)
	s.works()
	if got := s.conn.RemoteAddr().String(); got != s.serverAddr.String() {
		t.Errorf("RemoteAddr = %s, want %s", got, s.serverAddr)
	}
}

// preferredAddressOfOthers: somebody else gets the probes.
func preferredAddressOfOthers(t *testing.T, s *scene) {
	const maxProbes = 10
	addr := &net.UDPAddr{IP: net.IPv4(198, 51, 100, 77).To4(), Port: 443}
	s.withPreferredAddress(addr)
	s.start()
	victim := s.net.Listen(addr)
	s.peer.HoldPathResponses()
	s.peer.Watch(victim)
	s.peer.Handshake()
	s.await()
	s.write(10_000)
	time.Sleep(20 * time.Second)
	n := 0
	for _, r := range s.peer.Packets() {
		if !at(victim)(r) {
			continue
		}
		n++
		for _, f := range r.Frames {
			if _, ok := f.(*wire.PathChallengeFrame); !ok {
				t.Errorf("to an address that is not validated: %s", r)
			}
		}
	}
	if n > maxProbes {
		t.Errorf("%d packets to an address that does not answer, want %d at most", n, maxProbes)
	}
}

func challengeFlood(t *testing.T, s *scene) {
	const n, bound = 10_000, 256
	s.connect()
	s.peer.HoldAcks()
	s.write(500_000) // the congestion window is full
	time.Sleep(20 * time.Millisecond)
	for i := range n {
		s.peer.Send(oneRTT, &wire.PathChallengeFrame{Data: [8]byte{byte(i >> 8), byte(i)}})
		if i%100 == 0 {
			time.Sleep(time.Microsecond)
		}
	}
	time.Sleep(10 * time.Millisecond)
	during := len(quictest.Frames[*wire.PathResponseFrame](s.peer))
	s.peer.ReleaseAcks()
	s.pause()
	if after := len(quictest.Frames[*wire.PathResponseFrame](s.peer)) - during; after > bound {
		t.Errorf("%d PATH_RESPONSE frames were queued, want %d at most", after, bound)
	}
	s.works()
}

func manyAddresses(t *testing.T, s *scene) {
	const n = 300
	s.peerOptions.HoldPathResponses = true
	s.connect()
	home := s.peer.Conn()
	s.migrate()
	var sockets []net.PacketConn
	for i := range n {
		c := s.net.Listen(&net.UDPAddr{IP: net.IPv4(203, 0, 113, 7), Port: 2000 + i})
		sockets = append(sockets, c)
		s.peer.Use(c)
		s.peer.Send(oneRTT, &wire.PingFrame{}, quictest.Padding(500))
		time.Sleep(3 * time.Millisecond)
	}
	time.Sleep(5 * time.Second)
	challenges := 0
	for _, c := range sockets {
		// The peer goes on sending from the last one, which is validated again when that has failed.
		if k := s.challengesAt(c); k > 16 {
			t.Errorf("%d PATH_CHALLENGE frames to one address", k)
		} else {
			challenges += k
		}
	}
	if challenges > 2*n {
		t.Errorf("%d PATH_CHALLENGE frames for %d addresses", challenges, n)
	}
	s.peer.Use(home)
	s.peer.Send(oneRTT, &wire.PingFrame{})
	s.settle()
	s.works()
}
