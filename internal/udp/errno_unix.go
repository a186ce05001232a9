//go:build unix

package udp

import "syscall"

var tooLongErrnos = []syscall.Errno{syscall.EMSGSIZE}

var transientErrnos = []syscall.Errno{
	syscall.EAGAIN, syscall.EINTR, syscall.ENOBUFS, syscall.ENOMEM, syscall.EPERM, syscall.EACCES,
	syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.ENETDOWN, syscall.EHOSTDOWN, syscall.ENETRESET,
	syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EADDRNOTAVAIL,
	syscall.EINVAL, syscall.EIO, syscall.EPROTO, syscall.ENOPROTOOPT, syscall.ETIMEDOUT, syscall.ENODEV,
}

// retryOnce lists errnos that may be about an earlier packet: nothing was sent, and the same call
// works the next time.
var retryOnce = []syscall.Errno{syscall.EINTR, syscall.EPERM, syscall.ECONNREFUSED}

// socketFullErrnos say that there is no room in the send buffer now.
var socketFullErrnos = []syscall.Errno{syscall.EAGAIN}

// controlErrnos are the answers to a control message that the system does not take.
var controlErrnos = []syscall.Errno{syscall.EINVAL, syscall.EIO}
