// Command reset-unread resets streams that the receiver has accepted, dropped, and never read. The peer must be able to go
// on: nobody will ever look at these streams, and nothing tells the layer that has dropped them of the reset.
package main

import (
	"context"
	"fmt"
	"runtime"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/docs/upstream/internal/harness"
)

const limit = 10

func main() { harness.Main(check) }

func check() error {
	server, client := harness.Pair("test", &quic.Config{MaxIncomingUniStreams: limit}, &quic.Config{})
	for n := range 5 * limit {
		if n%limit == 0 {
			runtime.GC() // a stream that was dropped may be found only now
		}
		ctx, cancel := context.WithTimeout(context.Background(), harness.Patience)
		out, err := client.OpenUniStreamSync(ctx)
		cancel()
		if err != nil {
			return fmt.Errorf("%d streams were reset, and with a limit of %d the peer can open no more", n, limit)
		}
		harness.Must(out.Write([]byte("hello")))
		harness.Must(server.AcceptUniStream(context.Background()))
		out.CancelWrite(1)
		harness.Brief()
	}
	return nil
}
