// Command control-stream-stopped sends STOP_SENDING on the control stream of a server: "If either control stream is closed at
// any point, this MUST be treated as a connection error of type H3_CLOSED_CRITICAL_STREAM." (RFC 9114, Section 6.2.1)
package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/docs/upstream/internal/harness"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/quicvarint"
)

const controlStream = 0x00 // RFC 9114, Section 6.2.1

func main() { harness.Main(check) }

func check() error {
	server, client := harness.Pair(http3.NextProtoH3, &quic.Config{}, &quic.Config{})
	go (&http3.Server{}).ServeQUICConn(server)
	ctx, cancel := context.WithTimeout(context.Background(), harness.Patience)
	defer cancel()
	for {
		in := harness.Must(client.AcceptUniStream(ctx))
		if harness.Must(quicvarint.Read(quicvarint.NewReader(in))) == controlStream {
			in.CancelRead(quic.StreamErrorCode(http3.ErrCodeNoError))
			break
		}
	}
	select {
	case <-client.Context().Done():
	case <-time.After(harness.Patience):
		return fmt.Errorf("STOP_SENDING on the control stream is ignored: the connection is still open after %v", harness.Patience)
	}
	var closed *quic.ApplicationError
	if err := context.Cause(client.Context()); !errors.As(err, &closed) || closed.ErrorCode != quic.ApplicationErrorCode(http3.ErrCodeClosedCriticalStream) {
		return fmt.Errorf("the connection was closed with %v", err)
	}
	return nil
}
