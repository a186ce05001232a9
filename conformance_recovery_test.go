package quic_test

import (
	"slices"
	"testing"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/quictest"
	"github.com/quic-go/quic-go/internal/wire"
)

// recoveryCases are the rows about acknowledgements, loss recovery and congestion control.
var recoveryCases = map[string]conformanceCase{
	"T-292": acknowledgedWithin(0, initial, handshake),
	"T-293": acknowledgedWithin(protocol.MaxAckDelay+protocol.TimerGranularity, oneRTT),
	"T-294": noAckOfAcks,
	"T-295": fewPings,
	"T-296": noSampleOfAcks,
	"T-297": ackDelayTooLong,
	"T-298": probeTimeouts,
	"T-299": noProbesBeforeConfirmation,
	"T-300": clientKeepsProbing,
	"T-301": keysDiscardedWithPackets,
	"T-302": persistentCongestion,
	"T-303": windowFull,
	"T-304": pacing,
	"T-305": doneLost,
	"T-306": resetLost,
	"T-307": manyAckRanges,
	"T-330": manyPackets,
}

// oneWay is how long a datagram takes in the network of a scene.
const oneWay = 5 * time.Millisecond

func acknowledgedWithin(delay time.Duration, levels ...protocol.EncryptionLevel) conformanceCase {
	return func(t *testing.T, s *scene) {
		level := levels[s.pick(len(levels))]
		if level == oneRTT {
			s.connect()
		} else {
			s.half()
		}
		sent := time.Now()
		pn := s.peer.Send(level, &wire.PingFrame{})
		_, r := quictest.ExpectIn(s.peer, func(f *wire.AckFrame) bool { return f.AcksPacket(pn) })
		if took := r.Time.Sub(sent); r.Level != level || took > 2*oneWay+delay {
			t.Errorf("acknowledged after %s, want %s at most: %s", took, 2*oneWay+delay, r)
		}
	}
}

func noAckOfAcks(_ *testing.T, s *scene) {
	s.connect()
	s.drops(func() {
		for range 50 {
			s.peer.AckAll(oneRTT)
			time.Sleep(time.Millisecond)
		}
	})
}

// fewPings: the endpoint has nothing to send but acknowledgements, which are not acknowledged.
func fewPings(t *testing.T, s *scene) {
	s.connect()
	s.peer.HoldAcks()
	for range 200 {
		s.peer.Send(oneRTT, &wire.PingFrame{})
		s.peer.Send(oneRTT, &wire.PingFrame{})
		time.Sleep(time.Millisecond)
	}
	s.pause()
	eliciting := 0
	packets := s.peer.Packets()
	for _, r := range packets {
		if r.AckEliciting() {
			eliciting++
		}
	}
	if len(packets) < 100 || eliciting > len(packets)/10 {
		t.Errorf("%d of %d packets ask for an acknowledgement", eliciting, len(packets))
	}
}

// pause waits, and keeps what has been received.
func (s *scene) pause() { time.Sleep(settleTime) }

func noSampleOfAcks(t *testing.T, s *scene) {
	s.connect()
	s.peer.HoldAcks()
	before := s.conn.ConnectionStats()
	pn := s.peer.Send(oneRTT, &wire.PingFrame{})
	_, r := quictest.ExpectIn(s.peer, func(f *wire.AckFrame) bool { return f.AcksPacket(pn) })
	if r.AckEliciting() {
		t.Fatalf("answered by %s, want only ACK", r)
	}
	time.Sleep(300 * time.Millisecond)
	s.peer.Ack(oneRTT, r.PN)
	time.Sleep(50 * time.Millisecond)
	if after := s.conn.ConnectionStats(); after.LatestRTT != before.LatestRTT || after.SmoothedRTT != before.SmoothedRTT {
		t.Errorf("RTT %s is now %s, smoothed %s is now %s", before.LatestRTT, after.LatestRTT, before.SmoothedRTT, after.SmoothedRTT)
	}
}

// sendOne makes the endpoint send an ack-eliciting packet and returns it.
func (s *scene) sendOne() *quictest.Received {
	s.t.Helper()
	str, err := s.conn.OpenUniStream()
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := str.Write([]byte("data")); err != nil {
		s.t.Fatal(err)
	}
	_, r := quictest.ExpectIn[*wire.StreamFrame](s.peer, nil)
	return r
}

// ackDelayTooLong reports a delay above max_ack_delay, of which only that much counts, and one that would make the
// sample smaller than the smallest one.
func ackDelayTooLong(t *testing.T, s *scene) {
	const late = 100 * time.Millisecond // before a probe
	s.connect()
	s.peer.HoldAcks()
	ack := func(r *quictest.Received) {
		s.peer.Send(oneRTT, &wire.AckFrame{AckRanges: []wire.AckRange{{Smallest: r.PN, Largest: r.PN}}, DelayTime: late})
		time.Sleep(50 * time.Millisecond)
	}
	before := s.conn.ConnectionStats()
	r := s.sendOne()
	time.Sleep(15 * time.Millisecond)
	ack(r)
	after := s.conn.ConnectionStats()
	// RFC 9002, Section 5.3, where max_ack_delay is less than the sample.
	sample := after.LatestRTT
	adjusted := sample
	if maxAckDelay := protocol.DefaultMaxAckDelay; sample >= before.MinRTT+maxAckDelay {
		adjusted -= maxAckDelay
	}
	want := (7*before.SmoothedRTT + adjusted) / 8
	if diff := after.SmoothedRTT - want; diff.Abs() > 10*time.Microsecond {
		t.Errorf("smoothed RTT %s after %s and a sample of %s, want %s", after.SmoothedRTT, before.SmoothedRTT, sample, want)
	}
	if after.MinRTT > before.MinRTT || after.SmoothedRTT < after.MinRTT {
		t.Errorf("RTT: %+v", after)
	}
}

func probeTimeouts(t *testing.T, s *scene) {
	s.connect()
	s.peer.HoldAcks()
	first := s.sendOne()
	time.Sleep(5 * time.Second)
	var times []time.Time
	for _, r := range s.peer.Packets() {
		if r.PN <= first.PN {
			continue
		}
		if !r.AckEliciting() {
			t.Errorf("probe without a need for an acknowledgement: %s", r)
		}
		if n := len(times); n == 0 || r.Time.Sub(times[n-1]) > time.Millisecond {
			times = append(times, r.Time) // a probe may be two datagrams
		}
	}
	if len(times) < 4 {
		t.Fatalf("%d probes in 5 seconds", len(times))
	}
	for i := 2; i < len(times); i++ {
		before, now := times[i-1].Sub(times[i-2]), times[i].Sub(times[i-1])
		if ratio := float64(now) / float64(before); ratio < 1.8 || ratio > 2.2 {
			t.Errorf("probe %d after %s, the one before after %s", i, now, before)
		}
	}
	if lost := s.conn.ConnectionStats().PacketsLost; lost > 0 {
		t.Errorf("%d packets are lost after PTO", lost)
	}
}

// noProbesBeforeConfirmation: 1-RTT packets are not acknowledged before the handshake is confirmed.
func noProbesBeforeConfirmation(t *testing.T, s *scene) {
	s.peerOptions.HoldAcks = true
	if s.isServer() {
		s.early = true
		s.half()
		s.await()
	} else {
		s.peerOptions.HoldHandshakeDone = true
		s.connect()
		s.peer.AckAll(handshake)
	}
	s.sendOne()
	quictest.ExpectNone[*wire.StreamFrame](s.peer, 1500*time.Millisecond, nil)
}

// clientKeepsProbing: its Initials are acknowledged, but the server might not be able to send more.
func clientKeepsProbing(t *testing.T, s *scene) {
	s.begun()
	s.peer.AckAll(initial)
	var times []time.Time
	for range 4 {
		r := s.peer.ExpectPacket(func(*quictest.Received) bool { return true })
		if n := len(times); n == 0 || r.Time.Sub(times[n-1]) > time.Millisecond {
			times = append(times, r.Time)
		}
		if !r.AckEliciting() || len(r.Datagram) < 1200 {
			t.Errorf("probe: %s", r)
		}
		s.peer.AckAll(initial)
	}
	for i := 2; i < len(times); i++ {
		before, now := times[i-1].Sub(times[i-2]), times[i].Sub(times[i-1])
		if now < before*3/2 {
			t.Errorf("probe after %s, the one before after %s: the acknowledgement has reset the backoff", now, before)
		}
	}
	s.complete()
}

// keysDiscardedWithPackets: nothing of the handshake is ever acknowledged.
func keysDiscardedWithPackets(t *testing.T, s *scene) {
	s.peerOptions.HoldAcks = true
	s.connect()
	s.peer.ReleaseAcks()
	s.works()
	time.Sleep(10 * time.Second)
	for _, r := range s.peer.Packets() {
		if r.Level != oneRTT {
			t.Errorf("after the handshake: %s", r)
		}
	}
	s.works()
}

// write starts to send n bytes on a stream.
func (s *scene) write(n int) {
	s.t.Helper()
	str, err := s.conn.OpenUniStream()
	if err != nil {
		s.t.Fatal(err)
	}
	go func() { _, _ = str.Write(make([]byte, n)) }()
}

// persistentCongestion loses everything for a long time but the last probe.
func persistentCongestion(t *testing.T, s *scene) {
	s.connect()
	s.works()
	before := s.conn.ConnectionStats().CongestionWindow
	s.peer.HoldAcks()
	s.write(100_000)
	time.Sleep(10 * time.Second)
	pns := s.peer.ReceivedNumbers(oneRTT)
	s.peer.Ack(oneRTT, slices.Max(pns))
	time.Sleep(100 * time.Millisecond)
	after := s.conn.ConnectionStats().CongestionWindow
	// What was acknowledged makes it grow again.
	if limit := uint64(3 * protocol.MaxConfiguredPacketSize); after > limit || after >= before {
		t.Errorf("congestion window of %d bytes, %d before, want two packets", after, before)
	}
}

func windowFull(t *testing.T, s *scene) {
	s.connect()
	s.peer.HoldAcks()
	window := int(s.conn.ConnectionStats().CongestionWindow)
	s.write(200_000)
	time.Sleep(15 * time.Millisecond) // before a probe timeout
	sent := 0
	for _, r := range s.peer.Packets() {
		sent += r.Size
	}
	if sent > window || sent < window/2 {
		t.Errorf("%d bytes were sent, want almost %d", sent, window)
	}
}

// pacing: the window is several times as large as a burst may be.
func pacing(t *testing.T, s *scene) {
	const maxBurst = 50
	s.connect()
	s.write(900_000)
	time.Sleep(2 * time.Second)
	burst, largest, packets := 0, 0, s.peer.Packets()
	for i, r := range packets {
		if i > 0 && r.Time.After(packets[i-1].Time) {
			burst = 0
		}
		burst++
		largest = max(largest, burst)
	}
	window := s.conn.ConnectionStats().CongestionWindow / protocol.DefaultInitialPacketSize
	if largest > maxBurst || window < 2*maxBurst || len(packets) < 500 {
		t.Errorf("%d packets at once, want at most %d, with a window of %d, of %d packets", largest, maxBurst, window, len(packets))
	}
}

// doneLost loses each packet with HANDSHAKE_DONE some times.
func doneLost(t *testing.T, s *scene) {
	s.peerOptions.HoldAcks = true
	s.start()
	s.peer.Handshake()
	s.await()
	var lost []protocol.PacketNumber
	isLost := func(pn protocol.PacketNumber) bool { return slices.Contains(lost, pn) }
	for range 4 {
		_, r := quictest.ExpectIn[*wire.HandshakeDoneFrame](s.peer, nil)
		lost = append(lost, r.PN)
		for range 5 {
			s.sendOne()
		}
		s.peer.Ack(oneRTT, slices.DeleteFunc(s.peer.ReceivedNumbers(oneRTT), isLost)...)
	}
	s.peer.ReleaseAcks()
	s.settle()
	quictest.ExpectNone[*wire.HandshakeDoneFrame](s.peer, 5*time.Second, nil)
	if t.Failed() {
		t.Logf("packets %d were lost", lost)
	}
}

func resetLost(t *testing.T, s *scene) {
	s.connect()
	s.peer.HoldAcks()
	str, err := s.conn.OpenStream()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := str.Write([]byte("data")); err != nil {
		t.Fatal(err)
	}
	quictest.Expect[*wire.StreamFrame](s.peer, nil)
	str.CancelWrite(5)
	time.Sleep(3 * time.Second)
	frames := quictest.Frames[*wire.ResetStreamFrame](s.peer)
	if len(frames) < 3 {
		t.Fatalf("%d RESET_STREAM frames that nobody acknowledged, want several", len(frames))
	}
	for _, f := range frames {
		if *f != *frames[0] || f.ErrorCode != 5 || f.FinalSize != 4 {
			t.Errorf("RESET_STREAM %+v, the first was %+v", f, frames[0])
		}
	}
}

func manyAckRanges(t *testing.T, s *scene) {
	s.connect()
	for i := range 3000 {
		s.peer.Packet(oneRTT) // a gap
		pn := s.peer.Send(oneRTT, &wire.PingFrame{})
		if i%10 != 0 {
			continue
		}
		f := quictest.Expect(s.peer, func(f *wire.AckFrame) bool { return f.AcksPacket(pn) })
		if f.LargestAcked() != pn || len(f.AckRanges) > protocol.MaxAckRanges {
			t.Fatalf("%d ranges up to %d, want %d at most up to %d", len(f.AckRanges), f.LargestAcked(), protocol.MaxAckRanges, pn)
		}
		s.peer.Forget()
	}
	s.works()
}

// manyPackets is as many packets as one key may protect by our rules, which are stricter than the AEAD's.
func manyPackets(t *testing.T, s *scene) {
	s.connect()
	for range 1001 {
		for range 99 {
			s.peer.Send(oneRTT, quictest.Padding(1))
		}
		s.alive()
		s.peer.Forget()
	}
	pn := s.peer.Send(oneRTT, &wire.PingFrame{})
	_, r := quictest.ExpectIn(s.peer, func(f *wire.AckFrame) bool { return f.AcksPacket(pn) })
	if r.KeyPhase != 1 || s.peer.KeyPhase() != 1 {
		t.Errorf("key phase %d after 100,000 packets, want 1", r.KeyPhase)
	}
	s.works()
}
