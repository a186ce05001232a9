package endpoint

import (
	"crypto/tls"
	_ "unsafe" // for linkname
)

// crypto/tls has no field for the cipher suites of TLS 1.3. It promises to keep these two variables, by their comments there.
var (
	//go:linkname defaultCipherSuitesTLS13 crypto/tls.defaultCipherSuitesTLS13
	defaultCipherSuitesTLS13 []uint16

	//go:linkname defaultCipherSuitesTLS13NoAES crypto/tls.defaultCipherSuitesTLS13NoAES
	defaultCipherSuitesTLS13NoAES []uint16
)

// offerOnlyChaCha20 makes all clients of the process offer one cipher suite, until restore is called. There may be no handshake
// at the same time.
func offerOnlyChaCha20() (restore func()) {
	aes, noAES := defaultCipherSuitesTLS13, defaultCipherSuitesTLS13NoAES
	only := []uint16{tls.TLS_CHACHA20_POLY1305_SHA256}
	defaultCipherSuitesTLS13, defaultCipherSuitesTLS13NoAES = only, only
	return func() { defaultCipherSuitesTLS13, defaultCipherSuitesTLS13NoAES = aes, noAES }
}
