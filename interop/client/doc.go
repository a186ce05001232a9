// Command client is the client of the QUIC interop runner.
//
//	TESTCASE=transfer client [-downloads DIR] [-certs DIR] [-h3] [URL]...
//
// It fetches the URLs of its arguments and of the environment variable REQUESTS, as the test case asks for, saves the
// files by their names and exits with status 0 if all are there, 1 if not, 127 if the test case is not supported.
// SSLKEYLOGFILE and QLOGDIR name where TLS secrets and traces go. Package interop/endpoint says more.
package main
