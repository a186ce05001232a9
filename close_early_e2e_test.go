package quic_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	quic "github.com/quic-go/quic-go"
)

// A client that closes as soon as its side of the handshake is complete ends the handshake of the server too, which could not
// read the reason otherwise.
func TestCloseRightAfterDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newEarlyBed(t, delayed())
		b.listen(t)
		for range 30 {
			c, err := b.client.Dial(t.Context(), b.addr(), b.clientTLS, b.clientConfig)
			if err != nil {
				t.Fatal(err)
			}
			c.CloseWithError(0x101, "why")
			s := b.accept(t)
			<-s.Context().Done()
			var appErr *quic.ApplicationError
			if err := context.Cause(s.Context()); !errors.As(err, &appErr) || appErr.ErrorCode != 0x101 || appErr.ErrorMessage != "why" {
				t.Fatalf("the server sees %v", err)
			}
		}
	})
}
