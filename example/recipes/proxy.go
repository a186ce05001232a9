package recipes

import (
	"context"
	"net"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// RelayUDP relays between the HTTP Datagrams of a CONNECT-UDP request (RFC 9298) and a connected UDP socket until either
// half of the stream is closed or the socket fails. Then the socket is closed. Nobody has to sit in Read to see the end.
func RelayUDP(stream *http3.Stream, socket net.Conn) {
	stream.OnStateTransition(func(quic.StreamState) {
		send, _ := stream.SendState()
		receive, _ := stream.ReceiveState()
		if send.Closed() || receive.Closed() {
			socket.Close() // ends both loops; closing it again is harmless
		}
	})
	go func() {
		defer func() {
			stream.Close()
			stream.CancelRead(quic.StreamErrorCode(http3.ErrCodeNoError)) // no capsules are expected
		}()
		datagram := make([]byte, 1+1500) // Context ID 0, payload (RFC 9298, Section 5)
		for {
			n, err := socket.Read(datagram[1:])
			if err != nil {
				return
			}
			stream.SendDatagram(datagram[:1+n]) // one that is too large, or late, is lost as on any network
		}
	}()
	for {
		datagram, err := stream.ReceiveDatagram(context.Background())
		if err != nil {
			return
		}
		if len(datagram) > 0 && datagram[0] == 0 {
			socket.Write(datagram[1:])
		}
	}
}
