package endpoint

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path"
	"strings"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/interop/http09"
)

// Timeouts of both sides. Networks of some cases lose a third of all packets, or all of them for seconds.
const (
	handshakeTimeout = 60 * time.Second
	idleTimeout      = 30 * time.Second
)

// A Server plays the server of one test case. Its fields may not be changed after Serve was called.
type Server struct {
	Testcase string
	WWW      string // the directory of the files
	TLS      *tls.Config
	Config   *quic.Config // may be nil
	// HTTP3 serves HTTP/3 in all test cases, for clients that know nothing else.
	HTTP3 bool
}

// ServerSupports reports whether a Server plays a test case.
func ServerSupports(name string) bool {
	tc, ok := testcases[name]
	return ok && !tc.noServer
}

// Serve serves until ctx ends, and then returns nil.
func (s *Server) Serve(ctx context.Context, pc net.PacketConn) error {
	if !ServerSupports(s.Testcase) {
		return fmt.Errorf("server: %w: %q", ErrUnsupported, s.Testcase)
	}
	tc := testcases[s.Testcase]
	root, err := os.OpenRoot(s.WWW)
	if err != nil {
		return err
	}
	defer root.Close()
	tr := &quic.Transport{Conn: pc}
	if tc.retry {
		tr.VerifySourceAddress = func(net.Addr) bool { return true }
	}
	defer tr.Close()
	useHTTP3 := tc.http3 || s.HTTP3
	ln, err := tr.ListenEarly(s.tlsConfig(useHTTP3), s.quicConfig(tc))
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { ln.Close() })
	defer stop()
	mux := http.NewServeMux()
	mux.Handle("/", files{root})
	if useHTTP3 {
		srv := &http3.Server{Handler: mux}
		defer srv.Close()
		err = srv.ServeListener(ln)
	} else {
		err = (&http09.Server{Handler: mux}).ServeListener(ln)
	}
	if ctx.Err() != nil && (errors.Is(err, quic.ErrServerClosed) || errors.Is(err, http.ErrServerClosed)) {
		return nil
	}
	return err
}

func (s *Server) tlsConfig(useHTTP3 bool) *tls.Config {
	conf := s.TLS.Clone()
	conf.NextProtos = []string{http09.NextProto}
	if useHTTP3 {
		conf = http3.ConfigureTLSConfig(conf)
	}
	return conf
}

func (s *Server) quicConfig(tc testcase) *quic.Config {
	conf := baseConfig(s.Config)
	conf.Allow0RTT = true
	if tc.version2 {
		conf.Versions = []quic.Version{quic.Version2, quic.Version1}
	}
	return conf
}

// baseConfig returns a copy of conf with what all test cases have in common.
func baseConfig(conf *quic.Config) *quic.Config {
	if conf == nil {
		conf = &quic.Config{}
	}
	conf = conf.Clone()
	conf.HandshakeIdleTimeout, conf.MaxIdleTimeout = handshakeTimeout, idleTimeout
	return conf
}

// files serves the plain bytes of files. HTTP/0.9 has no way to say that there is none.
type files struct{ root *os.Root }

// ServeHTTP implements http.Handler.
func (f files) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
	file, err := f.root.Open(name)
	if err != nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	defer file.Close()
	_, _ = io.Copy(w, file) // an error says that the client has gone
}
