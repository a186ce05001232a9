package benchtest

import (
	"testing"
	"time"
)

// A CPUMeter counts the CPU time that all threads of the process have used since StartCPU, in user and in system mode.
type CPUMeter struct{ start time.Duration }

// StartCPU is called immediately before the loop of a benchmark, when everything is set up.
func StartCPU() CPUMeter { return CPUMeter{processCPU()} }

// Report adds the CPU time of one operation to the results of b. A system without getrusage has none.
func (m CPUMeter) Report(b *testing.B) {
	b.Helper()
	if used := processCPU() - m.start; used > 0 {
		b.ReportMetric(float64(used.Nanoseconds())/float64(b.N), "cpu-ns/op")
	}
}
