package udp_test

import (
	"errors"
	"net"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go/internal/netsim"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/udp"
)

// A reader that sees nothing but errors does not spin, and goes on when they end.
func TestReaderSurvivesErrors(t *testing.T) {
	for _, errno := range []syscall.Errno{
		syscall.ENOBUFS, syscall.EAGAIN, syscall.EPERM, syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.ECONNREFUSED,
		syscall.ENOMEM, syscall.EINTR, syscall.EINVAL, syscall.EIO, syscall.EMSGSIZE,
	} {
		synctest.Test(t, func(t *testing.T) {
			client, server, n := netsim.Pair(1, netsim.Options{})
			defer n.Close()
			faulty := netsim.WithFaults(server, netsim.For(10*time.Second, errno), nil)
			c, err := udp.Wrap(faulty, udp.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := client.WriteTo([]byte("hello"), server.LocalAddr()); err != nil {
				t.Fatal(err)
			}
			pkts := make([]udp.Packet, 1)
			start := time.Now()
			if k, err := c.ReadBatch(pkts); k != 1 || err != nil || string(pkts[0].Data) != "hello" {
				t.Fatalf("%v: ReadBatch = %d, %v", errno, k, err)
			}
			pkts[0].Buffer.Release()
			if d := time.Since(start); d < 10*time.Second || d > 11*time.Second {
				t.Errorf("%v: the packet came after %v, want 10s", errno, d)
			}
			if reads, _ := faulty.Failures(); reads > 250 {
				t.Errorf("%v: %d reads in 10s", errno, reads)
			}
			faulty.SetFaults(netsim.Always(errno), nil)
			time.AfterFunc(time.Second, func() { c.Close() })
			if _, err := c.ReadBatch(pkts); !errors.Is(err, net.ErrClosed) {
				t.Errorf("%v: ReadBatch after Close = %v, want %v", errno, err, net.ErrClosed)
			}
		})
	}
}

func TestDeadlineEndsFailingReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _, n := netsim.Pair(1, netsim.Options{})
		defer n.Close()
		c, err := udp.Wrap(netsim.WithFaults(client, netsim.Always(syscall.ECONNREFUSED), nil), udp.Options{})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		_ = c.SetReadDeadline(start.Add(time.Second))
		_, err = c.ReadBatch(make([]udp.Packet, 1))
		var ne net.Error
		if !errors.As(err, &ne) || !ne.Timeout() || time.Since(start) > 1100*time.Millisecond {
			t.Errorf("ReadBatch = %v after %v, want a timeout after 1s", err, time.Since(start))
		}
	})
}

// One failed write is the loss of exactly that datagram.
func TestFailedWriteIsOneLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server, n := netsim.Pair(1, netsim.Options{})
		defer n.Close()
		c, err := udp.Wrap(netsim.WithFaults(client, nil, netsim.OnNth(2, syscall.ENOBUFS)), udp.Options{})
		if err != nil {
			t.Fatal(err)
		}
		d := &udp.Destination{Remote: udp.RemoteFrom(server.LocalAddr())}
		if err := c.WriteBatch([]byte("abcd"), 1, protocol.ECT0, d); !errors.Is(err, syscall.ENOBUFS) || !udp.IsTransient(err) {
			t.Errorf("WriteBatch = %v, want a transient ENOBUFS", err)
		}
		for _, want := range "acd" {
			b := make([]byte, 10)
			if k, _, err := server.ReadFrom(b); err != nil || string(b[:k]) != string(want) {
				t.Errorf("read %q, %v, want %q", b[:k], err, want)
			}
		}
	})
}

// Writers, the reader and Close at the same time are for the race detector.
func TestConcurrentWritersAndClose(t *testing.T) {
	pc, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Skip(err)
	}
	c, err := udp.Wrap(pc, udp.Options{})
	if err != nil {
		t.Fatal(err)
	}
	d := &udp.Destination{Remote: udp.RemoteFrom(pc.LocalAddr())}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			b := make([]byte, 5000)
			for {
				if err := c.WriteBatch(b, 1000, protocol.ECT0, d); err != nil && !udp.IsTransient(err) {
					if !errors.Is(err, net.ErrClosed) {
						t.Errorf("WriteBatch = %v, want %v", err, net.ErrClosed)
					}
					return
				}
			}
		})
	}
	pkts := make([]udp.Packet, 16)
	for total := 0; total < 2000; {
		k, err := c.ReadBatch(pkts)
		if err != nil {
			t.Error(err)
			break
		}
		for _, p := range pkts[:k] {
			if len(p.Data) != 1000 {
				t.Errorf("a datagram of %d bytes, want 1000", len(p.Data))
			}
			p.Buffer.Release()
		}
		total += k
	}
	c.Close()
	wg.Wait()
}
