//go:build !linux

package udp

import (
	"net"
	"syscall"
)

func newUDPConn(c *net.UDPConn, _ syscall.RawConn, f features) Conn { return newMsgConn(c, f) }

func forceBuffers(syscall.RawConn) {}
