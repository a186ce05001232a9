package udp

import (
	"strconv"
	"syscall"
	"unsafe"

	"github.com/quic-go/quic-go/internal/protocol"
)

// Numbers of Windows that package syscall does not name.
const (
	ipDontFragment = 14
	ipv6DontFrag   = 14
)

// WSACMSGHDR { SIZE_T cmsg_len; INT cmsg_level; INT cmsg_type; }, aligned to a pointer.
var layout = controlLayout{lenSize: strconv.IntSize / 8, align: strconv.IntSize / 8}

const (
	controlSize = 256
	msgTrunc    = 0x100
)

// configureSocket sets DF. ECN and packet info are not used on Windows.
func configureSocket(raw syscall.RawConn, _ Options) features {
	var f features
	_ = raw.Control(func(fd uintptr) {
		h := syscall.Handle(fd)
		f.df = syscall.SetsockoptInt(h, syscall.IPPROTO_IP, ipDontFragment, 1) == nil
		if syscall.SetsockoptInt(h, syscall.IPPROTO_IPV6, ipv6DontFrag, 1) == nil {
			f.v6, f.df = true, true
		}
	})
	return f
}

// bufferSizes returns the sizes of the socket's buffers.
func bufferSizes(raw syscall.RawConn) (receive, send int, ok bool) {
	_ = raw.Control(func(fd uintptr) {
		r, err1 := getsockoptInt(syscall.Handle(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF)
		w, err2 := getsockoptInt(syscall.Handle(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF)
		receive, send, ok = r, w, err1 == nil && err2 == nil
	})
	return receive, send, ok
}

func getsockoptInt(h syscall.Handle, level, opt int) (int, error) {
	var v int32
	n := int32(unsafe.Sizeof(v))
	err := syscall.Getsockopt(h, int32(level), int32(opt), (*byte)(unsafe.Pointer(&v)), &n)
	return int(v), err
}

func (c *Control) set(int, int, []byte) {}

func appendControl(b []byte, _ *Destination, _ protocol.ECN, _ int, _ *features) []byte { return b }
