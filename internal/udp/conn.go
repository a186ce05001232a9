package udp

import (
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
)

const (
	// MaxGSOSegments is the largest number of datagrams in one sendmsg.
	MaxGSOSegments = 64
	// MaxBatchBytes is the largest number of bytes that one sendmsg takes: a full IP packet less
	// the headers of IPv6 and UDP. WriteBatch splits longer batches.
	MaxBatchBytes = 65535 - 40 - 8
	// DesiredSocketBuffer is the size asked for both socket buffers.
	DesiredSocketBuffer = 7 << 20
)

// A Packet is one received datagram. It owns one reference of Buffer.
type Packet struct {
	Data    []byte // in Buffer; never empty
	Buffer  *Buffer
	Remote  Remote
	Local   netip.Addr // the address it was sent to, if known
	IfIndex uint32     // the interface it came in by, 0 if not known
	ECN     protocol.ECN
	Time    monotime.Time
	Path    uint8 // for the use of who handles the packet; 0 in what ReadBatch returns
}

// A Destination says where to send and, if Local is valid, from which of our addresses. IfIndex
// chooses the interface, but only if Local is not set or link-local: elsewhere the routing table decides.
type Destination struct {
	Remote  Remote
	Local   netip.Addr
	IfIndex uint32
}

// A Conn is a packet socket as the stack uses it.
type Conn interface {
	// ReadBatch blocks until at least one datagram is there, then returns what is there, at most
	// len(pkts). The errors are those of a closed or broken socket, or of a deadline; none of
	// them comes with packets. One caller at a time. len(pkts) must not be 0.
	ReadBatch(pkts []Packet) (int, error)
	// WriteBatch sends b, cut into datagrams of segment bytes of which the last may be shorter. It
	// fails with an error that wraps ErrTransient if some datagrams were not sent for a reason
	// that passes, ErrMessageTooLong if they were too large for the path, and another error if
	// the socket is unusable. It may pause for some milliseconds while the send buffer is full.
	WriteBatch(b []byte, segment int, ecn protocol.ECN, d *Destination) error
	// MaxSegments returns how many datagrams one system call takes: 64 with GSO, else 1.
	MaxSegments() int
	LocalAddr() net.Addr
	SetReadDeadline(t time.Time) error
	Close() error
	// Capabilities reports whether GSO, ECN and DF work. GSO and ECN may go off later.
	Capabilities() (gso, ecn, df bool)
}

// Options turn features off.
type Options struct {
	DisableGSO bool
	DisableECN bool
}

// oobConn is what a wrapper of *net.UDPConn has to have for control messages to work.
type oobConn interface {
	net.PacketConn
	SyscallConn() (syscall.RawConn, error)
	ReadMsgUDP(b, oob []byte) (n, oobn, flags int, addr *net.UDPAddr, err error)
	WriteMsgUDP(b, oob []byte, addr *net.UDPAddr) (n, oobn int, err error)
}

// Wrap makes a Conn of pc and sets the options of the socket. The socket stays usable without
// the Conn after Detach.
func Wrap(pc net.PacketConn, o Options) (Conn, error) {
	c, isOOB := pc.(oobConn)
	if !isOOB {
		return newPlainConn(pc), nil
	}
	raw, err := c.SyscallConn()
	if err != nil {
		// A wrapper may have the method without a socket below it.
		return newPlainConn(pc), nil
	}
	setBuffers(pc, raw)
	f := configureSocket(raw, o)
	if uc, ok := pc.(*net.UDPConn); ok {
		return newUDPConn(uc, raw, f), nil
	}
	return newMsgConn(c, f), nil
}

// Detach takes back what would surprise a reader of the bare socket: coalesced datagrams. It is
// called when the Conn is not used any more but the socket stays open.
func Detach(c Conn) {
	if d, ok := c.(interface{ detach() }); ok {
		d.detach()
	}
}

// features is what configureSocket found to work.
type features struct {
	gso, gro, ecn, df, pktinfo bool
	v6                         bool // an IPv6 socket, perhaps dual stack
}

// setBuffers asks for DesiredSocketBuffer in both directions and never makes a buffer smaller.
func setBuffers(pc net.PacketConn, raw syscall.RawConn) {
	rcv, snd, known := bufferSizes(raw)
	if c, ok := pc.(interface{ SetReadBuffer(int) error }); ok && (!known || rcv < DesiredSocketBuffer) {
		_ = c.SetReadBuffer(DesiredSocketBuffer)
	}
	if c, ok := pc.(interface{ SetWriteBuffer(int) error }); ok && (!known || snd < DesiredSocketBuffer) {
		_ = c.SetWriteBuffer(DesiredSocketBuffer)
	}
	forceBuffers(raw)
}

// SocketBuffers returns the sizes of the receive and send buffers of pc; ok is false if they are not known.
func SocketBuffers(pc net.PacketConn) (receive, send int, ok bool) {
	c, isSocket := pc.(syscall.Conn)
	if !isSocket {
		return 0, 0, false
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, 0, false
	}
	return bufferSizes(raw)
}
