package endpoint

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/interop/http09"
)

// A Client plays the client of one test case. Its fields may not be changed after Run was called.
type Client struct {
	Testcase  string
	Requests  []string // URLs
	Downloads string   // the directory for the files
	TLS       *tls.Config
	Config    *quic.Config // may be nil
	// HTTP3 uses HTTP/3 in all test cases, for servers that know nothing else.
	HTTP3 bool
}

// Receive windows at the beginning, so small that files need MAX_DATA and MAX_STREAM_DATA.
const (
	streamWindow = 64 << 10
	connWindow   = 96 << 10
)

// keepAlive is when a client speaks that only waits: a server cannot reach it behind a NAT that has forgotten it.
const keepAlive = 5 * time.Second

// ticketTimeout is how long to wait for a session ticket.
const ticketTimeout = 10 * time.Second

// Run fetches the files. It returns nil when all of them are there.
func (c *Client) Run(ctx context.Context) error {
	tc, ok := testcases[c.Testcase]
	if !ok {
		return fmt.Errorf("client: %w: %q", ErrUnsupported, c.Testcase)
	}
	r := &run{client: c, testcase: tc, tickets: newTicketCache()}
	if tc.chacha20 {
		defer offerOnlyChaCha20()()
	}
	switch tc.play {
	case playTransfer:
		return r.onOneConnection(ctx, c.Requests, http.MethodGet)
	case playMulticonnect:
		for _, u := range c.Requests {
			if err := r.onOneConnection(ctx, []string{u}, http.MethodGet); err != nil {
				return err
			}
		}
		return nil
	case playResumption:
		return r.onTwoConnections(ctx, http.MethodGet)
	case playZeroRTT:
		return r.onTwoConnections(ctx, http09.MethodGet0RTT)
	}
	panic("BUG: test case without a way to play it")
}

// A run is one call of Run.
type run struct {
	client *Client
	testcase
	tickets *ticketCache
}

// onTwoConnections fetches the first file, and the others with the session of that connection.
func (r *run) onTwoConnections(ctx context.Context, method string) error {
	if len(r.client.Requests) < 2 {
		return errors.New("the test case needs two requests")
	}
	if err := r.onOneConnection(ctx, r.client.Requests[:1], http.MethodGet); err != nil {
		return err
	}
	r.tickets.offer = true
	return r.onOneConnection(ctx, r.client.Requests[1:], method)
}

// A roundTripper is a client of HTTP/0.9 or HTTP/3.
type roundTripper interface {
	http.RoundTripper
	Close() error
}

// onOneConnection fetches files at the same time.
func (r *run) onOneConnection(ctx context.Context, urls []string, method string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	rt := r.roundTripper()
	var wg sync.WaitGroup
	for _, u := range urls {
		wg.Go(func() {
			if err := r.fetch(ctx, rt, method, u); err != nil {
				cancel(fmt.Errorf("%s: %w", u, err)) // the first error counts
			}
		})
	}
	wg.Wait()
	err := context.Cause(ctx)
	if err == nil && (r.play == playResumption || r.play == playZeroRTT) && !r.tickets.offer {
		err = r.tickets.wait(ctx)
	}
	return errors.Join(err, rt.Close())
}

func (r *run) roundTripper() roundTripper {
	conf := baseConfig(r.client.Config)
	conf.InitialStreamReceiveWindow, conf.InitialConnectionReceiveWindow = streamWindow, connWindow
	conf.KeepAlivePeriod = keepAlive
	if r.version2 {
		conf.Versions = []quic.Version{quic.Version1, quic.Version2}
	}
	tlsConf := r.client.TLS.Clone()
	tlsConf.ClientSessionCache = r.tickets
	tlsConf.VerifyConnection = r.verify
	if !r.http3 && !r.client.HTTP3 {
		return &http09.RoundTripper{TLSClientConfig: tlsConf, QuicConfig: conf}
	}
	return &http3.Transport{
		TLSClientConfig: tlsConf,
		Dial: func(ctx context.Context, addr string, tlsConf *tls.Config, _ *quic.Config) (*quic.Conn, error) {
			return quic.DialAddrEarly(ctx, addr, tlsConf, conf)
		},
	}
}

// verify ends the handshake of a connection that is not what the test case is about.
func (r *run) verify(s tls.ConnectionState) error {
	if r.chacha20 && s.CipherSuite != tls.TLS_CHACHA20_POLY1305_SHA256 {
		return fmt.Errorf("cipher suite %s", tls.CipherSuiteName(s.CipherSuite))
	}
	if r.tickets.offer && !s.DidResume {
		return errors.New("the session was not resumed")
	}
	return nil
}

// fetch saves a file under its name.
func (r *run) fetch(ctx context.Context, rt roundTripper, method, rawURL string) error {
	u, err := url.Parse(rawURL)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), nil)
	if err != nil {
		return err
	}
	rsp, err := rt.RoundTrip(req)
	if err != nil {
		return err
	}
	defer rsp.Body.Close()
	if rsp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s", rsp.Status)
	}
	f, err := os.Create(filepath.Join(r.client.Downloads, path.Base(u.Path)))
	if err != nil {
		return err
	}
	_, err = io.Copy(f, rsp.Body)
	return errors.Join(err, f.Close())
}
