package recipes

import (
	"context"

	"github.com/quic-go/quic-go"
)

// CloseAndWait finishes the stream and waits until the peer has acknowledged all data and the end. The error says why
// it has not and never will: the stream was reset, the connection ended.
func CloseAndWait(ctx context.Context, stream *quic.Stream) error {
	result := make(chan error, 1)
	stop := stream.OnStateTransition(func(state quic.StreamState) {
		switch state {
		case quic.SendStateDataRecvd, quic.SendStateResetQueued, quic.SendStateAbandoned:
			_, err := stream.SendState()
			select {
			case result <- err:
			default: // the reset was reported before
			}
		default:
		}
	})
	defer stop()
	stream.Close() // fails if the stream was reset, which the callback is told of
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
