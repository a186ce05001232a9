package quic

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/udp"
	"github.com/quic-go/quic-go/qlogwriter"
	"github.com/quic-go/quic-go/testutils/simnet"
)

func TestNonQUICPackets(t *testing.T) {
	inBubble(t, &Transport{}, func(t *testing.T, n *rawNet) {
		n.listen(t, nil)
		n.send(t, []byte{0x3f, 0}) // before the first call
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, _, err := n.transport.ReadNonQUICPacket(ctx, make([]byte, 10)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("ReadNonQUICPacket = %v, want %v", err, context.DeadlineExceeded)
		}
		for i := range protocol.MaxNonQUICPackets + 10 {
			n.send(t, []byte{0x3f, byte(i), 3})
		}
		for i := range protocol.MaxNonQUICPackets {
			b := make([]byte, 2)
			size, addr, err := n.transport.ReadNonQUICPacket(t.Context(), b)
			if err != nil || size != 2 || b[1] != byte(i) {
				t.Fatalf("ReadNonQUICPacket = %d, %v: %x, want 2, nil: 3f%02x", size, err, b, i)
			}
			if addr.String() != rawClientAddr.String() {
				t.Fatalf("the packet is from %v, want %v", addr, rawClientAddr)
			}
		}
		n.wantNothing(t, "a packet that is not QUIC's")
	})
}

func TestFirstBitsOfNonQUICPackets(t *testing.T) {
	inBubble(t, &Transport{}, func(t *testing.T, n *rawNet) {
		n.listen(t, nil)
		n.transport.nonQUIC.open()
		for first := range 256 {
			n.send(t, []byte{byte(first), 1, 2})
			want := 0
			if first < 0x40 {
				want = 1
			}
			if got := len(n.transport.nonQUIC.open()); got != want {
				t.Fatalf("a packet that starts with %#02x: %d are kept, want %d", first, got, want)
			}
			if want == 1 {
				<-n.transport.nonQUIC.open()
			}
		}
	})
}

func TestWriteTo(t *testing.T) {
	tr := &Transport{}
	inBubble(t, tr, func(t *testing.T, n *rawNet) {
		if size, err := tr.WriteTo([]byte{1, 2, 3}, rawClientAddr); size != 3 || err != nil {
			t.Errorf("WriteTo = %d, %v, want 3, nil", size, err)
		}
		if b := n.receive(t); string(b) != "\x01\x02\x03" {
			t.Errorf("received %x, want 010203", b)
		}
		if _, err := tr.WriteTo([]byte{1}, nil); !errors.Is(err, errNoRemoteAddress) {
			t.Errorf("WriteTo without an address = %v, want %v", err, errNoRemoteAddress)
		}
	})
	if _, err := tr.WriteTo([]byte{1}, rawClientAddr); !errors.Is(err, ErrTransportClosed) {
		t.Errorf("WriteTo after Close = %v, want %v", err, ErrTransportClosed)
	}
}

func TestTransportClose(t *testing.T) {
	rec := &countingRecorder{}
	tr := &Transport{Tracer: rec}
	synctest.Test(t, func(t *testing.T) {
		var router simnet.PerfectRouter
		conn := simnet.NewSimConn(rawServerAddr, &router)
		tr.Conn = conn
		l, err := tr.Listen(&tls.Config{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		waiting := make(chan error, 2)
		go func() {
			_, err := l.Accept(t.Context())
			waiting <- err
		}()
		go func() {
			_, _, err := tr.ReadNonQUICPacket(t.Context(), nil)
			waiting <- err
		}()
		synctest.Wait()
		for range 2 {
			if err := tr.Close(); err != nil {
				t.Errorf("Close = %v, want nil", err)
			}
		}
		a, b := <-waiting, <-waiting
		if !errors.Is(a, ErrTransportClosed) && !errors.Is(b, ErrTransportClosed) {
			t.Errorf("Accept = %v or %v, want %v", a, b, ErrTransportClosed)
		}
		if a != errNonQUICClosed && b != errNonQUICClosed {
			t.Errorf("ReadNonQUICPacket = %v or %v, want %v", a, b, errNonQUICClosed)
		}
		if _, err := conn.WriteTo([]byte("x"), rawServerAddr); err != nil {
			t.Errorf("the socket is unusable: %v", err)
		}
		if size, _, err := conn.ReadFrom(make([]byte, 10)); size != 1 || err != nil {
			t.Errorf("ReadFrom of the socket = %d, %v, want 1, nil", size, err)
		}
	})
	checkClosed(t, tr)
	if rec.closed.Load() != 1 {
		t.Errorf("the Tracer is closed %d times, want once", rec.closed.Load())
	}
}

// checkClosed checks what the methods of a closed Transport return.
func checkClosed(t *testing.T, tr *Transport) {
	t.Helper()
	if _, err := tr.Listen(&tls.Config{}, nil); !errors.Is(err, ErrTransportClosed) {
		t.Errorf("Listen = %v, want %v", err, ErrTransportClosed)
	}
	if _, err := tr.ListenEarly(&tls.Config{}, nil); !errors.Is(err, ErrTransportClosed) {
		t.Errorf("ListenEarly = %v, want %v", err, ErrTransportClosed)
	}
	if _, err := tr.Dial(t.Context(), rawClientAddr, &tls.Config{}, nil); !errors.Is(err, ErrTransportClosed) {
		t.Errorf("Dial = %v, want %v", err, ErrTransportClosed)
	}
	if _, _, err := tr.ReadNonQUICPacket(t.Context(), nil); err == nil || err.Error() != "closed" {
		t.Errorf("ReadNonQUICPacket = %v, want closed", err)
	}
}

type countingRecorder struct{ closed atomic.Int32 }

func (r *countingRecorder) RecordEvent(qlogwriter.Event) {}
func (r *countingRecorder) Close() error                 { r.closed.Add(1); return nil }

func TestCloseBeforeUse(t *testing.T) {
	tr := &Transport{Conn: &net.UDPConn{}}
	if err := tr.Close(); err != nil {
		t.Errorf("Close = %v, want nil", err)
	}
	checkClosed(t, tr)
}

func TestTransportWithoutSocket(t *testing.T) {
	tr := &Transport{}
	if _, err := tr.Listen(&tls.Config{}, nil); err == nil {
		t.Error("Listen without a socket succeeds")
	}
	if err := tr.Close(); err != nil {
		t.Errorf("Close = %v, want nil", err)
	}
}

// Two Transports can use a socket one after the other.
func TestSocketIsUsableAfterClose(t *testing.T) {
	var router simnet.PerfectRouter
	synctest.Test(t, func(t *testing.T) {
		conn := simnet.NewSimConn(rawServerAddr, &router)
		for range 20 {
			tr := &Transport{Conn: conn}
			tr.nonQUIC.open()
			if _, err := tr.WriteTo([]byte{1}, rawServerAddr); err != nil {
				t.Fatal(err)
			}
			if _, _, err := tr.ReadNonQUICPacket(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			if err := tr.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// A faultyConn fails reads and writes.
type faultyConn struct {
	net.PacketConn
	readErrs chan error
	writeErr atomic.Pointer[error]
}

func (c *faultyConn) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case err := <-c.readErrs:
		return 0, nil, err
	default:
	}
	return c.PacketConn.ReadFrom(b)
}

func (c *faultyConn) WriteTo(b []byte, addr net.Addr) (int, error) {
	if err := c.writeErr.Load(); err != nil {
		return 0, *err
	}
	return c.PacketConn.WriteTo(b, addr)
}

// inFaultyBubble is inBubble with a socket that fails as its ReadFrom is told.
func inFaultyBubble(t *testing.T, tr *Transport, readErrs []error, f func(t *testing.T, n *rawNet, c *faultyConn)) {
	t.Helper()
	inBubble(t, tr, func(t *testing.T, n *rawNet) {
		c := &faultyConn{PacketConn: n.server, readErrs: make(chan error, 100)}
		for _, err := range readErrs {
			c.readErrs <- err
		}
		tr.Conn = c
		f(t, n, c)
	})
}

var transientErrnos = []error{
	syscall.ENOBUFS, syscall.EAGAIN, syscall.EPERM, syscall.ENETUNREACH, syscall.EHOSTUNREACH,
	syscall.ECONNREFUSED, syscall.ENOMEM, syscall.EINTR, syscall.EMSGSIZE,
}

// S-25: what passes by itself ends nothing.
func TestTransientReadErrorsEndNothing(t *testing.T) {
	var key StatelessResetKey
	inFaultyBubble(t, &Transport{StatelessResetKey: &key}, transientErrnos, func(t *testing.T, n *rawNet, c *faultyConn) {
		n.listen(t, nil)
		time.Sleep(time.Minute)
		n.send(t, shortPacket(cid("aaaa"), 100))
		if n.receive(t) == nil {
			t.Error("the Transport does not answer any more")
		}
		if err := n.transport.closedErr(); err != nil {
			t.Errorf("the Transport has ended: %v", err)
		}
	})
}

// S-24: an answer that cannot be sent is lost, and that is all.
func TestTransientWriteErrorsEndNothing(t *testing.T) {
	var key StatelessResetKey
	inFaultyBubble(t, &Transport{StatelessResetKey: &key}, nil, func(t *testing.T, n *rawNet, c *faultyConn) {
		n.listen(t, nil)
		for _, err := range transientErrnos {
			c.writeErr.Store(&err)
			n.send(t, shortPacket(cid("aaaa"), 100))
			time.Sleep(time.Second)
			n.wantNothing(t, err.Error())
		}
		c.writeErr.Store(nil)
		n.send(t, shortPacket(cid("aaaa"), 100))
		if n.receive(t) == nil {
			t.Error("the Transport does not answer any more")
		}
	})
}

func TestForeignReadDeadlineEndsNothing(t *testing.T) {
	var key StatelessResetKey
	inBubble(t, &Transport{StatelessResetKey: &key}, func(t *testing.T, n *rawNet) {
		n.listen(t, nil)
		if err := n.server.SetReadDeadline(time.Now().Add(-time.Second)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		n.send(t, shortPacket(cid("aaaa"), 100))
		if n.receive(t) == nil {
			t.Error("the Transport does not answer any more")
		}
	})
}

func TestBrokenSocketEndsEverything(t *testing.T) {
	cause := &net.OpError{Op: "read", Net: "udp", Err: os.NewSyscallError("recvmsg", syscall.EBADF)}
	tr := &Transport{}
	inFaultyBubble(t, tr, nil, func(t *testing.T, n *rawNet, fc *faultyConn) {
		l := n.listen(t, nil)
		c := idleConn(t, tr, cid("aaaa"))
		if err := tr.register(c, stageOther, cid("aaaa")); err != nil {
			t.Fatal(err)
		}
		c.start()
		fc.readErrs <- cause
		n.send(t, []byte{0, 0})
		wantCause(t, c, ErrTransportClosed)
		const prefix = "quic: transport closed: read udp"
		err := context.Cause(c.Context())
		if !errors.Is(err, syscall.EBADF) || !errors.Is(err, net.ErrClosed) || !strings.HasPrefix(err.Error(), prefix) {
			t.Errorf("the connection ends with %v, want %s and the cause", err, prefix)
		}
		if _, got := l.Accept(t.Context()); got != err {
			t.Errorf("Accept = %v, want %v", got, err)
		}
		if _, got := tr.Dial(t.Context(), rawClientAddr, &tls.Config{}, nil); got != err {
			t.Errorf("Dial = %v, want %v", got, err)
		}
	})
}

func TestTransportConnectionIDs(t *testing.T) {
	for _, tc := range []struct {
		name string
		tr   *Transport
		want int
	}{
		{"default", &Transport{}, 4},
		{"length", &Transport{ConnectionIDLength: 20}, 20},
		{"generator", &Transport{ConnectionIDLength: 5, ConnectionIDGenerator: randomConnectionIDs(7)}, 7},
	} {
		inBubble(t, tc.tr, func(t *testing.T, n *rawNet) {
			n.listen(t, nil)
			id, err := tc.tr.generateConnectionID()
			if err != nil || id.Len() != tc.want || tc.tr.connectionIDLen() != tc.want {
				t.Errorf("%s: connection ID %s, %v of %d bytes, want %d", tc.name, id, err, tc.tr.connectionIDLen(), tc.want)
			}
		})
	}
	for _, length := range []int{-1, 21} {
		tr := &Transport{Conn: &net.UDPConn{}, ConnectionIDLength: length}
		if _, err := tr.Listen(&tls.Config{}, nil); err == nil {
			t.Errorf("connection IDs of %d bytes are accepted", length)
		}
	}
}

// lyingGenerator makes connection IDs of another length than it says.
type lyingGenerator struct{}

func (lyingGenerator) ConnectionIDLen() int                        { return 8 }
func (lyingGenerator) GenerateConnectionID() (ConnectionID, error) { return cid("four"), nil }

func TestConnectionIDsOfWrongLength(t *testing.T) {
	inBubble(t, &Transport{ConnectionIDGenerator: lyingGenerator{}}, func(t *testing.T, n *rawNet) {
		n.listen(t, nil)
		if _, err := n.transport.generateConnectionID(); err == nil {
			t.Error("a connection ID of 4 bytes is accepted, want 8")
		}
	})
}

// The receive path of a connection costs no allocation in the Transport.
func TestDispatch(t *testing.T) {
	inBubble(t, &Transport{}, func(t *testing.T, n *rawNet) {
		tr := n.transport
		if err := tr.init(); err != nil {
			t.Fatal(err)
		}
		a, b := &recordingHandler{}, &recordingHandler{}
		tr.addConnectionID(cid("aaaa"), a)
		tr.addConnectionID(cid("bbbb"), b)
		first, second := received(shortPacket(cid("aaaa"), 1200)), received(shortPacket(cid("bbbb"), 1200))
		pkts := []udp.Packet{first, first, second, first, second, second}
		allocs := testing.AllocsPerRun(100, func() {
			for _, p := range pkts {
				p.Buffer.Retain()
			}
			tr.dispatch(pkts)
		})
		if allocs != 0 {
			t.Errorf("%v allocations, want 0", allocs)
		}
		if a.packets != 3*101 || b.packets != 3*101 {
			t.Errorf("%d and %d packets are handed out, want 303 each", a.packets, b.packets)
		}
	})
}

func BenchmarkDispatch(b *testing.B) {
	tr := &Transport{Conn: simnet.NewSimConn(rawServerAddr, &simnet.PerfectRouter{})}
	if err := tr.init(); err != nil {
		b.Fatal(err)
	}
	defer tr.Close()
	tr.addConnectionID(cid("aaaa"), &recordingHandler{})
	p := received(shortPacket(cid("aaaa"), 1200))
	pkts := make([]udp.Packet, readBatchSize)
	for i := range pkts {
		pkts[i] = p
	}
	b.ReportAllocs()
	for b.Loop() {
		for range pkts {
			p.Buffer.Retain()
		}
		tr.dispatch(pkts)
	}
}
