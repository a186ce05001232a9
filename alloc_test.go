package quic

import (
	"io"
	"testing"
	"time"

	"github.com/quic-go/quic-go/internal/udp"
)

// How often expectNoAllocs calls its function, besides once more.
const (
	allocWarmUp = 300
	allocRuns   = 500
)

// expectNoAllocs fails the test if a call of f allocates, once everything that is used again and again is there.
func expectNoAllocs(t *testing.T, what string, f func()) {
	t.Helper()
	if raceDetector {
		t.Skip("the race detector makes sync.Pool drop memory at random")
	}
	for range allocWarmUp {
		f()
	}
	if n := testing.AllocsPerRun(allocRuns, f); n != 0 {
		t.Errorf("%s: %v allocations, want 0", what, n)
	}
}

// Assembling and sealing a full packet of stream data, opening and handling it, acknowledging it and handling the ACK.
func TestStreamPacketsDoNotAllocate(t *testing.T) {
	for _, segments := range []int{1, 64} {
		d := newDriven(t, nil, segments)
		a, b := d.stream()
		data, into := make([]byte, 1100), make([]byte, 2000)
		expectNoAllocs(t, "stream packet and its ACK", func() {
			a.Write(data)
			d.turn(d.client)
			if len(d.client.socket.sizes) == 0 {
				t.Error("nothing was sent")
			}
			d.move(d.client, d.server)
			d.turn(d.server)
			if n, _ := b.Read(into); n != len(data) {
				t.Errorf("%d bytes were received", n)
			}
			d.pass(30 * time.Millisecond)
			d.turn(d.server)
			d.move(d.server, d.client)
			d.turn(d.client)
		})
	}
}

// Ten packets at once, in both directions.
func TestBulkDataDoesNotAllocate(t *testing.T) {
	d := newDriven(t, nil, 64)
	a, b := d.stream()
	data, into := make([]byte, 10_000), make([]byte, 20_000)
	expectNoAllocs(t, "ten packets both ways", func() {
		a.Write(data)
		b.Write(data)
		for left := 2 * len(data); left > 0; {
			d.round()
			for _, s := range []*Stream{a, b} {
				if s.receive.readableNow() {
					n, _ := s.Read(into)
					left -= n
				}
			}
		}
	})
}

// readableNow reports whether Read would not block.
func (s *ReceiveStream) readableNow() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.readable() > 0
}

// What each step costs alone: handling a STREAM packet, which may send an ACK, and handling an ACK.
func TestReceivingDoesNotAllocate(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes sync.Pool drop memory at random")
	}
	d := newDriven(t, nil, 1)
	a, b := d.stream()
	data, into := make([]byte, 1000), make([]byte, 2000)
	handle := func(from, to *drivenConn) float64 {
		if len(from.socket.sizes) == 0 {
			t.Fatal("nothing was sent")
		}
		packets := takePackets(d, from)
		return countMallocs(func() {
			for _, p := range packets {
				to.handlePacket(p)
			}
			d.turn(to)
		})
	}
	stream, acks := 0.0, 0.0
	const warmUp, rounds = 200, 200
	for i := range warmUp + rounds {
		a.Write(data)
		d.turn(d.client)
		forStream := handle(d.client, d.server)
		b.Read(into)
		d.pass(30 * time.Millisecond)
		d.turn(d.server)
		forAck := handle(d.server, d.client)
		if i >= warmUp {
			stream, acks = stream+forStream, acks+forAck
		}
	}
	// Something else may allocate now and then.
	if stream > rounds/20 || acks > rounds/20 {
		t.Errorf("%v allocations by %d STREAM packets, %v by their ACKs, want 0", stream, rounds, acks)
	}
}

// takePackets returns what from has sent.
func takePackets(d *driven, from *drivenConn) (packets []udp.Packet) {
	b := from.socket.memory
	for _, n := range from.socket.sizes {
		buf, data := udp.NewBuffer(b[:n])
		packets = append(packets, udp.Packet{Data: data, Buffer: buf, Remote: from.params.remote, Time: d.now})
		b = b[n:]
	}
	from.socket.reset()
	return packets
}

// countMallocs returns the allocations of one call of f.
func countMallocs(f func()) float64 {
	ran := false
	return testing.AllocsPerRun(1, func() {
		if ran { // AllocsPerRun calls it once to warm up: the call to be measured is the second one
			f()
		}
		ran = true
	})
}

// Sending and receiving DATAGRAM frames costs the copy of the payload that the application gets, and the one that waits.
func TestDatagramPacketsDoNotAllocate(t *testing.T) {
	d := newDriven(t, &Config{EnableDatagrams: true}, 1)
	payload := make([]byte, 1000)
	if raceDetector {
		t.Skip("the race detector makes sync.Pool drop memory at random")
	}
	send := func() {
		d.client.SendDatagram(payload)
		d.turn(d.client)
		d.move(d.client, d.server)
		d.turn(d.server)
		if _, err := d.server.ReceiveDatagram(t.Context()); err != nil {
			t.Error(err)
		}
		d.pass(30 * time.Millisecond)
		d.round()
	}
	for range 300 {
		send()
	}
	if n := testing.AllocsPerRun(500, send); n > 2 {
		t.Errorf("%v allocations, want those of the two copies", n)
	}
}

// State transitions cost nothing: the end of a watched stream, over the connection. What was read and written before is
// given back.
func TestStateTransitionsDoNotAllocate(t *testing.T) {
	d := newDriven(t, &Config{MaxIncomingStreams: 2000}, 1)
	calls := 0
	count := func(StreamState) { calls++ }
	var ends [][2]*Stream
	for range allocWarmUp + allocRuns + 1 {
		a, b := d.stream()
		a.OnStateTransition(count)
		b.OnStateTransition(count)
		ends = append(ends, [2]*Stream{a, b})
	}
	d.round()
	calls = 0
	next := 0
	var p [1]byte
	expectNoAllocs(t, "normal end of a stream", func() {
		a, b := ends[next][0], ends[next][1]
		next++
		a.Close()
		b.Close()
		for range 3 {
			d.round()
		}
		for _, s := range []*Stream{a, b} {
			if _, err := s.Read(p[:]); err != io.EOF {
				t.Errorf("Read = %v", err)
			}
		}
		d.pass(30 * time.Millisecond)
		d.round()
	})
	// fin_queued, data_sent, data_received, size_known, data_received, data_read, retired at both ends
	if want := 14 * len(ends); calls != want {
		t.Errorf("%d transitions were reported, want %d", calls, want)
	}
}
