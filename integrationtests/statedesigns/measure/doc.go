// Package measure runs the experiment whose results integrationtests/statedesigns prints: it plays one workload in one
// network with one design that observes the states of streams, and counts what the design missed.
//
// The package is built twice, once in this module and once in the module ../upstream, which requires quic-go v0.65.0.
// Therefore it uses only what both public APIs have; the files with the build tag !upstream are the exception: the
// designs that need native states. Both builds share everything else, the simulated network too.
//
// What happened is taken from two logs (log.go): the frames of all packets that the observed endpoint sent and received, as
// it tells them to its qlog trace, and the calls of the application. A small machine (truth.go) derives from them which
// states were entered and when. No design is asked. What a design reported is compared with that (compare.go).
//
// Cells of kind Counts run in virtual time, so they must be run in a testing/synctest bubble; Latency and Cost
// use sockets on loopback and real time. The test TestMeasure is the program that the command runs.
package measure
