// Command close-burst closes a connection with 200 open request streams on which nobody waits, and counts goroutines.
// Whoever follows streams by their contexts gets a goroutine for each of them at this moment.
package main

import (
	"fmt"
	"runtime"
	"sync/atomic"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/docs/upstream/internal/harness"
)

const streams = 200

func main() { harness.Main(check) }

func check() error {
	session := harness.NewSession(&quic.Config{})
	for range streams {
		session.OpenBoth()
	}
	harness.Settle()
	before := runtime.NumGoroutine()
	var peak atomic.Int64
	go func() {
		for {
			peak.Store(max(peak.Load(), int64(runtime.NumGoroutine())))
			runtime.Gosched()
		}
	}()
	session.ClientConn.CloseWithError(0, "")
	harness.Settle()
	if p := peak.Load(); p > int64(before)+20 {
		return fmt.Errorf("closing a connection with %d streams needs up to %d goroutines, %d before", streams, p, before)
	}
	return nil
}
