// Package utils holds what the client and the server of the interoperability tests share: where TLS
// secrets and qlog traces go, named by the environment.
//
// The variables are read when a function is called. The package keeps no state; its functions may be called
// from any goroutine.
package utils
