package udp

import "syscall"

// Numbers of Winsock that package syscall does not name.
const (
	wsaEACCES        = syscall.Errno(10013)
	wsaEINVAL        = syscall.Errno(10022)
	wsaEWOULDBLOCK   = syscall.Errno(10035)
	wsaEMSGSIZE      = syscall.Errno(10040)
	wsaEADDRNOTAVAIL = syscall.Errno(10049)
	wsaENETDOWN      = syscall.Errno(10050)
	wsaENETUNREACH   = syscall.Errno(10051)
	wsaENETRESET     = syscall.Errno(10052)
	wsaECONNRESET    = syscall.Errno(10054)
	wsaENOBUFS       = syscall.Errno(10055)
	wsaECONNREFUSED  = syscall.Errno(10061)
	wsaEHOSTUNREACH  = syscall.Errno(10065)
	portUnreachable  = syscall.Errno(1234)
)

var tooLongErrnos = []syscall.Errno{wsaEMSGSIZE}

var transientErrnos = []syscall.Errno{
	wsaEACCES, wsaEINVAL, wsaEWOULDBLOCK, wsaEADDRNOTAVAIL, wsaENETDOWN, wsaENETUNREACH, wsaENETRESET,
	wsaECONNRESET, wsaENOBUFS, wsaECONNREFUSED, wsaEHOSTUNREACH, portUnreachable,
	syscall.EAGAIN, syscall.EINTR, syscall.ENOBUFS, syscall.ENOMEM, syscall.EPERM, syscall.EINVAL, syscall.EIO,
	syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.ECONNREFUSED,
}

var (
	retryOnce        = []syscall.Errno{wsaECONNRESET, wsaENETRESET}
	socketFullErrnos = []syscall.Errno{wsaEWOULDBLOCK}
	controlErrnos    = []syscall.Errno{wsaEINVAL}
)
