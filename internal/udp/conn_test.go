package udp

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
)

const testTimeout = 5 * time.Second

func listen(t testing.TB, network, addr string) *net.UDPConn {
	t.Helper()
	a, err := net.ResolveUDPAddr(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.ListenUDP(network, a)
	if err != nil {
		t.Skipf("no socket on %s %s: %v", network, addr, err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func wrap(t testing.TB, pc net.PacketConn, o Options) Conn {
	t.Helper()
	c, err := Wrap(pc, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// hidden is a wrapper with all the methods that control messages take. It counts the calls.
type hidden struct {
	*net.UDPConn
	reads, writes int
}

func (h *hidden) ReadMsgUDP(b, oob []byte) (int, int, int, *net.UDPAddr, error) {
	n, oobn, flags, a, err := h.UDPConn.ReadMsgUDP(b, oob)
	h.reads++
	return n, oobn, flags, a, err
}

func (h *hidden) WriteMsgUDP(b, oob []byte, a *net.UDPAddr) (int, int, error) {
	h.writes++
	return h.UDPConn.WriteMsgUDP(b, oob, a)
}

// bare is a wrapper with nothing but the methods of net.PacketConn.
type bare struct{ net.PacketConn }

// kinds are the three implementations.
var kinds = []struct {
	name string
	wrap func(*net.UDPConn) net.PacketConn
}{
	{"socket", func(c *net.UDPConn) net.PacketConn { return c }},
	{"wrapper with control messages", func(c *net.UDPConn) net.PacketConn { return &hidden{UDPConn: c} }},
	{"plain packet conn", func(c *net.UDPConn) net.PacketConn { return bare{c} }},
}

func to(c Conn) *Destination { return &Destination{Remote: RemoteFrom(c.LocalAddr())} }

// collect reads until n packets are there. It copies the data and releases the buffers.
func collect(t testing.TB, c Conn, n int) []Packet {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(testTimeout)); err != nil {
		t.Fatal(err)
	}
	var got []Packet
	pkts := make([]Packet, 7)
	for len(got) < n {
		k, err := c.ReadBatch(pkts)
		if err != nil {
			t.Fatalf("ReadBatch after %d of %d packets: %v", len(got), n, err)
		}
		for _, p := range pkts[:k] {
			p.Data = bytes.Clone(p.Data)
			p.Buffer.Release()
			p.Buffer = nil
			got = append(got, p)
		}
	}
	return got
}

// payload returns n bytes that differ from packet to packet.
func payload(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i ^ i>>8 ^ i>>11)
	}
	return b
}

func TestBatchArrivesAsDatagrams(t *testing.T) {
	for _, from := range kinds {
		for _, at := range kinds {
			t.Run(from.name+" to "+at.name, func(t *testing.T) {
				client := wrap(t, from.wrap(listen(t, "udp4", "127.0.0.1:0")), Options{})
				server := wrap(t, at.wrap(listen(t, "udp4", "127.0.0.1:0")), Options{})
				for _, tc := range []struct{ total, segment int }{
					{1, 1200}, {1200, 1200}, {2400, 1200}, {2401, 1200}, {10 * 1200, 1200},
					{44 * 1452, 1452}, {64 * 1000, 1000}, {70 * 1452, 1452}, {100 * 50, 50}, {33, 1},
				} {
					b := payload(tc.total)
					if err := client.WriteBatch(b, tc.segment, protocol.ECNNon, to(server)); err != nil {
						t.Fatalf("WriteBatch(%d, %d): %v", tc.total, tc.segment, err)
					}
					var want [][]byte
					for c := range slices.Chunk(b, tc.segment) {
						want = append(want, c)
					}
					for i, p := range collect(t, server, len(want)) {
						if !bytes.Equal(p.Data, want[i]) {
							t.Fatalf("datagram %d of (%d, %d) has %d bytes, want %d", i, tc.total, tc.segment, len(p.Data), len(want[i]))
						}
						if r := RemoteFrom(client.LocalAddr()); p.Remote != r {
							t.Fatalf("Remote = %v, want %v", p.Remote, r)
						}
						if p.Time.IsZero() {
							t.Fatal("Time is not set")
						}
					}
				}
			})
		}
	}
}

func TestSizesFromEmptyToLargest(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			sender := listen(t, "udp4", "127.0.0.1:0")
			server := wrap(t, k.wrap(listen(t, "udp4", "127.0.0.1:0")), Options{})
			for _, size := range []int{0, 1, smallBuffer, smallBuffer + 1, mediumBuffer, mediumBuffer + 1, 0, 65507} {
				b := payload(size)
				if _, err := sender.WriteTo(b, server.LocalAddr()); err != nil {
					t.Fatal(err)
				}
				if size == 0 {
					continue // skipped: the next one is the first to arrive
				}
				p := collect(t, server, 1)[0]
				if !bytes.Equal(p.Data, b) {
					t.Fatalf("got %d bytes, want %d", len(p.Data), size)
				}
			}
			if err := server.WriteBatch(nil, 0, protocol.ECT0, &Destination{Remote: RemoteFrom(sender.LocalAddr())}); err != nil {
				t.Fatalf("sending an empty datagram: %v", err)
			}
		})
	}
}

func TestSmallReadsPinLittle(t *testing.T) {
	sender := listen(t, "udp4", "127.0.0.1:0")
	for _, k := range kinds {
		server := wrap(t, k.wrap(listen(t, "udp4", "127.0.0.1:0")), Options{})
		for _, tc := range []struct{ size, want int }{{1, smallBuffer}, {9000, mediumBuffer}, {60000, largeBuffer}} {
			if _, err := sender.WriteTo(payload(tc.size), server.LocalAddr()); err != nil {
				t.Fatal(err)
			}
			pkts := make([]Packet, 1)
			if n, err := server.ReadBatch(pkts); n != 1 || err != nil {
				t.Fatalf("ReadBatch = %d, %v", n, err)
			}
			if got := pkts[0].Buffer.Size(); got != tc.want {
				t.Errorf("%s: a packet of %d bytes pins %d, want %d", k.name, tc.size, got, tc.want)
			}
			pkts[0].Buffer.Release()
		}
	}
}

func TestWrapperSeesTraffic(t *testing.T) {
	h := &hidden{UDPConn: listen(t, "udp4", "127.0.0.1:0")}
	c := wrap(t, h, Options{DisableGSO: true})
	if err := c.WriteBatch(payload(300), 100, protocol.ECNNon, to(c)); err != nil {
		t.Fatal(err)
	}
	collect(t, c, 3)
	if h.reads != 3 || h.writes != 3 {
		t.Errorf("reads, writes = %d, %d, want 3, 3", h.reads, h.writes)
	}
}

// textAddr is an address of a network that is not UDP.
type textAddr string

func (a textAddr) Network() string { return "pigeon" }
func (a textAddr) String() string  { return string(a) }

// loft is a net.PacketConn that returns what was sent to it.
type loft struct {
	net.PacketConn
	queue chan []byte
}

func (l *loft) WriteTo(b []byte, a net.Addr) (int, error) {
	l.queue <- append([]byte(a.String()+":"), b...)
	return len(b), nil
}

func (l *loft) ReadFrom(b []byte) (int, net.Addr, error) {
	return copy(b, <-l.queue), textAddr("loft"), nil
}

func TestAddressesThatAreNotUDP(t *testing.T) {
	c := wrap(t, &loft{queue: make(chan []byte, 2)}, Options{})
	if err := c.WriteBatch([]byte("abcd"), 2, protocol.ECT0, &Destination{Remote: RemoteFrom(textAddr("x"))}); err != nil {
		t.Fatal(err)
	}
	pkts := make([]Packet, 2)
	for _, want := range []string{"x:ab", "x:cd"} {
		n, err := c.ReadBatch(pkts)
		if n != 1 || err != nil || string(pkts[0].Data) != want {
			t.Fatalf("ReadBatch = %d, %v with %q, want %q", n, err, pkts[0].Data, want)
		}
		if r := (Remote{Addr: textAddr("loft")}); !pkts[0].Remote.Equal(r) || pkts[0].Remote.AddrPort.IsValid() {
			t.Errorf("Remote = %v, want %v", pkts[0].Remote, r)
		}
	}
	if n := c.MaxSegments(); n != 1 {
		t.Errorf("MaxSegments() = %d, want 1", n)
	}
}

func TestReadEndsAtDeadlineAndClose(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			c := wrap(t, k.wrap(listen(t, "udp4", "127.0.0.1:0")), Options{})
			if err := c.SetReadDeadline(time.Unix(1, 0)); err != nil {
				t.Fatal(err)
			}
			if _, err := c.ReadBatch(make([]Packet, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("after the deadline: %v, want %v", err, os.ErrDeadlineExceeded)
			}
			if err := c.SetReadDeadline(time.Time{}); err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() {
				_, err := c.ReadBatch(make([]Packet, 1))
				done <- err
			}()
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			if err := <-done; !errors.Is(err, net.ErrClosed) {
				t.Errorf("after Close: %v, want %v", err, net.ErrClosed)
			}
			err := c.WriteBatch([]byte("x"), 0, protocol.ECNNon, to(c))
			if !errors.Is(err, net.ErrClosed) || IsTransient(err) {
				t.Errorf("WriteBatch after Close: %v, want %v", err, net.ErrClosed)
			}
		})
	}
}

// A connected socket reports ICMP errors about earlier packets; they must not end the reader.
func TestRefusedPacketsDoNotEndTheReader(t *testing.T) {
	gone := listen(t, "udp4", "127.0.0.1:0")
	addr := gone.LocalAddr().(*net.UDPAddr)
	for _, k := range kinds[:2] {
		gone.Close()
		pc, err := net.DialUDP("udp4", nil, addr)
		if err != nil {
			t.Fatal(err)
		}
		defer pc.Close()
		c := wrap(t, k.wrap(pc), Options{})
		d := &Destination{Remote: RemoteFrom(addr)}
		for range 20 {
			if err := c.WriteBatch([]byte("lost"), 0, protocol.ECNNon, d); err != nil && !IsTransient(err) {
				t.Fatalf("%s: %v is not transient", k.name, err)
			}
		}
		if gone, err = net.ListenUDP("udp4", addr); err != nil {
			t.Skip("the port was taken")
		}
		if _, err := gone.WriteTo([]byte("hello"), pc.LocalAddr()); err != nil {
			t.Fatal(err)
		}
		if p := collect(t, c, 1)[0]; string(p.Data) != "hello" {
			t.Errorf("%s: got %q, want hello", k.name, p.Data)
		}
	}
	gone.Close()
}

func TestRemote(t *testing.T) {
	v4 := netip.MustParseAddrPort("1.2.3.4:5")
	for _, tc := range []struct {
		name string
		a    net.Addr
		want Remote
	}{
		{"4-byte IPv4", &net.UDPAddr{IP: net.IP{1, 2, 3, 4}, Port: 5}, Remote{AddrPort: v4}},
		{"16-byte IPv4", &net.UDPAddr{IP: net.IPv4(1, 2, 3, 4), Port: 5}, Remote{AddrPort: v4}},
		{"zone", &net.UDPAddr{IP: net.ParseIP("fe80::1"), Port: 5, Zone: "x"}, Remote{AddrPort: netip.MustParseAddrPort("[fe80::1%x]:5")}},
		{"no IP address", &net.UDPAddr{Port: 5}, Remote{AddrPort: netip.MustParseAddrPort("[::]:5")}},
		{"not UDP", textAddr("x"), Remote{Addr: textAddr("x")}},
	} {
		got := RemoteFrom(tc.a)
		if got != tc.want || !got.Equal(tc.want) {
			t.Errorf("%s: RemoteFrom = %v, want %v", tc.name, got, tc.want)
		}
		if back := RemoteFrom(got.NetAddr()); !back.Equal(got) || !back.IsValid() {
			t.Errorf("%s: round trip gives %v, want %v", tc.name, back, got)
		}
	}
	if a, b := RemoteFrom(textAddr("x")), RemoteFrom(textAddr("y")); a.Equal(b) || a.Equal(Remote{AddrPort: v4}) || (Remote{}).Equal(a) {
		t.Error("different addresses are equal")
	}
	if RemoteFrom(nil).IsValid() {
		t.Error("no address is valid")
	}
}

func TestAddrCacheIsBounded(t *testing.T) {
	var c addrCache
	for i := range 3 * maxCachedAddrs {
		ap := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 1)
		if got := c.get(ap).String(); got != ap.String() {
			t.Fatalf("get(%v) = %v", ap, got)
		}
		if len(c.m) > maxCachedAddrs {
			t.Fatalf("%d addresses, want at most %d", len(c.m), maxCachedAddrs)
		}
	}
}

func TestBufferReferences(t *testing.T) {
	b, data := NewBuffer([]byte("abc"))
	b.Retain()
	b.Release()
	if string(data) != "abc" {
		t.Errorf("data = %q, want abc", data)
	}
	b.Release()
	defer func() {
		if r := fmt.Sprint(recover()); r != "BUG: Release of a released buffer" {
			t.Errorf("recovered %q", r)
		}
	}()
	(&Buffer{}).Release()
}

func TestSocketBuffers(t *testing.T) {
	pc := listen(t, "udp4", "127.0.0.1:0")
	rcv0, snd0, ok := SocketBuffers(pc)
	if !ok {
		t.Skip("sizes are not known here")
	}
	wrap(t, pc, Options{})
	rcv, snd, _ := SocketBuffers(pc)
	if rcv < rcv0 || snd < snd0 || rcv == 0 || snd == 0 {
		t.Errorf("buffers went from %d, %d to %d, %d", rcv0, snd0, rcv, snd)
	}
	if _, _, ok := SocketBuffers(bare{pc}); ok {
		t.Error("sizes of something without a socket are known")
	}
}

func TestErrnosOfReaders(t *testing.T) {
	var r retrier
	for _, e := range transientErrnos {
		if err := r.failed(&net.OpError{Op: "read", Err: os.NewSyscallError("recvmsg", e)}); err != nil {
			t.Errorf("%v ends the reader", e)
		}
		r.ok()
	}
	for _, err := range []error{net.ErrClosed, os.ErrDeadlineExceeded, syscall.EBADF, syscall.EFAULT, errors.New("other")} {
		if r.failed(err) == nil {
			t.Errorf("%v does not end the reader", err)
		}
	}
}

func TestReaderDoesNotSpin(t *testing.T) {
	var sum time.Duration
	for i := range 100 {
		sum += retryPause(i + 1)
	}
	if sum < 3*time.Second || retryPause(1) != 0 || retryPause(1000) != maxRetryPause {
		t.Errorf("100 failures pause %v; first %v, last %v", sum, retryPause(1), retryPause(1000))
	}
}
