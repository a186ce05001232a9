package quic

// Socket options that package syscall does not have. They have the values of the Windows SDK.
const (
	IP_DONTFRAGMENT = 14
	IPV6_DONTFRAG   = 14
)
