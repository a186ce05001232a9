// Command statedesigns compares four designs that tell a layer above QUIC of the states of streams: a wrapper, a channel, the
// callback of this module, and the completion rule of quic-go v0.65.0. Run it in the root directory of the module:
//
//	go run ./integrationtests/statedesigns
//
// It prints tables and writes docs/state-designs.md, where the method is explained, and plots beside it. The exit status is
// that of the callback: 1 if it misses, repeats or misorders a transition, if a datagram passes after the close, if it
// costs a goroutine or an allocation for a transition, or if a stream leaks.
//
// The map:
//
//	measure/     the program that measures: workloads, designs, truth, comparison; a test, since only tests have virtual time
//	upstream/    a module that requires quic-go v0.65.0, where the same source is built through an overlay
//	plots/       a module that requires the plotting library, run with "go run"
//	build.go     builds the measuring programs, with an overlay if there is a fault
//	fault.go     the faults: lines of the library that are changed for one run
//	run.go       runs them cell by cell, survives their end, shows progress
//	verdict.go   what the callback has to achieve
//	cost.go      what a design costs, compared with nobody observing
//	design.go, table.go, tables.go, cost_tables.go, figures.go, report.go   from rows to the document
//
// Measuring programs are processes of their own, for three reasons: there are two modules of one path to link, a fault may
// stop one for good, and a heap without history is easier to weigh. The command itself stays in the main module, where "go run"
// finds it. What it needs beyond that is in nested modules that it reaches through the go command, so that neither
// the plotting library nor another quic-go is a requirement of this module. If the module proxy cannot be reached, the
// command says so and leaves the column or the plots out.
package main
