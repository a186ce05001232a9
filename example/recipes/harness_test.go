package recipes_test

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"sync"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/internal/testcert"
)

var ctx = context.Background()

func must[T any](v T, err error) T {
	check(err)
	return v
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// connect returns the ends of a connection over loopback. close ends it.
func connect() (server, client *quic.Conn, close func()) {
	config := &quic.Config{EnableDatagrams: true}
	ln := must(quic.ListenAddr("127.0.0.1:0", testcert.ServerConfig("recipes"), config))
	client = must(quic.DialAddr(ctx, ln.Addr().String(), testcert.ClientConfig("recipes"), config))
	server = must(ln.Accept(ctx))
	return server, client, func() {
		client.CloseWithError(0, "")
		<-server.Context().Done()
		ln.Close()
	}
}

// openBoth returns the ends of a stream that has carried one byte.
func openBoth(server, client *quic.Conn) (atServer, atClient *quic.Stream) {
	atClient = must(client.OpenStream())
	must(atClient.Write([]byte{0}))
	atServer = must(server.AcceptStream(ctx))
	must(atServer.Read(make([]byte, 1)))
	return atServer, atClient
}

// until waits until the stream was in a state.
func until(stream interface {
	OnStateTransition(func(quic.StreamState)) func() bool
}, want quic.StreamState) {
	reached := make(chan struct{})
	stop := stream.OnStateTransition(func(state quic.StreamState) {
		if state == want {
			close(reached)
		}
	})
	<-reached
	stop()
}

// connectHTTP returns an HTTP/3 client of a server that hands the streams of CONNECT requests, and their connections, to handle.
func connectHTTP(handle func(*quic.Conn, *http3.Stream)) (client *http3.RawClientConn, conn *quic.Conn, close func()) {
	config := &quic.Config{EnableDatagrams: true}
	ln := must(quic.ListenAddrEarly("127.0.0.1:0", testcert.ServerConfig(http3.NextProtoH3), config))
	conn = must(quic.DialAddr(ctx, ln.Addr().String(), testcert.ClientConfig(http3.NextProtoH3), config))
	atServer := must(ln.Accept(ctx))
	server := &http3.Server{EnableDatagrams: true, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
		handle(atServer, must(w.(http3.HTTPStreamer).HTTPStream()))
	})}
	go server.ServeQUICConn(atServer)
	client = (&http3.Transport{EnableDatagrams: true}).NewRawClientConn(conn)
	go func() {
		for {
			stream, err := conn.AcceptUniStream(ctx)
			if err != nil {
				return
			}
			go client.HandleUnidirectionalStream(stream)
		}
	}()
	return client, conn, func() {
		conn.CloseWithError(0, "")
		<-atServer.Context().Done()
		ln.Close()
	}
}

// openCONNECT opens a stream by extended CONNECT.
func openCONNECT(client *http3.RawClientConn) *http3.RequestStream {
	stream := must(client.OpenRequestStream(ctx))
	check(stream.SendRequestHeader(&http.Request{
		Method: http.MethodConnect,
		Proto:  "recipes",
		Host:   "localhost",
		URL:    &url.URL{Scheme: "https", Host: "localhost", Path: "/"},
		Header: http.Header{},
	}))
	must(stream.ReadResponse())
	return stream
}

// A watchedConn tells of its end.
type watchedConn struct {
	net.Conn
	once   sync.Once
	closed chan<- struct{}
}

func (c *watchedConn) Close() error {
	c.once.Do(func() { c.closed <- struct{}{} })
	return c.Conn.Close()
}
