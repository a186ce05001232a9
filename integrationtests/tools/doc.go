// Package tools holds what tests over real or simulated networks need: certificates, a TLS configuration with a
// certificate chain that does not fit what a server may send to an unvalidated address, and qlog traces.
//
// The certificates are valid from 1990 to 2100, so that they also work in testing/synctest bubbles. All
// functions may be called from any goroutine.
package tools
