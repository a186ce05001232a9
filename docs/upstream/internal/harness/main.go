package harness

import (
	"fmt"
	"os"
	"runtime/debug"
	"time"
)

// Patience is how long a program waits for something that takes milliseconds if it happens at all.
const Patience = 2 * time.Second

// Main runs the check of a program. A returned error is the failure that the program shows.
func Main(check func() error) {
	time.AfterFunc(30*time.Second, func() { exit(2, "no result within 30 s") })
	defer func() {
		if p := recover(); p != nil {
			exit(2, fmt.Sprintf("%v\n%s", p, debug.Stack()))
		}
	}()
	if err := check(); err != nil {
		exit(1, err.Error())
	}
	exit(0, "ok")
}

func exit(status int, text string) {
	fmt.Println(text)
	os.Exit(status)
}

// Must gives up if something fails that is no part of what the program shows.
func Must[T any](v T, err error) T {
	Check(err)
	return v
}

// Check is Must for errors alone.
func Check(err error) {
	if err != nil {
		panic(err)
	}
}

// Within reports whether f returns in time. f runs on; the program is about to end.
func Within(d time.Duration, f func()) bool {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
		return true
	case <-time.After(d):
		return false
	}
}

// Settle gives packets on loopback, and acknowledgements that are delayed by up to 25 ms, time to arrive.
func Settle() { time.Sleep(300 * time.Millisecond) }

// Brief is Settle without the delay of acknowledgements.
func Brief() { time.Sleep(30 * time.Millisecond) }
