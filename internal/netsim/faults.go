package netsim

import (
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// A Fault decides whether the n-th call, counted from 1, fails instead of doing anything. Size is the
// length of the buffer: of a datagram that is to be written, or of the room for a read. It may be called
// from several goroutines at the same time.
type Fault func(n, size int) error

// OnNth fails only the n-th call.
func OnNth(nth int, err error) Fault {
	return func(n, _ int) error {
		if n != nth {
			return nil
		}
		return err
	}
}

// WithProbability fails calls at random.
func WithProbability(seed uint64, p float64, err error) Fault {
	var mu sync.Mutex
	r := rand.New(rand.NewPCG(seed, 3))
	return func(int, int) error {
		mu.Lock()
		defer mu.Unlock()
		if r.Float64() >= p {
			return nil
		}
		return err
	}
}

// For fails all calls for a time, which begins now.
func For(d time.Duration, err error) Fault {
	end := time.Now().Add(d)
	return func(int, int) error {
		if !time.Now().Before(end) {
			return nil
		}
		return err
	}
}

// Always fails all calls.
func Always(err error) Fault { return func(int, int) error { return err } }

// LongerThan fails calls with more than size bytes.
func LongerThan(size int, err error) Fault {
	return func(_, s int) error {
		if s <= size {
			return nil
		}
		return err
	}
}

// A FaultyConn is a net.PacketConn whose reads and writes may fail. Errnos look like those of a socket. As
// with a socket, a passed read deadline and Close come before any other error.
type FaultyConn struct {
	net.PacketConn

	mu            sync.Mutex
	read, write   Fault
	reads, writes int
	readFailures  int
	writeFailures int
	deadline      time.Time
	closed        bool
}

// WithFaults wraps pc. Either Fault may be nil.
func WithFaults(pc net.PacketConn, read, write Fault) *FaultyConn {
	return &FaultyConn{PacketConn: pc, read: read, write: write}
}

// SetFaults replaces the faults, and counts calls from 1 again.
func (c *FaultyConn) SetFaults(read, write Fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read, c.write, c.reads, c.writes = read, write, 0, 0
}

// Failures returns how many reads and writes have failed.
func (c *FaultyConn) Failures() (reads, writes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.readFailures, c.writeFailures
}

// ReadFrom implements net.PacketConn.
func (c *FaultyConn) ReadFrom(b []byte) (int, net.Addr, error) {
	if err := c.readFault(len(b)); err != nil {
		return 0, nil, c.opError("read", "recvmsg", err)
	}
	return c.PacketConn.ReadFrom(b)
}

func (c *FaultyConn) readFault(size int) error {
	c.mu.Lock()
	c.reads++
	fault, n := c.read, c.reads
	late := !c.deadline.IsZero() && !time.Now().Before(c.deadline)
	off := fault == nil || c.closed || late
	c.mu.Unlock()
	if off {
		return nil
	}
	return c.count(fault(n, size), &c.readFailures)
}

func (c *FaultyConn) count(err error, failures *int) error {
	if err == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	*failures++
	return err
}

// WriteTo implements net.PacketConn.
func (c *FaultyConn) WriteTo(b []byte, a net.Addr) (int, error) {
	if err := c.writeFault(len(b)); err != nil {
		return 0, c.opError("write", "sendmsg", err)
	}
	return c.PacketConn.WriteTo(b, a)
}

func (c *FaultyConn) writeFault(size int) error {
	c.mu.Lock()
	c.writes++
	fault, n := c.write, c.writes
	off := fault == nil || c.closed
	c.mu.Unlock()
	if off {
		return nil
	}
	return c.count(fault(n, size), &c.writeFailures)
}

func (c *FaultyConn) opError(op, call string, err error) error {
	if errno, ok := err.(syscall.Errno); ok {
		err = &net.OpError{Op: op, Net: "udp", Source: c.LocalAddr(), Err: os.NewSyscallError(call, errno)}
	}
	return err
}

// SetDeadline implements net.PacketConn.
func (c *FaultyConn) SetDeadline(t time.Time) error {
	c.noteDeadline(t)
	return c.PacketConn.SetDeadline(t)
}

// SetReadDeadline implements net.PacketConn.
func (c *FaultyConn) SetReadDeadline(t time.Time) error {
	c.noteDeadline(t)
	return c.PacketConn.SetReadDeadline(t)
}

func (c *FaultyConn) noteDeadline(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
}

// Close implements net.PacketConn.
func (c *FaultyConn) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	return c.PacketConn.Close()
}
