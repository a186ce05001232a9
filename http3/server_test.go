package http3

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"slices"
	"testing"

	"github.com/quic-go/quic-go"
)

// A fakeListener is a listener with an address of one's choice.
type fakeListener struct{ addr net.Addr }

func (l *fakeListener) Accept(ctx context.Context) (*quic.Conn, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}
func (l *fakeListener) Addr() net.Addr { return l.addr }
func (l *fakeListener) Close() error   { return nil }

type textAddr string

func (a textAddr) Network() string { return "test" }
func (a textAddr) String() string  { return string(a) }

func TestAltSvc(t *testing.T) {
	udp := func(port int) net.Addr { return &net.UDPAddr{Port: port} }
	tests := []struct {
		name   string
		server *Server
		addrs  []net.Addr
		want   string
	}{
		{"no listener", &Server{Port: 443, Addr: ":443"}, nil, ""},
		{"one listener", &Server{}, []net.Addr{udp(443)}, `h3=":443"; ma=2592000`},
		{"two ports", &Server{}, []net.Addr{udp(8443), udp(443), udp(443)}, `h3=":443"; ma=2592000,h3=":8443"; ma=2592000`},
		{"Server.Port", &Server{Port: 1}, []net.Addr{udp(8443), udp(443)}, `h3=":1"; ma=2592000`},
		{"other address", &Server{}, []net.Addr{textAddr("host:99")}, `h3=":99"; ma=2592000`},
		{"Server.Addr", &Server{Addr: ":98"}, []net.Addr{textAddr("nowhere")}, `h3=":98"; ma=2592000`},
	}
	for _, test := range tests {
		for _, addr := range test.addrs {
			if _, err := test.server.addListener(&fakeListener{addr}, false); err != nil {
				t.Fatal(err)
			}
		}
		h := http.Header{"Alt-Svc": {"other"}}
		err := test.server.SetQUICHeaders(h)
		if test.want == "" {
			if err != ErrNoAltSvcPort || len(h["Alt-Svc"]) != 1 {
				t.Errorf("%s: got %v, %v", test.name, h, err)
			}
			continue
		}
		if want := []string{"other", test.want}; err != nil || !slices.Equal(h["Alt-Svc"], want) {
			t.Errorf("%s: got %q, %v, want %q", test.name, h["Alt-Svc"], err, want)
		}
		test.server.Close()
		if err := test.server.SetQUICHeaders(h); err != ErrNoAltSvcPort {
			t.Errorf("%s: after Close: %v", test.name, err)
		}
	}
}

func TestConfigureTLSConfig(t *testing.T) {
	failure := errors.New("no")
	conf := &tls.Config{NextProtos: []string{"other"}, GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		switch h.ServerName {
		case "nil":
			return nil, nil
		case "error":
			return nil, failure
		}
		return &tls.Config{NextProtos: []string{"inner"}}, nil
	}}
	got := ConfigureTLSConfig(conf)
	if !slices.Equal(got.NextProtos, []string{"h3"}) || !slices.Equal(conf.NextProtos, []string{"other"}) {
		t.Errorf("got %v, the argument has %v", got.NextProtos, conf.NextProtos)
	}
	inner, err := got.GetConfigForClient(&tls.ClientHelloInfo{})
	if err != nil || !slices.Equal(inner.NextProtos, []string{"h3"}) {
		t.Errorf("inner: %v, %v", inner, err)
	}
	if inner, err := got.GetConfigForClient(&tls.ClientHelloInfo{ServerName: "nil"}); inner != nil || err != nil {
		t.Errorf("nil: %v, %v", inner, err)
	}
	if _, err := got.GetConfigForClient(&tls.ClientHelloInfo{ServerName: "error"}); err != failure {
		t.Errorf("error: %v", err)
	}
}

func TestServeNeedsATLSConfig(t *testing.T) {
	for _, err := range []error{(&Server{}).Serve(nil), (&Server{}).ListenAndServe()} {
		if err == nil || err.Error() != "use of http3.Server without TLSConfig" {
			t.Errorf("got %v", err)
		}
	}
}
