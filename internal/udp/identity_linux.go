package udp

import (
	"net"
	"syscall"
)

// identity names a socket, whatever the number of its descriptors.
type identity struct{ device, inode uint64 }

// Identity returns what equals the Identity of everything that reads from the same socket, also through another
// descriptor, as those of net.UDPConn.File are. It returns nil if pc is no socket.
func Identity(pc net.PacketConn) any {
	c, ok := pc.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return nil
	}
	var st syscall.Stat_t
	if controlErr := raw.Control(func(fd uintptr) { err = syscall.Fstat(int(fd), &st) }); controlErr != nil || err != nil {
		return nil
	}
	return identity{uint64(st.Dev), uint64(st.Ino)}
}
