package recipes_test

import (
	"fmt"
	"io"
	"net"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/example/recipes"
	"github.com/quic-go/quic-go/http3"
)

// The peer stops the stream while the application is idle.
func ExampleGate() {
	server, client, closeConn := connect()
	defer closeConn()
	stream, peer := openBoth(server, client)
	sendClosed, receiveClosed := make(chan error, 1), make(chan error, 1)
	recipes.Gate(stream, func(err error) { sendClosed <- err }, func(err error) { receiveClosed <- err })

	fmt.Println("open:", stream.SendDatagram([]byte("position 1")))
	peer.CancelRead(7) // STOP_SENDING
	fmt.Println("told:", <-sendClosed)
	fmt.Println("closed:", stream.SendDatagram([]byte("position 2")))
	peer.Close()
	fmt.Println("nothing more will arrive:", <-receiveClosed)
	// Output:
	// open: <nil>
	// told: stream 0 canceled by remote with error code 7
	// closed: stream 0 canceled by remote with error code 7
	// nothing more will arrive: <nil>
}

// Three streams end in three ways, and the application touches none of them.
func ExampleStreamMap() {
	server, client, closeConn := connect()
	removed := make(chan string, 4)
	flows := recipes.StreamMap[string]{Removed: func(name string) { removed <- name }}
	stream, peer := openBoth(server, client)
	flows.Add(stream, "finished by us, reset by the peer")
	stream.Close()
	other, _ := openBoth(server, client)
	flows.Add(other, "open until the connection ends")
	fmt.Println(flows.Len(), "flows")

	peer.CancelWrite(1)
	fmt.Println("removed:", <-removed)
	closeConn()
	fmt.Println("removed:", <-removed)
	flows.Add(stream, "added after its end")
	fmt.Println("removed:", <-removed)
	fmt.Println(flows.Len(), "flows")
	// Output:
	// 2 flows
	// removed: finished by us, reset by the peer
	// removed: open until the connection ends
	// removed: added after its end
	// 0 flows
}

// Of two answers the peer takes one.
func ExampleCloseAndWait() {
	server, client, closeConn := connect()
	defer closeConn()
	stream, peer := openBoth(server, client)
	must(stream.Write([]byte("answer")))
	fmt.Println("delivered:", recipes.CloseAndWait(ctx, stream))
	fmt.Printf("%s\n", must(io.ReadAll(peer)))

	stream, peer = openBoth(server, client)
	must(stream.Write([]byte("answer")))
	peer.CancelRead(1)
	until(stream, quic.SendStateResetQueued)
	fmt.Println("not delivered:", recipes.CloseAndWait(ctx, stream))
	// Output:
	// delivered: <nil>
	// answer
	// not delivered: stream 4 canceled by remote with error code 1
}

// The client finishes the CONNECT stream. The server's application does nothing, and all ends.
func ExampleSession() {
	sessions := make(chan *recipes.Session, 1)
	client, conn, closeConn := connectHTTP(func(conn *quic.Conn, connect *http3.Stream) {
		session := recipes.NewSession(connect)
		for range 2 {
			stream := must(conn.OpenStream())
			must(stream.Write([]byte("hello")))
			session.Add(stream)
		}
		sessions <- session
	})
	defer closeConn()
	connect := openCONNECT(client)
	streams := []*quic.Stream{must(conn.AcceptStream(ctx)), must(conn.AcceptStream(ctx))}
	fmt.Println("datagram:", connect.SendDatagram([]byte("hello")))
	connect.Close()
	for _, stream := range streams {
		_, err := io.ReadAll(stream)
		fmt.Println("read:", err)
	}
	_, err := connect.ReceiveDatagram(ctx)
	fmt.Println("datagrams:", err)

	late := must(conn.OpenStream()) // any stream will do
	fmt.Println("added:", (<-sessions).Add(late))
	// Output:
	// datagram: <nil>
	// read: stream 1 canceled by remote with error code 386759528
	// read: stream 5 canceled by remote with error code 386759528
	// datagrams: EOF
	// added: false
}

// A flow ends by STOP_SENDING, which no call of Read sees, a second one with its connection.
func ExampleRelayUDP() {
	target := must(net.ListenPacket("udp", "127.0.0.1:0"))
	defer target.Close()
	go func() {
		buf := make([]byte, 1500)
		for {
			n, addr, err := target.ReadFrom(buf)
			if err != nil {
				return
			}
			target.WriteTo(buf[:n], addr)
		}
	}()
	closed := make(chan struct{}, 2)
	client, _, closeConn := connectHTTP(func(_ *quic.Conn, stream *http3.Stream) {
		socket := must(net.Dial("udp", target.LocalAddr().String()))
		recipes.RelayUDP(stream, &watchedConn{Conn: socket, closed: closed})
	})
	first, second := openCONNECT(client), openCONNECT(client)
	for _, flow := range []*http3.RequestStream{first, second} {
		check(flow.SendDatagram([]byte("\x00echo")))
		fmt.Printf("%q\n", must(flow.ReceiveDatagram(ctx)))
	}
	first.CancelRead(1)
	<-closed
	fmt.Println("the first socket is closed")
	closeConn()
	<-closed
	fmt.Println("the second socket is closed")
	// Output:
	// "\x00echo"
	// "\x00echo"
	// the first socket is closed
	// the second socket is closed
}
