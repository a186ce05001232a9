//go:build unix

package measure

import (
	"syscall"
	"time"
)

// cpuTime returns the processor time of the process. It depends less on what else the machine does than the clock.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
