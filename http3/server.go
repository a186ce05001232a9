package http3

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
)

// A contextKey is a key of values in the context of a request.
type contextKey struct{ name string }

func (k *contextKey) String() string { return "quic-go/http3 context value " + k.name }

var (
	// ServerContextKey is the key of the *Server that handles a request, in the request's context.
	ServerContextKey = &contextKey{"http3-server"}
	// RemoteAddrContextKey is the key of the client's net.Addr, in the request's context. The address is
	// that of the time when the connection was made.
	RemoteAddrContextKey = &contextKey{"remote-addr"}
)

// A QUICListener accepts QUIC connections. quic.Listener and quic.EarlyListener are such.
type QUICListener interface {
	Accept(context.Context) (*quic.Conn, error)
	Addr() net.Addr
	Close() error
}

var _ QUICListener = &quic.EarlyListener{}

// A Server serves HTTP/3. Its fields must not be changed while it is used; all methods may be
// called concurrently.
type Server struct {
	// Addr is the UDP address that ListenAndServe and ListenAndServeTLS listen on, ":https" if empty.
	Addr string
	// Port is the port that SetQUICHeaders announces, if it is not the one that the server
	// listens on.
	Port int
	// TLSConfig is needed by Serve and ListenAndServe. Its NextProtos are replaced.
	TLSConfig *tls.Config
	// QUICConfig is used for the connections that the server listens for itself.
	QUICConfig *quic.Config
	// Handler is called for each request, http.DefaultServeMux if nil.
	Handler http.Handler
	// EnableDatagrams turns on HTTP Datagrams (RFC 9297), and QUIC datagrams for the connections
	// that the server listens for itself.
	EnableDatagrams bool
	// MaxHeaderBytes limits the header of a request, http.DefaultMaxHeaderBytes if zero. A larger
	// one is answered with status 431.
	MaxHeaderBytes int
	// AdditionalSettings are sent in the SETTINGS frame.
	AdditionalSettings map[uint64]uint64
	// IdleTimeout is the time after which a connection without requests is closed. If zero, only
	// the idle timeout of QUIC applies, which keep-alive packets prolong.
	IdleTimeout time.Duration
	// ConnContext may change the context of the requests on a connection. It is derived from
	// the context of the connection.
	ConnContext func(ctx context.Context, c *quic.Conn) context.Context
	// Logger is told what happens. If nil, only panics of handlers are logged, with slog.Default.
	Logger *slog.Logger

	mu        sync.Mutex // guards what follows
	closed    bool
	stop      context.CancelFunc // ends what depends on running
	running   context.Context    // nil before it is needed
	listeners map[QUICListener]struct{}
	own       map[QUICListener]struct{} // those that the server has opened
	conns     map[*serverConn]struct{}
	drained   chan struct{} // closed when the last connection is gone; nil if nobody waits
	altSvc    string

	dateLine atomic.Pointer[dateLine] // of the last response
}

// A dateLine is the Date of responses in one second.
type dateLine struct {
	second int64
	text   string
}

// runningLocked returns a context that ends when the server is closed.
func (s *Server) runningLocked() context.Context {
	if s.running == nil {
		s.running, s.stop = context.WithCancel(context.Background())
	}
	return s.running
}

// addListener begins to serve a listener. It fails if the server is closed.
func (s *Server) addListener(ln QUICListener, own bool) (context.Context, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, http.ErrServerClosed
	}
	if s.listeners == nil {
		s.listeners = make(map[QUICListener]struct{})
		s.own = make(map[QUICListener]struct{})
	}
	s.listeners[ln] = struct{}{}
	if own {
		s.own[ln] = struct{}{}
	}
	s.updateAltSvcLocked()
	return s.runningLocked(), nil
}

func (s *Server) removeListener(ln QUICListener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, ln)
	delete(s.own, ln)
	s.updateAltSvcLocked()
}

// addConn begins to serve a connection. It fails if the server is closed.
func (s *Server) addConn(c *serverConn) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return http.ErrServerClosed
	}
	if s.conns == nil {
		s.conns = make(map[*serverConn]struct{})
	}
	s.conns[c] = struct{}{}
	return nil
}

func (s *Server) removeConn(c *serverConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	if len(s.conns) == 0 && s.drained != nil {
		close(s.drained)
		s.drained = nil
	}
}

// end stops listening. It returns the connections that are left.
func (s *Server) end() (conns []*serverConn, err error) {
	s.mu.Lock()
	s.closed = true
	s.runningLocked()
	s.stop()
	own := s.own
	s.listeners, s.own = nil, nil
	s.updateAltSvcLocked()
	for c := range s.conns {
		conns = append(conns, c)
	}
	s.mu.Unlock()
	for ln := range own {
		err = errors.Join(err, ln.Close())
	}
	return conns, err
}

// Close stops listening and closes all connections. Handlers that run see their requests fail. It
// does not wait for them.
func (s *Server) Close() error {
	conns, err := s.end()
	for _, c := range conns {
		c.conn.qc.CloseWithError(quic.ApplicationErrorCode(ErrCodeNoError), "")
	}
	return err
}

// Shutdown stops listening, tells the clients that no further requests are processed (GOAWAY), and
// waits until the requests that were received, also those that were under way, are answered and the answers
// acknowledged. Each connection is closed after its last request. Streams that a handler has taken over count as requests.
// If ctx ends before, Shutdown returns its error; the connections that are left can be closed with Close.
func (s *Server) Shutdown(ctx context.Context) error {
	conns, err := s.end()
	for _, c := range conns {
		c.shutdown()
	}
	s.mu.Lock()
	if len(s.conns) == 0 {
		s.mu.Unlock()
		return err
	}
	if s.drained == nil {
		s.drained = make(chan struct{})
	}
	drained := s.drained
	s.mu.Unlock()
	select {
	case <-drained:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Server) maxHeaderBytes() int {
	if s.MaxHeaderBytes <= 0 {
		return http.DefaultMaxHeaderBytes
	}
	return s.MaxHeaderBytes
}

func (s *Server) handler() http.Handler {
	if s.Handler == nil {
		return http.DefaultServeMux
	}
	return s.Handler
}

// date returns the Date of a response.
func (s *Server) date() string {
	now := time.Now()
	if line := s.dateLine.Load(); line != nil && line.second == now.Unix() {
		return line.text
	}
	text := now.UTC().Format(http.TimeFormat)
	s.dateLine.Store(&dateLine{now.Unix(), text})
	return text
}
