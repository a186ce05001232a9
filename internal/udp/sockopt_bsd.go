//go:build darwin || freebsd

package udp

import "syscall"

// configureSocket turns on what works. Nothing of it is necessary, so errors only mean "not there".
func configureSocket(raw syscall.RawConn, o Options) features {
	var f features
	_ = raw.Control(func(fd uintptr) {
		s := int(fd)
		on := func(level, opt int) bool { return syscall.SetsockoptInt(s, level, opt, 1) == nil }
		sa, err := syscall.Getsockname(s)
		if err != nil {
			return
		}
		switch sa.(type) {
		case *syscall.SockaddrInet4:
			f.ecn = on(syscall.IPPROTO_IP, ipRecvTOS)
			f.pktinfo = on(syscall.IPPROTO_IP, ipRecvLocal)
			f.df = on(syscall.IPPROTO_IP, ipDontFrag)
		case *syscall.SockaddrInet6:
			f.v6 = true
			f.ecn = on(syscall.IPPROTO_IPV6, ipv6RecvTclass)
			f.pktinfo = on(syscall.IPPROTO_IPV6, ipv6RecvPktinfo)
			f.df = on(syscall.IPPROTO_IPV6, ipv6DontFrag)
		}
	})
	f.ecn = f.ecn && !o.DisableECN
	return f
}

// bufferSizes returns the sizes of the socket's buffers.
func bufferSizes(raw syscall.RawConn) (receive, send int, ok bool) {
	_ = raw.Control(func(fd uintptr) {
		r, err1 := syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF)
		w, err2 := syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF)
		receive, send, ok = r, w, err1 == nil && err2 == nil
	})
	return receive, send, ok
}
