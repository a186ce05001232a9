// Command datagram-after-reset lets a datagram arrive after the RESET_STREAM of its stream, which nobody has read: "If a datagram
// is received after the corresponding stream's receive side is closed, the received datagrams MUST be silently dropped."
// (RFC 9297, Section 2.1)
package main

import (
	"context"
	"errors"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/docs/upstream/internal/harness"
	"github.com/quic-go/quic-go/quicvarint"
)

func main() { harness.Main(check) }

func check() error {
	session := harness.NewSession(&quic.Config{})
	client, server := session.OpenBoth()
	client.CancelWrite(1)
	harness.Settle()
	// On another path this datagram would have been sent before the reset.
	late := append(quicvarint.Append(nil, uint64(client.StreamID()/4)), "late"...)
	harness.Check(session.ClientConn.SendDatagram(late))
	ctx, cancel := context.WithTimeout(context.Background(), harness.Patience)
	defer cancel()
	if _, err := server.ReceiveDatagram(ctx); err == nil {
		return errors.New("a datagram that arrived after the RESET_STREAM of its stream was delivered")
	}
	return nil
}
