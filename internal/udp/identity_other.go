//go:build !linux

package udp

import "net"

// Identity returns nil: only on Linux it can tell that descriptors are of the same socket.
func Identity(net.PacketConn) any { return nil }
