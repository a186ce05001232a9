// Command stop-unnoticed sends STOP_SENDING on streams to which the other end never writes: it has read the request to the end
// and dropped the stream. The peer must be able to go on.
//
// With -context, the layer lets go of the stream when its context is done, at the price of a goroutine for each stream. That
// helps in v0.65.0, too.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"runtime"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/docs/upstream/internal/harness"
)

const limit = 10

var watch = flag.Bool("context", false, "cancel writing when the context of the stream is done")

func main() {
	flag.Parse()
	harness.Main(check)
}

func check() error {
	server, client := harness.Pair("test", &quic.Config{MaxIncomingStreams: limit}, &quic.Config{})
	for n := range 5 * limit {
		if n%limit == 0 {
			runtime.GC() // a stream that was dropped may be found only now
		}
		ctx, cancel := context.WithTimeout(context.Background(), harness.Patience)
		out, err := client.OpenStreamSync(ctx)
		cancel()
		if err != nil {
			return fmt.Errorf("%d streams were stopped, and with a limit of %d the peer can open no more", n, limit)
		}
		harness.Must(out.Write([]byte("hello")))
		harness.Check(out.Close())
		in := harness.Must(server.AcceptStream(context.Background()))
		harness.Must(io.ReadAll(in))
		if *watch {
			context.AfterFunc(in.Context(), func() { in.CancelWrite(0) })
		}
		out.CancelRead(1)
		harness.Brief()
	}
	return nil
}
