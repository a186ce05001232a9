package http09

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"

	"github.com/quic-go/quic-go"
)

// MethodGet0RTT is a GET that may be sent in 0-RTT packets. Other requests wait for the handshake.
const MethodGet0RTT = "GET_0RTT"

// errorCodeCancelled ends the stream of a response whose body is not wanted any more.
const errorCodeCancelled quic.StreamErrorCode = 0

// A RoundTripper sends HTTP/0.9 requests. Its fields may not be changed after the first request.
type RoundTripper struct {
	TLSClientConfig *tls.Config
	QuicConfig      *quic.Config

	mu    sync.Mutex
	conns map[string]*sharedConn // by host and port
}

// A sharedConn is dialled by the first request that needs it.
type sharedConn struct {
	dialed chan struct{} // closed when the other two are set
	conn   *quic.Conn
	err    error
}

// RoundTrip implements http.RoundTripper. The status of a response is always 200.
func (r *RoundTripper) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method != http.MethodGet && req.Method != MethodGet0RTT {
		return nil, fmt.Errorf("http09: method %s", req.Method)
	}
	conn, err := r.connection(req)
	if err != nil {
		return nil, err
	}
	if req.Method == http.MethodGet {
		select {
		case <-conn.HandshakeComplete():
		case <-conn.Context().Done():
			return nil, context.Cause(conn.Context())
		case <-req.Context().Done():
			return nil, context.Cause(req.Context())
		}
	}
	str, err := conn.OpenStreamSync(req.Context())
	if err != nil {
		return nil, err
	}
	if _, err = io.WriteString(str, "GET "+req.URL.RequestURI()+"\r\n"); err == nil {
		err = str.Close()
	}
	if err != nil {
		str.CancelRead(errorCodeCancelled)
		return nil, err
	}
	stop := context.AfterFunc(req.Context(), func() { str.CancelRead(errorCodeCancelled) })
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/0.9", ProtoMinor: 9,
		Header: make(http.Header), Body: &body{str, stop}, ContentLength: -1, Request: req,
	}, nil
}

// connection returns the connection for req. One that is over is replaced.
func (r *RoundTripper) connection(req *http.Request) (*quic.Conn, error) {
	host := req.URL.Host
	if req.URL.Port() == "" {
		host = net.JoinHostPort(req.URL.Hostname(), "443")
	}
	c, first := r.shared(host)
	if first {
		c.conn, c.err = r.dial(req.Context(), host)
		close(c.dialed)
	}
	select {
	case <-c.dialed:
	case <-req.Context().Done():
		return nil, context.Cause(req.Context())
	}
	if c.err != nil {
		r.forget(host, c)
	}
	return c.conn, c.err
}

// shared returns the entry for host, and whether the caller has to dial.
func (r *RoundTripper) shared(host string) (c *sharedConn, first bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c, ok := r.conns[host]; ok && !c.isOver() {
		return c, false
	}
	if r.conns == nil {
		r.conns = make(map[string]*sharedConn)
	}
	c = &sharedConn{dialed: make(chan struct{})}
	r.conns[host] = c
	return c, true
}

func (c *sharedConn) isOver() bool {
	select {
	case <-c.dialed:
		return c.err != nil || c.conn.Context().Err() != nil
	default:
		return false
	}
}

func (r *RoundTripper) forget(host string, c *sharedConn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.conns[host] == c {
		delete(r.conns, host)
	}
}

func (r *RoundTripper) dial(ctx context.Context, host string) (*quic.Conn, error) {
	conf := r.TLSClientConfig.Clone() // nil stays nil
	if conf == nil {
		conf = &tls.Config{}
	}
	conf.NextProtos = []string{NextProto}
	return quic.DialAddrEarly(ctx, host, conf, r.QuicConfig)
}

// Close ends all connections. Requests that come later dial anew.
func (r *RoundTripper) Close() error {
	r.mu.Lock()
	conns := r.conns
	r.conns = nil
	r.mu.Unlock()
	var errs []error
	for _, c := range conns {
		<-c.dialed
		if c.err == nil {
			errs = append(errs, c.conn.CloseWithError(0, ""))
		}
	}
	return errors.Join(errs...)
}

// A body is the receive half of the stream.
type body struct {
	str  *quic.Stream
	stop func() bool // the end of the request's context does not matter any more
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) { return b.str.Read(p) }

// Close implements io.Closer.
func (b *body) Close() error {
	b.stop()
	b.str.CancelRead(errorCodeCancelled)
	return nil
}
