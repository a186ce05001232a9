package main

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/qlog"
)

const (
	alpn = http3.NextProtoH3
	// protocol is the :protocol of our extended CONNECT requests (RFC 9220).
	protocol = "datagram-walk"
	// Error codes of the walk.
	stopCode  quic.StreamErrorCode      = 0x5709
	resetCode quic.StreamErrorCode      = 0x2e5e7
	byeCode   quic.ApplicationErrorCode = 0xb1e
)

type server struct {
	addr net.Addr
	http *http3.Server
	sock net.PacketConn
	done chan struct{}
}

type connKey struct{}

func startServer(addr string, cert tls.Certificate, log *logger) (*server, error) {
	sock, err := net.ListenPacket("udp", addr)
	if err != nil {
		return nil, err
	}
	s := &server{addr: sock.LocalAddr(), sock: sock, done: make(chan struct{})}
	s.http = &http3.Server{
		TLSConfig:       http3.ConfigureTLSConfig(&tls.Config{Certificates: []tls.Certificate{cert}}),
		QUICConfig:      &quic.Config{EnableDatagrams: true, Tracer: qlog.WithStreamStates(log.trace)},
		EnableDatagrams: true,
		Handler:         http.HandlerFunc(handle),
		ConnContext: func(ctx context.Context, c *quic.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, c)
		},
	}
	go func() {
		defer close(s.done)
		s.http.Serve(sock)
	}()
	return s, nil
}

func (s *server) close() {
	s.http.Close()
	<-s.done
	s.sock.Close()
}

// handle takes over the stream of an extended CONNECT request and does what its path says once the client has sent one byte.
func handle(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect || r.Proto != protocol {
		http.Error(w, "this server speaks "+protocol+" only", http.StatusNotImplemented)
		return
	}
	w.WriteHeader(http.StatusOK)
	stream, err := w.(http3.HTTPStreamer).HTTPStream()
	if err != nil {
		return
	}
	if d, err := stream.ReceiveDatagram(r.Context()); err == nil {
		stream.SendDatagram(append([]byte("echo of "), d...))
	}
	if _, err := io.ReadFull(stream, make([]byte, 1)); err != nil {
		return
	}
	switch r.URL.Path {
	case "/close":
		io.Copy(io.Discard, stream)
		stream.Close()
	case "/stop":
		stream.CancelRead(stopCode)
		stream.SendDatagram([]byte("I no longer listen"))
	case "/reset":
		stream.CancelWrite(resetCode)
	case "/bye":
		r.Context().Value(connKey{}).(*quic.Conn).CloseWithError(byeCode, "bye")
	}
}
