// Command server-close closes an http3.Server one of whose handlers waits for a datagram.
// Close has to end the connections, and with them the wait, and to return.
package main

import (
	"context"
	"fmt"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/docs/upstream/internal/harness"
	"github.com/quic-go/quic-go/http3"
)

func main() { harness.Main(check) }

func check() error {
	waiting := make(chan struct{})
	session := harness.ServeSession(&quic.Config{}, nil, func(s *http3.Stream) {
		close(waiting)
		s.ReceiveDatagram(context.Background())
	})
	session.Open()
	<-waiting
	if !harness.Within(harness.Patience, func() { session.Server.Close() }) {
		return fmt.Errorf("Server.Close hangs for %v because a handler is in ReceiveDatagram", harness.Patience)
	}
	return nil
}
