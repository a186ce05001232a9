package http3_test

import (
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/internal/netsim"
	"github.com/quic-go/quic-go/internal/testcert"
)

// bodySize is that of the transfers; the race detector and -short make do with less.
func bodySize() int64 {
	if raceEnabled || testing.Short() {
		return 4 << 20
	}
	return 64 << 20
}

// content returns n random bytes that depend on the seed alone.
func content(seed byte, n int64) io.Reader {
	return io.LimitReader(rand.NewChaCha8([32]byte{seed}), n)
}

// hashOf returns the number of bytes and their hash.
func hashOf(r io.Reader) (string, error) {
	h := sha256.New()
	n, err := io.Copy(h, r)
	return fmt.Sprintf("%d bytes, %x", n, h.Sum(nil)), err
}

// transferHandler answers GET with content and PUT with what hashOf says of the body.
func transferHandler(t *testing.T) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			if _, err := io.Copy(w, content(1, bodySize())); err != nil {
				t.Errorf("sending the body: %v", err)
			}
			return
		}
		sum, err := hashOf(r.Body)
		if err != nil {
			t.Errorf("reading the body: %v", err)
		}
		io.WriteString(w, sum)
	}
}

// testTransfers downloads and uploads bodySize bytes.
func testTransfers(t *testing.T, send func(*http.Request) (*http.Response, error), url string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	rsp, err := send(req)
	if err != nil {
		t.Fatal(err)
	}
	got, err := hashOf(rsp.Body)
	if want, _ := hashOf(content(1, bodySize())); err != nil || got != want {
		t.Errorf("download: %s, %v, want %s", got, err, want)
	}
	rsp.Body.Close()

	req, err = http.NewRequestWithContext(t.Context(), http.MethodPut, url, content(2, bodySize()))
	if err != nil {
		t.Fatal(err)
	}
	if rsp, err = send(req); err != nil {
		t.Fatal(err)
	}
	defer rsp.Body.Close()
	var text strings.Builder
	_, err = io.Copy(&text, rsp.Body)
	if want, _ := hashOf(content(2, bodySize())); err != nil || text.String() != want {
		t.Errorf("upload: %s, %v, want %s", text.String(), err, want)
	}
}

func TestBodiesAreExactOverLoopback(t *testing.T) {
	sock, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer sock.Close()
	server := &http3.Server{TLSConfig: testcert.ServerConfig(http3.NextProtoH3), Handler: transferHandler(t)}
	served := make(chan error, 1)
	go func() { served <- server.Serve(sock) }()
	client := &http3.Transport{TLSClientConfig: testcert.ClientConfig(http3.NextProtoH3), QUICConfig: &quic.Config{}}
	testTransfers(t, client.RoundTrip, "https://"+sock.LocalAddr().String()+"/")
	if err := client.Close(); err != nil {
		t.Error(err)
	}
	if err := server.Close(); err != nil {
		t.Error(err)
	}
	if err := <-served; err != http.ErrServerClosed {
		t.Errorf("Serve: %v", err)
	}
}

func TestBodiesAreExactOverBadNetwork(t *testing.T) {
	d := netsim.Direction{
		Loss: 0.01, Reorder: 0.02, ReorderBy: 4 * time.Millisecond, Duplicate: 0.01,
		Delay: 2 * time.Millisecond, Jitter: time.Millisecond,
	}
	inNetwork(t, netsim.Options{Up: d, Down: d}, func(t *testing.T, w *world) {
		w.serve(transferHandler(t))
		testTransfers(t, w.client.RoundTrip, w.url("/"))
	})
}
