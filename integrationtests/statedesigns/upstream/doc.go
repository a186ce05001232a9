// Package measure is the place where integrationtests/statedesigns builds its measuring program against quic-go
// v0.65.0, which the go.mod of this directory requires from the module proxy.
//
// The source is that of ../measure: the go command gets it from there as an overlay, and this file is replaced by the doc.go of
// that package. So both builds have the same workloads, the same simulated network and the same counting, and
// nothing of the main module depends on this one.
package measure
