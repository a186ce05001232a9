package quic_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	quic "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/internal/netsim"
	"github.com/quic-go/quic-go/internal/testcert"
)

// passingErrnos are errors of sockets that say nothing about the connections on them.
var passingErrnos = []syscall.Errno{
	syscall.ENOBUFS, syscall.EAGAIN, syscall.EPERM, syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.ECONNREFUSED,
	syscall.ENOMEM, syscall.EINTR, syscall.EINVAL, syscall.EIO, syscall.EMSGSIZE,
}

// A faultyPair is two connections between one client's and one server's Transport whose sockets may fail.
type faultyPair struct {
	clientPC, serverPC *netsim.FaultyConn
	clientTr, serverTr *quic.Transport
	net                *netsim.Net
	listener           *quic.Listener
	clients, servers   [2]*quic.Conn
}

func newFaultyPair(t *testing.T, config *quic.Config) *faultyPair {
	t.Helper()
	client, server, n := netsim.Pair(1, delayed())
	p := &faultyPair{clientPC: netsim.WithFaults(client, nil, nil), serverPC: netsim.WithFaults(server, nil, nil), net: n}
	p.clientTr, p.serverTr = &quic.Transport{Conn: p.clientPC}, &quic.Transport{Conn: p.serverPC}
	var err error
	if p.listener, err = p.serverTr.Listen(testcert.ServerConfig("test"), config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.clientPC.SetFaults(nil, nil)
		p.serverPC.SetFaults(nil, nil)
		p.clientTr.Close()
		p.serverTr.Close()
		n.Close()
		synctest.Wait()
	})
	for i := range p.clients {
		p.clients[i], p.servers[i] = p.connect(t, config)
	}
	return p
}

func (p *faultyPair) connect(t *testing.T, config *quic.Config) (client, server *quic.Conn) {
	t.Helper()
	client, err := p.clientTr.Dial(t.Context(), p.listener.Addr(), testcert.ClientConfig("test"), config)
	if err != nil {
		t.Fatalf("Dial: %v", err)
	}
	if server, err = p.listener.Accept(t.Context()); err != nil {
		t.Fatalf("Accept: %v", err)
	}
	return client, server
}

// expectWorking fails the test unless data passes on all connections, and a new one can be made.
func (p *faultyPair) expectWorking(t *testing.T) {
	t.Helper()
	for i := range p.clients {
		for _, c := range []*quic.Conn{p.clients[i], p.servers[i]} {
			if err := context.Cause(c.Context()); err != nil {
				t.Fatalf("a connection has ended: %v", err)
			}
		}
		testTransfer(t, p.clients[i], p.servers[i], randomBytes(1, 20_000))
		testTransfer(t, p.servers[i], p.clients[i], randomBytes(2, 20_000))
	}
	p.connect(t, nil)
}

// The ways in which an errno shows up, and how long one has to wait then.
var faultPatterns = []struct {
	name  string
	fault func(err error) netsim.Fault
	end   time.Duration
}{
	{"once", func(err error) netsim.Fault { return netsim.OnNth(1, err) }, 0},
	{"three times", func(err error) netsim.Fault {
		return func(n, _ int) error {
			if n > 3 {
				return nil
			}
			return err
		}
	}, 0},
	{"in 5 percent", func(err error) netsim.Fault { return netsim.WithProbability(1, 0.05, err) }, 0},
	{"for ten seconds", func(err error) netsim.Fault { return netsim.For(10*time.Second, err) }, 10 * time.Second},
}

// S-24: an error of a send that passes counts as loss. It ends neither a connection nor a Transport.
func TestTransientSendErrorsEndNothing(t *testing.T) {
	for _, errno := range passingErrnos {
		for _, pattern := range faultPatterns {
			t.Run(fmt.Sprintf("%s %s", errno, pattern.name), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := newFaultyPair(t, nil)
					p.clientPC.SetFaults(nil, pattern.fault(errno))
					p.serverPC.SetFaults(nil, pattern.fault(errno))
					if pattern.end > 0 {
						mustWriteSome(t, p.clients[0])
						time.Sleep(pattern.end)
					}
					p.expectWorking(t)
					if _, w := p.clientPC.Failures(); w == 0 {
						t.Error("no write has failed")
					}
				})
			})
		}
	}
}

// S-25: the same for receiving.
func TestTransientReceiveErrorsEndNothing(t *testing.T) {
	for _, errno := range passingErrnos {
		for _, pattern := range faultPatterns {
			t.Run(fmt.Sprintf("%s %s", errno, pattern.name), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := newFaultyPair(t, nil)
					p.clientPC.SetFaults(pattern.fault(errno), nil)
					p.serverPC.SetFaults(pattern.fault(errno), nil)
					testTransfer(t, p.clients[0], p.servers[0], []byte("the readers notice"))
					time.Sleep(pattern.end)
					p.expectWorking(t)
					if r, _ := p.serverPC.Failures(); r == 0 {
						t.Error("no read has failed")
					}
				})
			})
		}
	}
}

// S-24: a send that fails for ever ends the connection by its idle timeout, and does not keep the loop busy.
func TestPermanentSendErrorsEndByTimeout(t *testing.T) {
	for _, errno := range passingErrnos {
		synctest.Test(t, func(t *testing.T) {
			p := newFaultyPair(t, &quic.Config{MaxIdleTimeout: 10 * time.Second})
			p.clientPC.SetFaults(nil, netsim.Always(errno))
			s, err := p.clients[0].OpenStream()
			if err != nil {
				t.Fatal(err)
			}
			go s.Write(make([]byte, 100_000))
			<-p.clients[0].Context().Done()
			if cause := context.Cause(p.clients[0].Context()); !errors.Is(cause, &quic.IdleTimeoutError{}) {
				t.Errorf("%s: the connection ends with %v", errno, cause)
			}
			if _, w := p.clientPC.Failures(); w > 500 {
				t.Errorf("%s: %d writes", errno, w)
			}
			<-p.servers[1].Context().Done()
			p.clientPC.SetFaults(nil, nil)
			p.connect(t, nil) // the Transport has survived
		})
	}
}

// S-24: errors during the handshake, too.
func TestTransientErrorsDuringHandshake(t *testing.T) {
	for _, errno := range passingErrnos {
		for n := 1; n <= 4; n++ {
			synctest.Test(t, func(t *testing.T) {
				p := newFaultyPair(t, nil)
				p.clientPC.SetFaults(netsim.OnNth(n, errno), netsim.OnNth(n, errno))
				p.serverPC.SetFaults(netsim.OnNth(n, errno), netsim.OnNth(n, errno))
				p.clients[0], p.servers[0] = p.connect(t, nil)
				p.expectWorking(t)
			})
		}
	}
}

// A path that is too small for packets of the initial size: they become smaller.
func TestMessageTooLongMakesPacketsSmaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := &quic.Config{EnableDatagrams: true, InitialPacketSize: 1400}
		p := newFaultyPair(t, cfg)
		p.clientPC.SetFaults(nil, netsim.LongerThan(1200, syscall.EMSGSIZE))
		testTransfer(t, p.clients[0], p.servers[0], randomBytes(1, 100_000))
		var tooLarge *quic.DatagramTooLargeError
		if err := p.clients[0].SendDatagram(make([]byte, 1400)); !errors.As(err, &tooLarge) || tooLarge.MaxDatagramPayloadSize > 1200 {
			t.Errorf("SendDatagram: %v, limit %d", err, tooLarge.MaxDatagramPayloadSize)
		}
		size := int(tooLarge.MaxDatagramPayloadSize)
		if err := p.clients[0].SendDatagram(make([]byte, size)); err != nil {
			t.Fatal(err)
		}
		if got, err := p.servers[0].ReceiveDatagram(t.Context()); err != nil || len(got) != size {
			t.Errorf("ReceiveDatagram = %d bytes, %v, want %d", len(got), err, size)
		}
		// Also while dialling.
		client, server := p.connect(t, cfg)
		testTransfer(t, client, server, randomBytes(2, 10_000))
	})
}

// A socket that is broken for good ends all connections, the listener and the Transport.
func TestBrokenSocketEndsAllWithTransportClosed(t *testing.T) {
	broken := &net.OpError{Op: "read", Net: "udp", Err: os.NewSyscallError("recvmsg", syscall.EBADF)}
	for name, breakIt := range map[string]func(pc *netsim.FaultyConn){
		"bad file descriptor": func(pc *netsim.FaultyConn) { pc.SetFaults(netsim.Always(broken), nil) },
		"closed socket":       func(pc *netsim.FaultyConn) { pc.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newFaultyPair(t, nil)
				a, _ := openBoth(t, p.servers[0], p.clients[0])
				h := watch(a)
				breakIt(p.serverPC)
				mustWriteSome(t, p.clients[0]) // the reader notices the error with its next call
				for _, c := range p.servers {
					<-c.Context().Done()
					err := context.Cause(c.Context())
					if !errors.Is(err, quic.ErrTransportClosed) || !errors.Is(err, net.ErrClosed) || !strings.HasPrefix(err.Error(), "quic: transport closed: ") {
						t.Errorf("a connection ends with %v", err)
					}
				}
				expectRetiredOnce(t, h)
				if _, err := p.listener.Accept(t.Context()); !errors.Is(err, quic.ErrTransportClosed) {
					t.Errorf("Accept: %v", err)
				}
				if _, err := p.serverTr.Dial(t.Context(), p.clientPC.LocalAddr(), &tls.Config{}, nil); !errors.Is(err, quic.ErrTransportClosed) {
					t.Errorf("Dial: %v", err)
				}
			})
		})
	}
}

// mustWriteSome sends a little on a new stream.
func mustWriteSome(t *testing.T, c *quic.Conn) {
	t.Helper()
	s, err := c.OpenStream()
	if err != nil {
		t.Fatal(err)
	}
	mustWrite(t, s, "something")
}
