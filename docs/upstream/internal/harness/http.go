package harness

import (
	"context"
	"net/http"
	"net/url"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

const protocol = "harness"

// A Session is an HTTP/3 connection with datagrams.
type Session struct {
	Server     *http3.Server
	ServerConn *quic.Conn // of the client's connection
	ClientConn *quic.Conn
	Streams    <-chan *http3.Stream // the server's ends of the streams that Open has opened

	client *http3.ClientConn
}

// NewSession returns a connection whose server hands out its ends of the streams. Neither end does
// anything with a stream on its own.
func NewSession(clientConf *quic.Config) *Session {
	streams := make(chan *http3.Stream, 1000)
	return ServeSession(clientConf, streams, func(s *http3.Stream) { streams <- s })
}

// ServeSession is NewSession with another handler. It runs on the goroutine that http3 has for the request.
func ServeSession(clientConf *quic.Config, streams <-chan *http3.Stream, handle func(*http3.Stream)) *Session {
	clientConf.EnableDatagrams = true
	s := &Session{Streams: streams}
	server, client := TLS(http3.NextProtoH3)
	s.Server = &http3.Server{
		EnableDatagrams: true,
		QUICConfig:      &quic.Config{EnableDatagrams: true, MaxIncomingStreams: 1000},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusOK)
			handle(Must(w.(http3.HTTPStreamer).HTTPStream()))
		}),
	}
	ln := Must(quic.ListenEarly(Socket(), server, s.Server.QUICConfig))
	s.ClientConn = Must(quic.DialAddr(context.Background(), ln.Addr().String(), client, clientConf))
	s.ServerConn = Must(ln.Accept(context.Background()))
	go s.Server.ServeQUICConn(s.ServerConn)
	s.client = (&http3.Transport{EnableDatagrams: true}).NewClientConn(s.ClientConn)
	return s
}

// Open opens a stream by extended CONNECT and waits for the response.
func (s *Session) Open() *http3.RequestStream {
	str := Must(s.client.OpenRequestStream(context.Background()))
	Check(str.SendRequestHeader(&http.Request{
		Method: http.MethodConnect,
		Proto:  protocol,
		Host:   "localhost",
		URL:    &url.URL{Scheme: "https", Host: "localhost", Path: "/"},
		Header: http.Header{},
	}))
	if rsp := Must(str.ReadResponse()); rsp.StatusCode != http.StatusOK {
		panic(rsp.Status)
	}
	return str
}

// OpenBoth opens a stream and returns its two ends.
func (s *Session) OpenBoth() (client *http3.RequestStream, server *http3.Stream) {
	return s.Open(), <-s.Streams
}
