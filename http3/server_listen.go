package http3

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"

	"github.com/quic-go/quic-go"
)

var errNoTLSConfig = errors.New("use of http3.Server without TLSConfig")

// ListenAndServe listens on Server.Addr and serves HTTP/3 until the server is closed. It
// always returns an error, http.ErrServerClosed after Close or Shutdown.
func (s *Server) ListenAndServe() error { return s.listenAndServe(s.TLSConfig) }

// ListenAndServeTLS is ListenAndServe with a certificate and a key from PEM files.
func (s *Server) ListenAndServeTLS(certFile, keyFile string) error {
	tlsConf, err := withCertificate(s.TLSConfig, certFile, keyFile)
	if err != nil {
		return err
	}
	return s.listenAndServe(tlsConf)
}

func withCertificate(base *tls.Config, certFile, keyFile string) (*tls.Config, error) {
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, err
	}
	conf := &tls.Config{}
	if base != nil {
		conf = base.Clone()
	}
	conf.Certificates = []tls.Certificate{cert}
	return conf, nil
}

func (s *Server) listenAndServe(tlsConf *tls.Config) error {
	addr := s.Addr
	if addr == "" {
		addr = ":https"
	}
	return s.listen(tlsConf, func(tlsConf *tls.Config, conf *quic.Config) (*quic.EarlyListener, error) {
		return quic.ListenAddrEarly(addr, tlsConf, conf)
	})
}

// Serve serves HTTP/3 on a socket, which stays open, until the server is closed. It always returns an
// error, http.ErrServerClosed after Close or Shutdown.
func (s *Server) Serve(conn net.PacketConn) error {
	return s.listen(s.TLSConfig, func(tlsConf *tls.Config, conf *quic.Config) (*quic.EarlyListener, error) {
		return quic.ListenEarly(conn, tlsConf, conf)
	})
}

func (s *Server) listen(tlsConf *tls.Config, listen func(*tls.Config, *quic.Config) (*quic.EarlyListener, error)) error {
	if tlsConf == nil {
		return errNoTLSConfig
	}
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	if closed {
		return http.ErrServerClosed
	}
	tlsConf = ConfigureTLSConfig(tlsConf)
	bindTickets(tlsConf, s.newSettings())
	ln, err := listen(tlsConf, s.newQUICConfig())
	if err != nil {
		return err
	}
	defer ln.Close()
	return s.serve(ln, true)
}

func (s *Server) newSettings() *settingsFrame {
	return newSettings(server, s.EnableDatagrams, s.AdditionalSettings)
}

// newQUICConfig returns the configuration of the QUIC connections. Clients may open a stream in place of
// one that is over only after its handler has returned; so opening and resetting streams does not make
// more handlers run than there may be streams.
func (s *Server) newQUICConfig() *quic.Config {
	conf := &quic.Config{Allow0RTT: true}
	if s.QUICConfig != nil {
		conf = s.QUICConfig.Clone()
	}
	conf.RequireStreamCreditRelease = true
	if s.EnableDatagrams {
		conf.EnableDatagrams = true
	}
	return conf
}

// maxIncomingStreams returns how many request streams a client may have open on a connection that the server has listened
// for itself, 0 if that differs from one client to the next.
func (s *Server) maxIncomingStreams() int64 {
	switch conf := s.QUICConfig; {
	case conf == nil || conf.GetConfigForClient == nil && conf.MaxIncomingStreams == 0:
		return defaultMaxIncomingStreams
	case conf.GetConfigForClient != nil:
		return 0
	default:
		return max(conf.MaxIncomingStreams, 0)
	}
}

// ServeListener serves HTTP/3 on the connections of a listener, which stays open, until the server or
// the listener is closed. Its TLS configuration must negotiate HTTP/3, see ConfigureTLSConfig.
// If the listener allows 0-RTT, tickets of a server with other settings must not be valid any more
// (RFC 9114, Section 7.2.4.2); the other methods that serve see to that themselves.
// It always returns an error, http.ErrServerClosed after Close or Shutdown.
func (s *Server) ServeListener(ln QUICListener) error { return s.serve(ln, false) }

func (s *Server) serve(ln QUICListener, own bool) error {
	ctx, err := s.addListener(ln, own)
	if err != nil {
		return err
	}
	defer s.removeListener(ln)
	end := make(chan struct{})
	defer close(end)
	w := newWorkers(end)
	maxStreams := int64(0)
	if own {
		maxStreams = s.maxIncomingStreams()
	}
	for {
		conn, err := ln.Accept(ctx)
		if errors.Is(err, quic.ErrServerClosed) || ctx.Err() != nil {
			if err == nil {
				conn.CloseWithError(quic.ApplicationErrorCode(ErrCodeNoError), "")
			}
			return http.ErrServerClosed
		}
		if err != nil {
			return err
		}
		go s.serveAccepted(conn, maxStreams, w)
	}
}

func (s *Server) serveAccepted(conn *quic.Conn, maxStreams int64, w *workers) {
	if err := s.serveConn(conn, maxStreams, w); err != nil && s.Logger != nil {
		s.Logger.Debug("serving connection failed", "remote", conn.RemoteAddr().String(), "error", err)
	}
}

// ServeQUICConn serves HTTP/3 on a connection until that is over. It returns nil if either side has
// closed it with ErrCodeNoError, or the client with a code that means nothing, and the connection's error
// otherwise.
func (s *Server) ServeQUICConn(conn *quic.Conn) error { return s.serveConn(conn, 0, nil) }

func (s *Server) serveConn(conn *quic.Conn, maxStreams int64, w *workers) error {
	c, err := s.newConn(conn, maxStreams)
	if err != nil {
		return err
	}
	go c.conn.acceptUniStreams()
	for {
		str, err := conn.AcceptStream(context.Background())
		if err != nil {
			s.removeConn(c)
			return endOfConn(err)
		}
		if st := c.admit(str); st != nil {
			w.handle(task{c, st})
		}
	}
}

// endOfConn returns nil if err is the regular end of a connection.
func endOfConn(err error) error {
	var appErr *quic.ApplicationError
	if errors.As(err, &appErr) {
		code := ErrCode(appErr.ErrorCode)
		if code == ErrCodeNoError || appErr.Remote && code.meansNoError() {
			return nil
		}
	}
	return convertError(err)
}

// ListenAndServeQUIC listens on a UDP address and serves HTTP/3 with a certificate and a key from PEM
// files. If handler is nil, http.DefaultServeMux is used.
func ListenAndServeQUIC(addr, certFile, keyFile string, handler http.Handler) error {
	s := &Server{Addr: addr, Handler: handler}
	return s.ListenAndServeTLS(certFile, keyFile)
}

// ListenAndServeTLS listens on the UDP and the TCP port of an address, with a certificate and a key
// from PEM files, and serves HTTP/3 on the one, HTTP/1.1 and HTTP/2 on the other. Responses on TCP
// announce HTTP/3. If handler is nil, http.DefaultServeMux is used. It returns as soon as
// either server has failed.
func ListenAndServeTLS(addr, certFile, keyFile string, handler http.Handler) error {
	tlsConf, err := withCertificate(nil, certFile, keyFile)
	if err != nil {
		return err
	}
	if addr == "" {
		addr = ":https"
	}
	udpAddr, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		return err
	}
	udp, err := net.ListenUDP("udp", udpAddr)
	if err != nil {
		return err
	}
	defer udp.Close()
	if handler == nil {
		handler = http.DefaultServeMux
	}
	quicServer := &Server{TLSConfig: tlsConf, Handler: handler}
	tcpServer := &http.Server{Addr: addr, TLSConfig: tlsConf.Clone(), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		quicServer.SetQUICHeaders(w.Header())
		handler.ServeHTTP(w, r)
	})}
	defer quicServer.Close()
	defer tcpServer.Close()
	failed := make(chan error, 2)
	go func() { failed <- tcpServer.ListenAndServeTLS("", "") }()
	go func() { failed <- quicServer.Serve(udp) }()
	return <-failed
}
