package recipes

import "github.com/quic-go/quic-go"

// Gate calls sendClosed once nothing more may be sent on the stream, and receiveClosed once nothing more will
// arrive or be wanted; each once, with the reason, which is nil if the half was finished. Neither may block.
func Gate(stream *quic.Stream, sendClosed, receiveClosed func(error)) (stop func() bool) {
	var sendTold, receiveTold bool // the calls for a stream never overlap
	return stream.OnStateTransition(func(quic.StreamState) {
		if state, err := stream.SendState(); state.Closed() && !sendTold {
			sendTold = true
			sendClosed(err)
		}
		if state, err := stream.ReceiveState(); state.Closed() && !receiveTold {
			receiveTold = true
			receiveClosed(err)
		}
	})
}
