package quic

import (
	"testing"
	"time"
)

// A datagram that does not fit behind a smaller one in the same batch leaves in the next batch, at once.
func TestLargerDatagramBehindSmallerOne(t *testing.T) {
	d := newDriven(t, &Config{EnableDatagrams: true}, 64)
	for _, size := range []int{500, 1000, 200, 1100} {
		if err := d.client.SendDatagram(make([]byte, size)); err != nil {
			t.Fatal(err)
		}
	}
	d.turn(d.client)
	if n := d.client.datagrams.send.len(); n != 0 {
		t.Errorf("%d datagrams wait, datagrams of %v bytes were sent", n, d.client.socket.sizes)
	}
}

// A full window leaves in few system calls.
func TestStreamDataLeavesInBatches(t *testing.T) {
	d := newDriven(t, nil, 64)
	a, _ := d.stream()
	for range 10 {
		d.round()
	}
	a.Write(make([]byte, 12_000))
	d.turn(d.client)
	if n, calls := len(d.client.socket.sizes), d.client.socket.calls; n < 8 || calls > 2 {
		t.Errorf("%d datagrams in %d calls", n, calls)
	}
	for i, size := range d.client.socket.sizes[:len(d.client.socket.sizes)-1] {
		if size != int(d.client.maxPacketSize) {
			t.Errorf("datagram %d has %d bytes, want %d", i, size, d.client.maxPacketSize)
		}
	}
}

// Packets that wait for a loop that was stopped for longer than the idle timeout, as after a suspension, keep the connection.
func TestReceivedPacketsComeBeforeIdleTimeout(t *testing.T) {
	d := newDriven(t, &Config{MaxIdleTimeout: 10 * time.Second}, 1)
	a, b := d.stream()
	d.pass(9 * time.Second)
	b.Write([]byte("are you there?"))
	d.turn(d.server)
	d.move(d.server, d.client)
	d.pass(2 * time.Second) // 11 seconds since the client's last turn
	d.turn(d.client)
	p := make([]byte, 100)
	if n, err := a.Read(p); string(p[:n]) != "are you there?" || err != nil {
		t.Errorf("Read = %q, %v", p[:n], err)
	}
	d.move(d.client, d.server)
	d.turn(d.server)
}
