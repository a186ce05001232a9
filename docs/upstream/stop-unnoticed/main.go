// Command stop-unnoticed sends STOP_SENDING on streams to which the other end never writes: it has read the request to the end
// and dropped the stream. The peer must be able to go on.
package main

import (
	"context"
	"fmt"
	"io"
	"runtime"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/docs/upstream/internal/harness"
)

const limit = 10

func main() { harness.Main(check) }

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
		harness.Must(io.ReadAll(harness.Must(server.AcceptStream(context.Background()))))
		out.CancelRead(1)
		harness.Brief()
	}
	return nil
}
