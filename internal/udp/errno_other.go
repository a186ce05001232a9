//go:build !unix && !windows

package udp

import "syscall"

var (
	tooLongErrnos    []syscall.Errno
	transientErrnos  = []syscall.Errno{syscall.EAGAIN, syscall.EINTR}
	retryOnce        []syscall.Errno
	socketFullErrnos []syscall.Errno
	controlErrnos    []syscall.Errno
)
