package udp

import (
	"net/netip"
	"runtime"
	"strconv"
	"syscall"
	"time"
	"unsafe"

	"github.com/quic-go/quic-go/internal/monotime"
)

// maxSlots is the largest number of messages that one recvmmsg returns. Each is a single datagram or
// a coalesced train.
const maxSlots = 8

// mmsghdr is struct mmsghdr { struct msghdr msg_hdr; unsigned int msg_len; }. Both in C and in Go it is
// padded to the alignment of msghdr.
type mmsghdr struct {
	hdr syscall.Msghdr
	len uint32
}

// A receiver reads messages and cuts them into packets. Large buffers are held only while a read
// is about to succeed: a socket that waits for its next datagram pins none.
type receiver struct {
	readFunc func(fd uintptr) bool // bound once, so that a read does not allocate
	now      monotime.Time         // of the last read
	// announced is when the runtime was last told that there was a system call, see recvmmsg.
	announced monotime.Time

	// last call
	errno syscall.Errno
	n     int // messages received

	want    int // messages to ask for: grows while reads fill all slots
	bufs    [maxSlots]*Buffer
	hdrs    [maxSlots]mmsghdr
	iovs    [maxSlots]syscall.Iovec
	names   [maxSlots]syscall.RawSockaddrInet6 // the larger of the two families
	control [maxSlots][controlSize]byte

	pending [maxSlots]message
	first   int // pending[first:count] is to be handed out
	count   int

	lastName syscall.RawSockaddrInet6 // cache: trains of one peer are the common case
	lastAddr Remote
	zones    zoneNames
}

func (r *receiver) init() {
	r.want = 1
	r.readFunc = r.read
	for i := range r.hdrs {
		h := &r.hdrs[i].hdr
		h.Name = (*byte)(unsafe.Pointer(&r.names[i]))
		h.Iov = &r.iovs[i]
		h.Iovlen = 1
		h.Control = &r.control[i][0]
	}
}

// read is the callback of RawConn.Read. It returns false to be called again when there is something to read.
func (r *receiver) read(fd uintptr) bool {
	for i := range r.want {
		if r.bufs[i] == nil {
			r.bufs[i] = getBuffer(largeBuffer)
		}
		r.iovs[i].Base = &r.bufs[i].data[0]
		r.iovs[i].SetLen(largeBuffer)
		h := &r.hdrs[i].hdr
		h.Namelen = uint32(unsafe.Sizeof(r.names[i]))
		h.SetControllen(controlSize)
		h.Flags = 0
	}
	n, errno := r.recvmmsg(fd)
	r.errno, r.n = errno, int(n)
	if errno == 0 {
		return true
	}
	r.n = 0
	if errno == syscall.EAGAIN {
		r.dropBuffers()
		r.want = 1
		return false
	}
	return true
}

// announceInterval is how often the runtime is told about a call, see receiver.recvmmsg.
const announceInterval = time.Millisecond

// recvmmsg takes up to r.want messages from the socket. It never waits.
//
// The first system call of a process that was idle makes the runtime wake its monitor thread, which costs as much as the call.
// The monitor preempts goroutines that run for long, so that it has to be awake when work begins, but an exchange that
// follows within announceInterval does not have to wake it again: until then a deadline of a connection
// wakes it anyway, as one is set whenever packets are under way.
func (r *receiver) recvmmsg(fd uintptr) (uintptr, syscall.Errno) {
	headers, want := unsafe.Pointer(&r.hdrs[0]), uintptr(r.want)
	now := monotime.Now()
	if now.Sub(r.announced) >= announceInterval {
		r.announced = now
		n, _, errno := syscall.Syscall6(syscall.SYS_RECVMMSG, fd, uintptr(headers), want, syscall.MSG_DONTWAIT, 0, 0)
		runtime.KeepAlive(r)
		return n, errno
	}
	n, _, errno := syscall.RawSyscall6(syscall.SYS_RECVMMSG, fd, uintptr(headers), want, syscall.MSG_DONTWAIT, 0, 0)
	runtime.KeepAlive(r)
	return n, errno
}

func (r *receiver) dropBuffers() {
	for i, b := range r.bufs {
		if b != nil {
			b.Release()
			r.bufs[i] = nil
		}
		r.iovs[i].Base = nil
	}
}

// result turns what read got into pending messages.
func (r *receiver) result() error {
	r.first, r.count = 0, 0
	if r.errno != 0 {
		return r.errno
	}
	for i := range r.n {
		r.accept(i)
	}
	if r.n == r.want {
		r.want = min(2*r.want, maxSlots)
	} else {
		r.want = max(r.n, 1)
	}
	return nil
}

// accept makes slot i a pending message.
func (r *receiver) accept(i int) {
	h := &r.hdrs[i]
	size := int(h.len)
	if size == 0 || size > largeBuffer || h.hdr.Flags&syscall.MSG_TRUNC != 0 {
		return
	}
	remote, ok := r.remote(&r.names[i])
	if !ok {
		return
	}
	// What the kernel wrote is no longer than the buffer, but it costs nothing to be sure.
	oob := r.control[i][:min(uint64(h.hdr.Controllen), controlSize)]
	if r.pending[r.count].fill(r.bufs[i], size, remote, ParseControl(oob)) {
		r.bufs[i] = nil
	}
	r.count++
}

// take hands out pending packets.
func (r *receiver) take(pkts []Packet) int {
	n := 0
	for r.first < r.count && n < len(pkts) {
		if r.pending[r.first].next(&pkts[n], r.now) {
			r.first++
		}
		n++
	}
	return n
}

// remote converts a socket address of either family.
func (r *receiver) remote(sa *syscall.RawSockaddrInet6) (Remote, bool) {
	switch sa.Family {
	case syscall.AF_INET:
		// struct sockaddr_in { u16 family; be16 port; u8 addr[4]; u8 zero[8]; } begins like
		// sockaddr_in6; its address is where sockaddr_in6 has the flow label.
		sa4 := (*syscall.RawSockaddrInet4)(unsafe.Pointer(sa))
		sa4.Zero = [8]uint8{}
		sa.Scope_id = 0
		*(*uint32)(unsafe.Pointer(&sa.Addr[8])) = 0
		*(*uint32)(unsafe.Pointer(&sa.Addr[12])) = 0
		if *sa != r.lastName {
			r.lastName = *sa
			ap := netip.AddrPortFrom(netip.AddrFrom4(sa4.Addr), ntohs(&sa.Port))
			r.lastAddr = Remote{AddrPort: ap}
		}
	case syscall.AF_INET6:
		sa.Flowinfo = 0
		if *sa != r.lastName {
			r.lastName = *sa
			a := netip.AddrFrom16(sa.Addr).Unmap()
			if sa.Scope_id != 0 && a.Is6() {
				a = a.WithZone(r.zones.name(sa.Scope_id))
			}
			r.lastAddr = Remote{AddrPort: netip.AddrPortFrom(a, ntohs(&sa.Port))}
		}
	default:
		return Remote{}, false
	}
	return r.lastAddr, true
}

// ntohs reads a port, which is in network byte order in memory.
func ntohs(p *uint16) uint16 {
	b := (*[2]byte)(unsafe.Pointer(p))
	return uint16(b[0])<<8 | uint16(b[1])
}

func uitoa(v uint32) string { return strconv.FormatUint(uint64(v), 10) }

func atou(s string) uint32 {
	v, _ := strconv.ParseUint(s, 10, 32)
	return uint32(v)
}
