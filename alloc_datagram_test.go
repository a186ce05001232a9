//go:build !race

package quic

import (
	"testing"
	"time"
)

// Sending a DATAGRAM frame allocates nothing: neither SendDatagram nor the turn that packs, seals and sends it, nor handling
// its acknowledgement.
func TestSendingDatagramsDoesNotAllocate(t *testing.T) {
	d := newDriven(t, &Config{EnableDatagrams: true}, 64)
	payload := make([]byte, 1000)
	allocations := 0.0
	const warmUp, rounds, atOnce = allocWarmUp, 200, 8
	for i := range warmUp + rounds {
		sending := countMallocs(func() {
			for range atOnce {
				if err := d.client.SendDatagram(payload); err != nil {
					t.Fatal(err)
				}
			}
			d.turn(d.client)
		})
		if n := len(d.client.socket.sizes); n < atOnce {
			t.Fatalf("%d packets were sent, want %d at least", n, atOnce)
		}
		d.move(d.client, d.server)
		d.turn(d.server)
		d.pass(30 * time.Millisecond)
		d.turn(d.server)
		d.move(d.server, d.client)
		sending += countMallocs(func() { d.turn(d.client) })
		for range atOnce {
			if _, err := d.server.ReceiveDatagram(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if i >= warmUp {
			allocations += sending
		}
	}
	// Something else may allocate now and then.
	if allocations > rounds/20 {
		t.Errorf("%v allocations by %d datagrams, want 0", allocations, rounds*atOnce)
	}
}
