// Command receive-datagram-after-reset waits for an HTTP Datagram on a stream that the peer resets, or finishes. Nothing will
// arrive, so that ReceiveDatagram has to say so. A proxy has one goroutine there for each flow.
package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/docs/upstream/internal/harness"
	"github.com/quic-go/quic-go/http3"
)

func main() { harness.Main(check) }

func check() error {
	var blocked []string
	for _, cause := range []struct {
		name string
		end  func(client *http3.RequestStream)
	}{
		{"RESET_STREAM", func(s *http3.RequestStream) { s.CancelWrite(1) }},
		{"FIN", func(s *http3.RequestStream) { s.Close() }},
	} {
		client, server := harness.NewSession(&quic.Config{}).OpenBoth()
		cause.end(client)
		if !harness.Within(harness.Patience, func() { server.ReceiveDatagram(context.Background()) }) {
			blocked = append(blocked, cause.name)
		}
	}
	if blocked != nil {
		return fmt.Errorf("ReceiveDatagram is still blocked %v after %s", harness.Patience, strings.Join(blocked, ", and after "))
	}
	return nil
}
