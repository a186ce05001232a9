// Package testcert makes certificates for tests and examples: one authority, one server certificate for
// localhost and loopback addresses, one client certificate.
//
// The keys are made once in a process and never leave it. The certificates are valid from 1990 to 2100,
// so that they also work in testing/synctest bubbles, whose clocks start in 2000. Nothing of this package
// is fit for a network other than the own machine. All functions may be called from any goroutine.
package testcert
