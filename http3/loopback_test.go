package http3_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/internal/testcert"
)

// certFiles writes the certificate and the key of the tests to files.
func certFiles(t *testing.T) (cert, key string) {
	t.Helper()
	c := testcert.ServerConfig().Certificates[0]
	var chain []byte
	for _, der := range c.Certificate {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	for name, b := range map[string][]byte{cert: chain, key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})} {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// freePort returns an address on which nobody listens, with TCP or UDP.
func freePort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// fetch gets a page, as soon as somebody serves it.
func fetch(t *testing.T, rt http.RoundTripper, url string, failed <-chan error) *http.Response {
	t.Helper()
	client := &http.Client{Transport: rt}
	for {
		rsp, err := client.Get(url)
		if err == nil {
			return rsp
		}
		select {
		case err := <-failed:
			t.Fatalf("the server has ended: %v", err)
		default:
		}
		if !strings.Contains(err.Error(), "refused") {
			t.Fatal(err)
		}
	}
}

func hello(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto) }

func TestListenAndServeTLSServesBothProtocols(t *testing.T) {
	cert, key := certFiles(t)
	addr := freePort(t)
	failed := make(chan error, 1)
	go func() { failed <- http3.ListenAndServeTLS(addr, cert, key, http.HandlerFunc(hello)) }()

	tcp := &http.Transport{TLSClientConfig: testcert.ClientConfig(), ForceAttemptHTTP2: true}
	defer tcp.CloseIdleConnections()
	rsp := fetch(t, tcp, "https://"+addr, failed)
	if _, port, _ := net.SplitHostPort(addr); rsp.Header.Get("Alt-Svc") != `h3=":`+port+`"; ma=2592000` {
		t.Errorf("over TCP: %s, Alt-Svc %q", rsp.Proto, rsp.Header.Get("Alt-Svc"))
	}
	rsp.Body.Close()
	tr := &http3.Transport{TLSClientConfig: testcert.ClientConfig()}
	defer tr.Close()
	rsp = fetch(t, tr, "https://"+addr, failed)
	defer rsp.Body.Close()
	if b, err := io.ReadAll(rsp.Body); string(b) != "HTTP/3.0" || err != nil {
		t.Errorf("over QUIC: %q, %v", b, err)
	}
}

func TestServerListensOnItsAddr(t *testing.T) {
	cert, key := certFiles(t)
	for _, tlsConf := range []*tls.Config{nil, testcert.ServerConfig()} {
		pc, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := pc.LocalAddr().String()
		pc.Close()
		srv := &http3.Server{Addr: addr, Handler: http.HandlerFunc(hello), TLSConfig: tlsConf}
		failed := make(chan error, 1)
		go func() {
			if tlsConf == nil {
				failed <- srv.ListenAndServeTLS(cert, key)
			} else {
				failed <- srv.ListenAndServe()
			}
		}()
		tr := &http3.Transport{TLSClientConfig: testcert.ClientConfig()}
		rsp := fetch(t, tr, "https://"+addr, failed)
		io.Copy(io.Discard, rsp.Body)
		rsp.Body.Close()
		tr.Close()
		srv.Close()
		if err := <-failed; err != http.ErrServerClosed {
			t.Errorf("got %v, want %v", err, http.ErrServerClosed)
		}
	}
}
