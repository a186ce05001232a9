// Command reset-unread resets streams that the receiver has accepted, dropped, and never read. The peer must be able to go
// on: nobody will ever look at these streams, and nothing tells the layer that has dropped them of the reset.
//
// With -callback, the layer lets go of the stream in its final-size callback. That helps in v0.65.0, too.
package main

import (
	"context"
	"flag"
	"fmt"
	"runtime"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/docs/upstream/internal/harness"
)

const limit = 10

var callback = flag.Bool("callback", false, "cancel reading in the final-size callback")

func main() {
	flag.Parse()
	harness.Main(check)
}

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
		in := harness.Must(server.AcceptUniStream(context.Background()))
		if *callback {
			in.SetReceiveFinalSizeCallback(func(int64) { in.CancelRead(0) })
		}
		out.CancelWrite(1)
		harness.Brief()
	}
	return nil
}
