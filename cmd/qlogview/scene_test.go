package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/internal/netsim"
	"github.com/quic-go/quic-go/internal/testcert"
	"github.com/quic-go/quic-go/qlog"
	"github.com/quic-go/quic-go/qlogwriter"
)

// scene plays an HTTP/3 connection on a network that loses packets and returns the qlog files of client and server: a
// download, an upload, and streams with datagrams that end by STOP_SENDING, by RESET_STREAM and normally.
func scene(t *testing.T) (client, server []byte) {
	t.Helper()
	var files fileSet
	synctest.Test(t, func(t *testing.T) {
		way := netsim.Direction{Loss: 0.01, Delay: 15 * time.Millisecond, Rate: 2_000_000, QueueBytes: 60_000}
		clientPC, serverPC, network := netsim.Pair(4, netsim.Options{Up: way, Down: way})
		srv := &http3.Server{
			TLSConfig: http3.ConfigureTLSConfig(testcert.ServerConfig()), EnableDatagrams: true, Handler: http.HandlerFunc(serve),
			QUICConfig: &quic.Config{EnableDatagrams: true, Tracer: qlog.WithStreamStates(files.trace)},
		}
		var serving sync.WaitGroup
		serving.Go(func() { srv.Serve(serverPC) })
		tr := &quic.Transport{Conn: clientPC}
		conn, err := tr.Dial(t.Context(), serverPC.LocalAddr(), testcert.ClientConfig(http3.NextProtoH3), &quic.Config{EnableDatagrams: true, Tracer: qlog.WithStreamStates(files.trace)})
		if err != nil {
			t.Fatal(err)
		}
		play(t, (&http3.Transport{EnableDatagrams: true}).NewClientConn(conn))
		conn.CloseWithError(0, "that was all")
		time.Sleep(100 * time.Millisecond)
		tr.Close()
		srv.Close()
		serving.Wait()
		clientPC.Close()
		serverPC.Close()
		network.Close()
		files.running.Wait()
	})
	return files.client.Bytes(), files.server.Bytes()
}

type fileSet struct {
	client, server bytes.Buffer
	running        sync.WaitGroup
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

func (f *fileSet) trace(_ context.Context, isClient bool, id quic.ConnectionID) qlogwriter.Trace {
	out := &f.server
	if isClient {
		out = &f.client
	}
	trace := qlogwriter.NewConnectionFileSeq(nopCloser{out}, isClient, id)
	f.running.Go(trace.Run)
	return trace
}

func serve(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodConnect:
		w.WriteHeader(http.StatusOK)
		stream, err := w.(http3.HTTPStreamer).HTTPStream()
		if err == nil {
			echo(r, stream)
		}
	case r.Method == http.MethodPost:
		io.Copy(io.Discard, r.Body)
	default:
		w.Write(make([]byte, 600_000))
	}
}

// echo answers datagrams, and ends the stream as its path says.
func echo(r *http.Request, stream *http3.Stream) {
	for range 6 {
		ctx, cancel := context.WithTimeout(r.Context(), 120*time.Millisecond)
		if d, err := stream.ReceiveDatagram(ctx); err == nil {
			stream.SendDatagram(d)
		}
		cancel()
	}
	switch r.URL.Path {
	case "/stop":
		stream.CancelRead(0x10c)
		time.Sleep(60 * time.Millisecond)
		stream.Close()
	case "/reset":
		stream.CancelWrite(0x10c)
		io.Copy(io.Discard, stream)
	default:
		io.Copy(io.Discard, stream)
		stream.Close()
	}
}

// play makes the requests of the client, some at a time.
func play(t *testing.T, client *http3.ClientConn) {
	var all sync.WaitGroup
	request := func(method, path string, body io.Reader) {
		req, _ := http.NewRequestWithContext(t.Context(), method, "https://localhost"+path, body)
		rsp, err := client.RoundTrip(req)
		if err != nil {
			t.Errorf("%s %s: %v", method, path, err)
			return
		}
		io.Copy(io.Discard, rsp.Body)
		rsp.Body.Close()
	}
	all.Go(func() { request(http.MethodGet, "/picture.png", nil) })
	for i, path := range []string{"/close", "/stop", "/reset"} {
		time.Sleep(20 * time.Millisecond)
		all.Go(func() { exchange(t, client, path, time.Duration(40+15*i)*time.Millisecond) })
	}
	time.Sleep(80 * time.Millisecond)
	all.Go(func() { request(http.MethodPost, "/upload", bytes.NewReader(make([]byte, 200_000))) })
	all.Wait()
}

// exchange opens a stream, sends datagrams on it, and closes its side unless the server has done that.
func exchange(t *testing.T, client *http3.ClientConn, path string, pause time.Duration) {
	stream, err := client.OpenRequestStream(t.Context())
	if err != nil {
		t.Error(err)
		return
	}
	err = stream.SendRequestHeader(&http.Request{
		Method: http.MethodConnect, Proto: "echo", Host: "localhost", URL: &url.URL{Scheme: "https", Host: "localhost", Path: path},
	})
	if err != nil {
		t.Error(err)
		return
	}
	if _, err := stream.ReadResponse(); err != nil {
		t.Error(err)
		return
	}
	for range 8 {
		stream.SendDatagram(make([]byte, 100))
		time.Sleep(pause)
	}
	stream.Close()
	io.Copy(io.Discard, stream)
}
