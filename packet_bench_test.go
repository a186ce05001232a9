package quic

import (
	"testing"
	"time"
)

// BenchmarkPackets moves stream data between two connections without sockets, in packets of full size, and reports what each
// step costs: packing and sealing the packets, opening and handling them, packing the ACK, handling it. One operation is one
// such round; the benchmark is also the sum of what a packet costs besides system calls.
func BenchmarkPackets(b *testing.B) {
	b.Run("packets=1", func(b *testing.B) { benchmarkPackets(b, 1) })
	b.Run("packets=10", func(b *testing.B) { benchmarkPackets(b, 10) })
}

func benchmarkPackets(b *testing.B, packets int) {
	d := newDriven(b, nil, 64)
	near, far := d.stream()
	data, into := make([]byte, packets*1150), make([]byte, packets*1200)
	var steps stopwatch
	round := func() {
		steps.begin()
		near.Write(data)
		d.turn(d.client)
		steps.end(0)
		d.move(d.client, d.server)
		steps.begin()
		d.turn(d.server)
		steps.end(1)
		for left := len(data); left > 0; {
			n, err := far.Read(into)
			if err != nil {
				b.Fatal(err)
			}
			left -= n
		}
		d.pass(30 * time.Millisecond)
		steps.begin()
		d.turn(d.server)
		steps.end(2)
		d.move(d.server, d.client)
		steps.begin()
		d.turn(d.client)
		steps.end(3)
	}
	for range 100 { // until windows and buffers have their size
		round()
	}
	steps = stopwatch{}
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		round()
	}
	for i, name := range []string{"send-ns/op", "receive-ns/op", "ack-ns/op", "acked-ns/op"} {
		b.ReportMetric(float64(steps.spent[i].Nanoseconds())/float64(b.N), name)
	}
}

// A stopwatch adds up the time of the steps of a round.
type stopwatch struct {
	spent [4]time.Duration
	since time.Time
}

func (s *stopwatch) begin()       { s.since = time.Now() }
func (s *stopwatch) end(step int) { s.spent[step] += time.Since(s.since) }

// BenchmarkIdleTurn is a turn of the loop with nothing to do.
func BenchmarkIdleTurn(b *testing.B) {
	d := newDriven(b, nil, 1)
	d.pass(time.Second)
	d.round()
	d.round()
	b.ReportAllocs()
	for b.Loop() {
		d.turn(d.client)
	}
}

// BenchmarkReceiveQueue puts a batch of received datagrams on the queue of a connection and takes them off.
func BenchmarkReceiveQueue(b *testing.B) {
	const batch = 32
	var q receiveQueue
	p := received(shortPacket(cid("aaaa"), 1200))
	into := newDriven(b, nil, 1).client.batch[:batch]
	b.ReportAllocs()
	for b.Loop() {
		for range batch {
			q.push(p)
		}
		if n, more := q.take(into); n != batch || more {
			b.Fatalf("take = %d, %v", n, more)
		}
	}
}

// BenchmarkDatagramQueue takes a datagram on its way out, and one on its way in, through the queue of a connection.
func BenchmarkDatagramQueue(b *testing.B) {
	payload := make([]byte, 1200)
	b.Run("send", func(b *testing.B) {
		var q datagramQueue
		q.init()
		b.ReportAllocs()
		for b.Loop() {
			if err := q.add(copyDatagram(payload, nil)); err != nil {
				b.Fatal(err)
			}
			if _, ok := q.next(); !ok {
				b.Fatal("the queue is empty")
			}
			q.pop()
		}
	})
	b.Run("receive", func(b *testing.B) {
		var q datagramQueue
		q.init()
		b.ReportAllocs()
		for b.Loop() {
			if !q.handle(payload) {
				b.Fatal("the queue is full")
			}
			if _, err := q.receive(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
}
