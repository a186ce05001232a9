package udp

import "syscall"

// pmtudiscProbe (IP_PMTUDISC_PROBE, IPV6_PMTUDISC_PROBE) sets DF and ignores the kernel's idea of the
// path MTU. IP_PMTUDISC_DO would believe ICMP messages that an attacker may have made up: packets
// fail with EMSGSIZE until the kernel forgets (CVE-2024-53259).
const pmtudiscProbe = 3

// configureSocket turns on what works. Nothing of it is necessary, so errors only mean "not there".
func configureSocket(raw syscall.RawConn, o Options) features {
	var f features
	_ = raw.Control(func(fd uintptr) {
		s := int(fd)
		on := func(level, opt, v int) bool { return syscall.SetsockoptInt(s, level, opt, v) == nil }
		domain, err := syscall.GetsockoptInt(s, syscall.SOL_SOCKET, syscall.SO_DOMAIN)
		if err != nil || domain != syscall.AF_INET && domain != syscall.AF_INET6 {
			return
		}
		f.v6 = domain == syscall.AF_INET6
		// On an IPv6 socket the options of IPv4 are for the mapped addresses of dual stack.
		tos := on(syscall.IPPROTO_IP, syscall.IP_RECVTOS, 1)
		info := on(syscall.IPPROTO_IP, syscall.IP_PKTINFO, 1)
		df := on(syscall.IPPROTO_IP, syscall.IP_MTU_DISCOVER, pmtudiscProbe)
		if f.v6 {
			tos = on(syscall.IPPROTO_IPV6, syscall.IPV6_RECVTCLASS, 1)
			info = on(syscall.IPPROTO_IPV6, syscall.IPV6_RECVPKTINFO, 1)
			df = on(syscall.IPPROTO_IPV6, syscall.IPV6_MTU_DISCOVER, pmtudiscProbe)
		}
		f.pktinfo, f.df = info, df
		f.ecn = tos && !o.DisableECN
		_, err = syscall.GetsockoptInt(s, solUDP, udpSegment)
		f.gso = err == nil && !o.DisableGSO
	})
	return f
}

// setGRO turns coalescing of received datagrams on or off.
func setGRO(raw syscall.RawConn, v int) bool {
	ok := false
	_ = raw.Control(func(fd uintptr) {
		ok = syscall.SetsockoptInt(int(fd), solUDP, udpGRO, v) == nil
	})
	return ok
}

// forceBuffers exceeds net.core.rmem_max and wmem_max if the process may.
func forceBuffers(raw syscall.RawConn) {
	rcv, snd, ok := bufferSizes(raw)
	if !ok {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		if rcv < DesiredSocketBuffer {
			_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUFFORCE, DesiredSocketBuffer)
		}
		if snd < DesiredSocketBuffer {
			_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUFFORCE, DesiredSocketBuffer)
		}
	})
}

// bufferSizes returns what the buffers hold. The kernel reports twice the size that was set, for its
// own bookkeeping.
func bufferSizes(raw syscall.RawConn) (receive, send int, ok bool) {
	_ = raw.Control(func(fd uintptr) {
		r, err1 := syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF)
		w, err2 := syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF)
		receive, send, ok = r/2, w/2, err1 == nil && err2 == nil
	})
	return receive, send, ok
}
