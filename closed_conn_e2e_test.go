package quic_test

import (
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go/internal/netsim"
)

// RFC 9000, Section 10.2.1: the packets that cross CONNECTION_CLOSE are not answered with another one, later ones are.
func TestCloseIsRepeatedAfterARoundTrip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const delay = 25 * time.Millisecond
		var fromClient atomic.Int64
		var client atomic.Pointer[net.UDPAddr]
		o := pairOptions{net: netsim.Options{
			Up: netsim.Direction{Delay: delay}, Down: netsim.Direction{Delay: delay},
			OnSent: func(_ time.Time, from, _ net.Addr, _ []byte) {
				if addr := client.Load(); addr != nil && from.String() == addr.String() {
					fromClient.Add(1)
				}
			},
		}}
		p := newPair(t, o)
		s, err := p.server.OpenUniStream()
		if err != nil {
			t.Fatal(err)
		}
		for range 20 { // some of it is under way when the client closes
			if _, err := s.Write([]byte{1}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(5 * time.Millisecond)
		}
		// The CONNECTION_CLOSE is lost, so that the server goes on.
		p.net.SetUp(netsim.Direction{Loss: 1})
		client.Store(p.client.LocalAddr().(*net.UDPAddr))
		p.client.CloseWithError(1, "")
		p.net.SetUp(netsim.Direction{Delay: delay})
		for range 5 {
			if _, err := s.Write([]byte{1}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(5 * time.Millisecond)
		}
		if n := fromClient.Load(); n != 1 {
			t.Errorf("%d datagrams in half a round trip after the end, want CONNECTION_CLOSE alone", n)
		}
		select {
		case <-p.server.Context().Done():
		case <-time.After(time.Second):
			t.Error("the server has not learned of the end")
		}
	})
}
