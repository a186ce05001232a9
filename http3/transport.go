package http3

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"

	"github.com/quic-go/quic-go"
	"golang.org/x/net/http/httpguts"
)

const defaultMaxResponseHeaderBytes = 10 << 20

// A Transport is an http.RoundTripper for HTTP/3. It keeps one connection to each host and port.
// Its fields must not be changed after the first use; all methods may be called concurrently.
type Transport struct {
	// TLSClientConfig is used for all connections. If nil, the default configuration is used.
	TLSClientConfig *tls.Config
	// QUICConfig is used for all connections. If nil, a default is used: no streams opened
	// by servers and a keep-alive every 10 seconds. It may name at most one QUIC version.
	QUICConfig *quic.Config
	// Dial makes the QUIC connections. If nil, all connections share one UDP socket, which
	// is opened by the first of them.
	Dial func(ctx context.Context, addr string, tlsCfg *tls.Config, cfg *quic.Config) (*quic.Conn, error)
	// EnableDatagrams turns on HTTP Datagrams (RFC 9297). If QUICConfig is set, that has to
	// enable QUIC datagrams too.
	EnableDatagrams bool
	// AdditionalSettings are sent in the SETTINGS frame.
	AdditionalSettings map[uint64]uint64
	// MaxResponseHeaderBytes limits the header of a response, 10 MiB if zero.
	MaxResponseHeaderBytes int
	// DisableCompression keeps the Transport from asking for gzip, and from undoing it. It does so
	// only for requests without Accept-Encoding and Range.
	DisableCompression bool
	// Logger is told what happens. It may be nil.
	Logger *slog.Logger

	initOnce   sync.Once
	initErr    error
	quicConfig *quic.Config

	mu     sync.Mutex // guards what follows
	closed bool
	conns  map[string]*pooledConn   // by host:port
	open   map[*pooledConn]struct{} // not closed; those that take no more requests, too
	socket *quic.Transport          // our own, nil before it is needed
}

// RoundTripOpt are options of Transport.RoundTripOpt.
type RoundTripOpt struct {
	// OnlyCachedConn makes RoundTripOpt return ErrNoCachedConn instead of dialling.
	OnlyCachedConn bool
}

var _ http.RoundTripper = &Transport{}

func (t *Transport) init() error {
	t.initOnce.Do(func() { t.quicConfig, t.initErr = t.newQUICConfig() })
	return t.initErr
}

// newQUICConfig returns the configuration of the QUIC connections.
func (t *Transport) newQUICConfig() (*quic.Config, error) {
	if t.QUICConfig == nil {
		return &quic.Config{
			Versions:           quic.SupportedVersions()[:1],
			MaxIncomingStreams: -1,
			KeepAlivePeriod:    defaultKeepAlive,
			EnableDatagrams:    t.EnableDatagrams,
		}, nil
	}
	if t.EnableDatagrams && !t.QUICConfig.EnableDatagrams {
		return nil, errors.New("HTTP Datagrams enabled, but QUIC Datagrams disabled")
	}
	if len(t.QUICConfig.Versions) > 1 {
		return nil, errors.New("can only use a single QUIC version for dialing a HTTP/3 connection")
	}
	conf := t.QUICConfig.Clone()
	if len(conf.Versions) == 0 {
		conf.Versions = quic.SupportedVersions()[:1]
	}
	if conf.MaxIncomingStreams == 0 {
		conf.MaxIncomingStreams = -1
	}
	return conf, nil
}

func (t *Transport) maxResponseHeaderBytes() int {
	if t.MaxResponseHeaderBytes <= 0 {
		return defaultMaxResponseHeaderBytes
	}
	return t.MaxResponseHeaderBytes
}

// NewClientConn makes an HTTP/3 connection of a QUIC connection. Unlike those of RoundTrip it does not
// remember the settings of the server for 0-RTT (RFC 9114, Section 7.2.4.2).
func (t *Transport) NewClientConn(conn *quic.Conn) *ClientConn {
	c := t.newClientConn(conn)
	c.start()
	return c
}

// NewRawClientConn makes an HTTP/3 connection of a QUIC connection. The caller accepts the streams of
// the server and passes those that are meant for HTTP/3 to HandleUnidirectionalStream and
// HandleBidirectionalStream.
func (t *Transport) NewRawClientConn(conn *quic.Conn) *RawClientConn {
	return &RawClientConn{ClientConn: t.newClientConn(conn)}
}

// RoundTrip sends a request and returns the response. Its body must be read to the end or closed.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	return t.RoundTripOpt(req, RoundTripOpt{})
}

// maxAttempts is how often a request is sent before its error is returned.
const maxAttempts = 3

// RoundTripOpt is RoundTrip with options.
func (t *Transport) RoundTripOpt(req *http.Request, opt RoundTripOpt) (*http.Response, error) {
	if err := t.prepare(req); err != nil {
		closeBody(req)
		return nil, err
	}
	key := authority(req)
	for attempt := 1; ; attempt++ {
		p, err := t.acquire(req, key, opt)
		if err != nil {
			closeBody(req)
			return nil, err
		}
		reused := p.conn.wasAnswered()
		rsp, f, err := p.conn.roundTrip(req)
		if err == nil {
			return rsp, nil
		}
		switch {
		case errors.Is(err, quic.Err0RTTRejected):
			t.renew(p)
		case errors.Is(err, net.ErrClosed):
			// Streams learn of the end of a connection before its context ends.
			t.mu.Lock()
			t.forgetLocked(p)
			t.mu.Unlock()
		}
		if attempt >= maxAttempts || !mayRepeat(req, f.verdict, reused) {
			if !f.bodyTaken {
				closeBody(req)
			}
			return nil, err
		}
		t.logRetry(key, err)
		if f.bodyTaken {
			if req = rewind(req); req == nil {
				return nil, err
			}
		}
	}
}

func (t *Transport) prepare(req *http.Request) error {
	if err := t.init(); err != nil {
		return err
	}
	return checkRequest(req)
}

func (t *Transport) logRetry(key string, err error) {
	if t.Logger != nil {
		t.Logger.Debug("sending request again", "host", key, "error", err)
	}
}

// mayRepeat reports whether a failed request may be sent again.
//
// "A client SHOULD NOT automatically retry a request with a non-idempotent method unless it has some
// means to know that the request semantics are actually idempotent, regardless of the method, or some
// means to detect that the original request was never applied." (RFC 9110, Section 9.2.2)
func mayRepeat(req *http.Request, v verdict, reused bool) bool {
	if req.Context().Err() != nil {
		return false
	}
	switch v {
	case unprocessed:
		return true
	case broken:
		return reused && isIdempotent(req)
	default:
		return false
	}
}

func isIdempotent(req *http.Request) bool {
	switch wireMethod(req.Method) {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	_, key := req.Header["Idempotency-Key"]
	_, xKey := req.Header["X-Idempotency-Key"]
	return key || xKey
}

// isRewindable reports whether a request can be sent again.
func isRewindable(req *http.Request) bool {
	return req.Body == nil || req.Body == http.NoBody || req.GetBody != nil
}

// rewind returns a request that can be sent again, nil if the body cannot be had again.
func rewind(req *http.Request) *http.Request {
	if req.Body == nil || req.Body == http.NoBody {
		return req
	}
	if req.GetBody == nil {
		return nil
	}
	body, err := req.GetBody()
	if err != nil {
		return nil
	}
	again := *req
	again.Body = body
	return &again
}

// authority returns the host and port of a request's URL.
func authority(req *http.Request) string {
	host, port := req.URL.Hostname(), req.URL.Port()
	if port == "" {
		port = "443"
	}
	if ascii, err := httpguts.PunycodeHostPort(host); err == nil {
		host = ascii
	}
	if whole := req.URL.Host; len(whole) == len(host)+1+len(port) && strings.HasPrefix(whole, host) && !strings.Contains(host, ":") {
		return whole // without an allocation
	}
	return net.JoinHostPort(host, port)
}
