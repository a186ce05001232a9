package quic

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
)

func TestDialArguments(t *testing.T) {
	cause := errors.New("cause")
	cancelled, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	for _, tc := range []struct {
		name string
		ctx  context.Context
		addr string
		tls  *tls.Config
		conf *Config
		want string
	}{
		{"no tls.Config", t.Context(), "127.0.0.1:1", nil, nil, "quic: tls.Config not set"},
		{"unknown version", t.Context(), "127.0.0.1:1", &tls.Config{}, &Config{Versions: []Version{0x1234}}, "invalid QUIC version: 0x1234"},
		{"no port", t.Context(), "nohost", &tls.Config{}, nil, "address nohost: missing port in address"},
		{"cancelled", cancelled, "127.0.0.1:1", &tls.Config{}, nil, "cause"},
	} {
		for i, dial := range []func(context.Context, string, *tls.Config, *Config) (*Conn, error){DialAddr, DialAddrEarly} {
			if _, err := dial(tc.ctx, tc.addr, tc.tls, tc.conf); err == nil || err.Error() != tc.want {
				t.Errorf("%s, function %d: %v, want %s", tc.name, i, err, tc.want)
			}
		}
	}
}

func TestDialWithoutAddress(t *testing.T) {
	inBubble(t, &Transport{}, func(t *testing.T, n *rawNet) {
		if _, err := n.transport.Dial(t.Context(), nil, &tls.Config{}, nil); !errors.Is(err, errNoRemoteAddress) {
			t.Errorf("Dial without an address = %v, want %v", err, errNoRemoteAddress)
		}
	})
}

func TestResolve(t *testing.T) {
	for addr, want := range map[string]string{
		"127.0.0.1:443":   "127.0.0.1:443",
		"[::1]:443":       "[::1]:443",
		"127.0.0.1:https": "127.0.0.1:443",
		":443":            ":443",
	} {
		got, err := resolve(t.Context(), addr)
		if err != nil || got.String() != want {
			t.Errorf("resolve(%s) = %v, %v, want %s", addr, got, err, want)
		}
	}
	for _, addr := range []string{"host", "127.0.0.1:nosuchservice", "127.0.0.1:70000"} {
		if got, err := resolve(t.Context(), addr); err == nil {
			t.Errorf("resolve(%s) = %v, want an error", addr, got)
		}
	}
}

func TestServerName(t *testing.T) {
	udpAddr := &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 443}
	for _, tc := range []struct {
		name string
		d    dialParams
		want string
	}{
		{"of tls.Config", dialParams{addr: udpAddr, host: "host", tls: &tls.Config{ServerName: "name"}}, "name"},
		{"of DialAddr", dialParams{addr: udpAddr, host: "host", tls: &tls.Config{}}, "host"},
		{"of the address", dialParams{addr: udpAddr, tls: &tls.Config{}}, "192.0.2.1"},
		{"of an address without port", dialParams{addr: &net.IPAddr{IP: udpAddr.IP}, tls: &tls.Config{}}, "192.0.2.1"},
	} {
		if got := tc.d.serverName(); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}

// RFC 9369, Section 5: a token is for one version.
func TestTokensOfClients(t *testing.T) {
	store := NewLRUTokenStore(4, 4)
	params := func(name string, v protocol.Version) *connParams {
		p := &connParams{version: v, serverName: name, config: populateConfig(&Config{TokenStore: store})}
		p.useTokens()
		return p
	}
	first := params("host", Version1)
	if first.token != nil {
		t.Errorf("token = %q, want none", first.token)
	}
	token := []byte("token")
	first.storeToken(token, Version1, time.Second)
	token[0] = 'x' // is the connection's
	if p := params("other", Version1); p.token != nil {
		t.Errorf("another server gets the token %q", p.token)
	}
	if p := params("host", Version1); string(p.token) != "token" || p.initialRTT != time.Second {
		t.Errorf("token = %q, RTT %v, want token, 1s", p.token, p.initialRTT)
	}
	if p := params("host", Version1); p.token != nil {
		t.Errorf("the token %q is used twice", p.token)
	}
	first.storeToken(token, Version1, 0)
	if p := params("host", Version2); p.token != nil {
		t.Errorf("the token %q of version 1 is used for version 2", p.token)
	}
	without := &connParams{config: populateConfig(nil)}
	without.useTokens()
	if without.storeToken != nil {
		t.Error("tokens are kept without a TokenStore")
	}
}
