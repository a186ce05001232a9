//go:build linux && !race

package udp

import (
	"net/netip"
	"testing"

	"github.com/quic-go/quic-go/internal/protocol"
)

// The race detector makes sync.Pool forget at random, so this file is not built with it.

func TestNoAllocationsPerPacket(t *testing.T) {
	for _, n := range []struct{ network, addr string }{{"udp4", "127.0.0.1:0"}, {"udp6", "[::1]:0"}, {"udp", "[::]:0"}} {
		pc := listen(t, n.network, n.addr)
		c := wrap(t, pc, Options{})
		d := to(c)
		if d.Remote.AddrPort.Addr().IsUnspecified() {
			d.Remote.AddrPort = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port(c))
			d.Local = netip.MustParseAddr("127.0.0.1")
		}
		small, large := payload(1200), payload(20*1200)
		pkts := make([]Packet, 8)
		round := func(b []byte) {
			if err := c.WriteBatch(b, 1200, protocol.ECT0, d); err != nil {
				t.Fatal(err)
			}
			for left := len(b) / 1200; left > 0; {
				k, err := c.ReadBatch(pkts)
				if err != nil {
					t.Fatal(err)
				}
				for i := range pkts[:k] {
					pkts[i].Buffer.Release()
				}
				left -= k
			}
		}
		for _, b := range [][]byte{small, large} {
			if got := testing.AllocsPerRun(200, func() { round(b) }); got != 0 {
				t.Errorf("%s %s: %v allocations to send and receive %d bytes, want 0", n.network, n.addr, got, len(b))
			}
		}
	}
}
