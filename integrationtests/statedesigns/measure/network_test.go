package measure

import (
	"errors"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

func TestNetworkDelaysAndLoses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const sent = 1000
		arrived := func(seed uint64) (n int) {
			client, server := newLink(seed, 0.1, 10*time.Millisecond)
			begin := time.Now()
			for range sent {
				client.WriteTo([]byte("datagram"), server.LocalAddr())
			}
			time.AfterFunc(time.Second, func() { server.SetReadDeadline(time.Now()) })
			for b := make([]byte, 100); ; n++ {
				size, addr, err := server.ReadFrom(b)
				if errors.Is(err, os.ErrDeadlineExceeded) {
					return n
				}
				if err != nil || string(b[:size]) != "datagram" || addr.String() != client.LocalAddr().String() {
					t.Fatalf("%q from %v, %v", b[:size], addr, err)
				}
				if d := time.Since(begin); d != 10*time.Millisecond {
					t.Fatalf("after %v", d)
				}
			}
		}
		n := arrived(1)
		if n < 0.85*sent || n > 0.95*sent {
			t.Errorf("%d of %d datagrams have arrived, 10 %% should be lost", n, sent)
		}
		if again := arrived(1); again != n {
			t.Errorf("%d datagrams have arrived, and %d with the same seed", n, again)
		}
	})
}

func TestNetworkClose(t *testing.T) {
	client, server := newLink(1, 0, 0)
	server.Close()
	if _, _, err := server.ReadFrom(nil); !errors.Is(err, net.ErrClosed) {
		t.Errorf("ReadFrom: %v", err)
	}
	if _, err := server.WriteTo(nil, client.LocalAddr()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("WriteTo: %v", err)
	}
}
