// Command server is the server of the QUIC interop runner.
//
//	TESTCASE=transfer server [-addr HOST:PORT] [-www DIR] [-certs DIR] [-h3]
//
// It serves files until it is interrupted, with the certificate chain cert.pem and the key priv.key, as the test case asks
// for, and prints its address. It exits with status 127 if the test case is not supported.
// SSLKEYLOGFILE and QLOGDIR name where TLS secrets and traces go. Package interop/endpoint says more.
package main
