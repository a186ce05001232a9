// Command receive-datagram-after-close waits for an HTTP Datagram on a stream while the connection is closed.
// ReceiveDatagram has to return the connection's error, as all other calls do that wait.
package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/docs/upstream/internal/harness"
)

func main() { harness.Main(check) }

func check() error {
	session := harness.NewSession(&quic.Config{})
	client, server := session.OpenBoth()
	harness.Check(session.ClientConn.CloseWithError(0x10, "bye"))
	for name, receive := range map[string]func(context.Context) ([]byte, error){
		"client": client.ReceiveDatagram, "server": server.ReceiveDatagram,
	} {
		var err error
		if !harness.Within(harness.Patience, func() { _, err = receive(context.Background()) }) {
			return fmt.Errorf("ReceiveDatagram of the %s is still blocked %v after the connection was closed", name, harness.Patience)
		}
		if err == nil {
			return errors.New("ReceiveDatagram returned a datagram that nobody has sent")
		}
	}
	return nil
}
