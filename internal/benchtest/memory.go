package benchtest

import "runtime"

// Memory returns how many bytes the objects on the heap and the stacks of the goroutines take, after what nobody refers to was
// collected.
func Memory() int64 {
	for range 3 { // sync.Pool lets go after two collections, finalizers and cleanups run after one
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// Allocations returns how many objects the process has allocated so far.
func Allocations() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.Mallocs)
}
