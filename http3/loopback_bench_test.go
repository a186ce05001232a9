package http3_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/internal/benchtest"
	"github.com/quic-go/quic-go/internal/testcert"
)

// benchSize is the content that an operation of BenchmarkResponseBody and BenchmarkRequestBody moves.
const benchSize = 8 << 20

// serveLoopback starts a server on a loopback socket and returns its URL, and a client.
func serveLoopback(tb testing.TB, handler http.HandlerFunc) (url string, client *http3.Transport) {
	tb.Helper()
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	server := &http3.Server{TLSConfig: testcert.ServerConfig(), Handler: handler, EnableDatagrams: true}
	served := make(chan error, 1)
	go func() { served <- server.Serve(pc) }()
	client = &http3.Transport{TLSClientConfig: testcert.ClientConfig(), EnableDatagrams: true}
	tb.Cleanup(func() {
		client.Close()
		server.Close()
		if err := <-served; err != http.ErrServerClosed {
			tb.Error(err)
		}
		pc.Close()
	})
	return "https://" + pc.LocalAddr().String() + "/", client
}

// fetchAll sends a request, reads the content of the response and checks its size.
func fetchAll(client http.RoundTripper, req *http.Request, want int64) error {
	rsp, err := client.RoundTrip(req)
	if err != nil {
		return err
	}
	n, err := io.Copy(io.Discard, rsp.Body)
	if err == nil && (n != want || rsp.StatusCode != http.StatusOK) {
		err = fmt.Errorf("got %s with %d bytes, want 200 OK with %d", rsp.Status, n, want)
	}
	return errors.Join(err, rsp.Body.Close())
}

// kibibyte is a handler whose response is 1 KiB long.
func kibibyte(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, 1<<10)) }

// BenchmarkGet sends requests over loopback sockets and reads their responses of 1 KiB: with one worker it is the latency, with
// many of them the throughput.
func BenchmarkGet(b *testing.B) {
	for _, workers := range []int{1, 64} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			url, client := serveLoopback(b, kibibyte)
			get := func(int) error {
				req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, url, nil)
				if err != nil {
					return err
				}
				return fetchAll(client, req, 1<<10)
			}
			if err := get(0); err != nil { // makes the connection
				b.Fatal(err)
			}
			benchtest.Workers(b, workers, get)
		})
	}
}

// BenchmarkResponseBody downloads a large response over loopback sockets.
func BenchmarkResponseBody(b *testing.B) {
	data := make([]byte, benchSize)
	url, client := serveLoopback(b, func(w http.ResponseWriter, r *http.Request) { w.Write(data) })
	benchmarkBodies(b, func() error {
		req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		return fetchAll(client, req, benchSize)
	})
}

// BenchmarkRequestBody uploads a large request over loopback sockets.
func BenchmarkRequestBody(b *testing.B) {
	url, client := serveLoopback(b, func(w http.ResponseWriter, r *http.Request) {
		if n, err := io.Copy(io.Discard, r.Body); err != nil || n != benchSize {
			w.WriteHeader(http.StatusBadRequest)
		}
	})
	data := make([]byte, benchSize)
	benchmarkBodies(b, func() error {
		req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, url, bytes.NewReader(data))
		if err != nil {
			return err
		}
		return fetchAll(client, req, 0)
	})
}

func benchmarkBodies(b *testing.B, move func() error) {
	if err := move(); err != nil { // makes the connection and leaves slow start
		b.Fatal(err)
	}
	b.SetBytes(benchSize)
	b.ReportAllocs()
	cpu := benchtest.StartCPU()
	for b.Loop() {
		if err := move(); err != nil {
			b.Fatal(err)
		}
	}
	cpu.Report(b)
}

// BenchmarkHTTPDatagrams sends datagrams of a request stream over loopback sockets as fast as SendDatagram takes them. One
// operation is one that was sent. How many have reached the handler is reported too.
func BenchmarkHTTPDatagrams(b *testing.B) {
	var received atomic.Int64
	url, client := serveLoopback(b, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		str, err := w.(http3.HTTPStreamer).HTTPStream()
		if err != nil {
			b.Error(err)
			return
		}
		for {
			if _, err := str.ReceiveDatagram(r.Context()); err != nil {
				return
			}
			received.Add(1)
		}
	})
	str := openTunnel(b, client, url)
	payload := make([]byte, 1200)
	b.SetBytes(int64(len(payload)))
	b.ReportAllocs()
	cpu := benchtest.StartCPU()
	for b.Loop() {
		if err := str.SendDatagram(payload); err != nil {
			b.Fatal(err)
		}
	}
	for last := int64(-1); received.Load() != last; time.Sleep(50 * time.Millisecond) {
		last = received.Load()
	}
	cpu.Report(b)
	b.ReportMetric(100*float64(received.Load())/float64(b.N), "%delivered")
}

// openTunnel opens a stream for datagrams by an extended CONNECT request.
func openTunnel(b *testing.B, client *http3.Transport, url string) *http3.RequestStream {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), http.MethodConnect, url, nil)
	if err != nil {
		b.Fatal(err)
	}
	req.Proto = "benchmark"
	ctx, cancel := context.WithTimeout(b.Context(), 10*time.Second)
	defer cancel()
	qc, err := quic.DialAddr(ctx, req.URL.Host, testcert.ClientConfig(http3.NextProtoH3), &quic.Config{EnableDatagrams: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { qc.CloseWithError(0, "") })
	str, err := client.NewClientConn(qc).OpenRequestStream(ctx)
	if err != nil {
		b.Fatal(err)
	}
	if err := str.SendRequestHeader(req); err != nil {
		b.Fatal(err)
	}
	if rsp, err := str.ReadResponse(); err != nil || rsp.StatusCode != http.StatusOK {
		b.Fatalf("ReadResponse: %v, %v", rsp, err)
	}
	return str
}
