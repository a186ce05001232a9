// Package benchtest measures for the benchmarks of other packages what package testing does not: the CPU time of the process
// and the memory that is in use.
//
// It is for tests and benchmarks only, whose goroutine calls it. What it returns belongs to the whole process, so that
// nothing else may run meanwhile: no other benchmark, and no test in parallel.
package benchtest
